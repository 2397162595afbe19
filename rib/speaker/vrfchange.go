package speaker

import (
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// An Intake goes on where some VRFs go and others come, and no more than that changes: it takes in
// what leads into the new ones, and need not hear of all else again. Others would wait for that, for
// each VRF that comes.

// wornAt is after how many VRFs that went, or as many as there are if these are more, an Intake is made
// anew: its sets of VRFs have those that went too.
const wornAt = 1000

// Change has VRFs go and others come, of which vrfs are all that there are then. Neither leaks nor
// neighbours change with it. After it the server's destinations are taken in again that have a path with
// one of the import targets of those that come, or an RD of one of all of these; and then Complete is
// called. It does nothing and returns false where a new Intake has to take its place.
func (in *Intake) Change(vrfs, gone, come []VRF, neighbours []Neighbour, feeds *Feeds) bool {
	if !in.synced || len(in.index.leaks.rules) > 0 || in.worn() {
		return false
	}
	in.Flush()
	left := make(map[*rib.Feed]bool)
	for _, v := range gone {
		for _, m := range in.index.expel(v) {
			left[m.feed] = true
			delete(in.awaited, m.feed)
			delete(in.coming, m.feed)
		}
	}
	in.feeds = slices.DeleteFunc(in.feeds, func(f *rib.Feed) bool { return left[f] })
	all, its := feeds.ByVRF(), make(map[string][]*rib.Feed)
	for _, v := range come {
		its[v.Name] = all[v.Name]
		for _, f := range all[v.Name] {
			in.coming[f] = nil
			in.feeds = append(in.feeds, f)
		}
	}
	in.index.admit(come, its)
	for f, list := range awaited(vrfs, come, nil, neighbours, its) {
		in.coming[f] = list
	}
	return true
}

// Complete says that all has come that leads into feeds which are new since Change.
func (in *Intake) Complete(feeds []*rib.Feed) {
	in.Flush()
	for _, f := range feeds {
		if list, is := in.coming[f]; is {
			in.awaited[f] = list
			delete(in.coming, f)
		}
	}
	in.converge()
}

// worn tells whether so many VRFs have gone that what is still known of them counts.
func (in *Intake) worn() bool {
	n := len(in.index.gone)
	return n >= wornAt && n >= len(in.feeds)
}

// expel takes a VRF out, and returns its feeds. Where it is in sets of Importers it stays there, until
// these are of no use.
func (x *index) expel(v VRF) (was []importer) {
	is := func(m importer) bool { return m.vrf == v.Name }
	was = x.all[v.Name]
	for _, m := range was {
		x.gone[m.id] = struct{}{}
	}
	for _, rt := range v.ImportRTs {
		if x.byRT[rt] = slices.DeleteFunc(slices.Clone(x.byRT[rt]), is); len(x.byRT[rt]) == 0 {
			delete(x.byRT, rt)
		}
	}
	if x.homes[v.RD] = slices.DeleteFunc(slices.Clone(x.homes[v.RD]), is); len(x.homes[v.RD]) == 0 {
		delete(x.homes, v.RD)
	}
	delete(x.all, v.Name)
	return was
}

// admit takes VRFs in, with their feeds.
func (x *index) admit(vrfs []VRF, feeds map[string][]*rib.Feed) {
	for _, v := range vrfs {
		for _, f := range feeds[v.Name] {
			m := importer{x.next, v.Name, f}
			x.next++
			x.all[v.Name] = append(x.all[v.Name], m)
			if v.RD != 0 {
				x.homes[v.RD] = append(x.homes[v.RD], m)
			}
			for _, rt := range v.ImportRTs {
				x.byRT[rt] = append(x.byRT[rt], m)
			}
		}
	}
}
