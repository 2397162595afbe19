package speaker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Announcing has by VRF the announcements from its kernel table that would be others than
// now.
type Announcing map[string]map[netip.Prefix]*rib.Announcement // nil: withdrawn

// Tables are the tables of a BGP server.
type Tables interface {
	// Paths calls yield with all paths of each destination of a family, the best first,
	// or of some destinations; nil: of all. A destination that the server does not have
	// is left out. The paths are judged by the policies of the configuration that is foreseen;
	// again says that the server has others now. Where others alone are asked for, a destination
	// that has those of now may be left out.
	Paths(ctx context.Context, of Family, some []Destination, others bool, yield func(d Destination, paths []rib.Path, again bool)) error
}

// Foresight works out which paths each VRF would have under another configuration.
type Foresight struct {
	Old, Next []VRF
	// OldRules and NextRules are the leaks beside route targets, by the VRF that takes. How many
	// prefixes they may let in is not counted.
	OldRules, NextRules map[string][]rib.LeakRule
	Anew                map[string]bool     // VRFs that go, or are made anew: their announcements with them
	Retargeted          map[string]bool     // VRFs that have other route targets, and stay
	Goes                func(rib.Path) bool // whether a path goes, with its neighbour; nil: none does
	Rejudged            bool                // paths may be judged otherwise: see Tables
	RPKI                *rib.RPKI           // what the policies of rules are told
	Feeds               *Feeds
	Tables              Tables
}

// Paths returns the candidates that each VRF of the next configuration would have,
// Default included. announcing holds, by VRF, the announcements that would change. The
// server's tables are read as far as they must: not at all where neither VRFs nor
// neighbours, policies or announcements change.
func (f *Foresight) Paths(ctx context.Context, announcing Announcing) (map[string]*Paths, error) {
	w := f.begin(announcing)
	fresh := false
	for _, paths := range w.out {
		fresh = fresh || paths.feed == nil
	}
	stirred := fresh || len(f.Anew)+len(f.Retargeted) > 0 || f.Goes != nil || len(announcing) > 0
	if !stirred && !f.Rejudged {
		return w.out, nil
	}
	if err := w.read(ctx, fresh || len(f.Anew)+len(f.Retargeted) > 0 || f.Goes != nil || f.Rejudged, !stirred); err != nil {
		return nil, err
	}
	w.announceNew()
	w.limit()
	return w.out, nil
}

// limit takes out what the limits of leaks keep out of VRFs that were read anew: what is there now
// goes before the rest, each of it by prefix.
func (w *outlook) limit() {
	for name, p := range w.out {
		if p.feed != nil {
			continue
		}
		was, _ := w.Feeds.Feed(name) // none: it is new
		for _, rule := range w.NextRules[name] {
			if rule.MaxPrefixes > 0 {
				p.limit(was, rule)
			}
		}
	}
}

// outlook is the work on one Foresight.
type outlook struct {
	*Foresight
	announcing Announcing
	vrfs       map[string]VRF            // of the next configuration
	rds        map[rib.RD]string         // VRFs of the old configuration
	attrs      map[*rib.Attrs]*rib.Attrs // those that another VRF's route targets make
	out        map[string]*Paths
	met        map[Destination]bool // announcements of which the destination was read
}

func (f *Foresight) begin(announcing Announcing) *outlook {
	w := &outlook{
		Foresight: f, announcing: announcing, vrfs: make(map[string]VRF), rds: make(map[rib.RD]string),
		attrs: make(map[*rib.Attrs]*rib.Attrs), out: make(map[string]*Paths), met: make(map[Destination]bool),
	}
	w.out[Default] = f.start(Default, f.sameRules(Default))
	for _, v := range f.Old {
		w.rds[v.RD] = v.Name
	}
	for _, v := range f.Next {
		was, had := FindVRF(f.Old, v.Name)
		w.out[v.Name] = f.start(v.Name, had && slices.Equal(was.ImportRTs, v.ImportRTs) && f.sameRules(v.Name))
		w.vrfs[v.Name] = v
	}
	return w
}

func (f *Foresight) sameRules(name string) bool {
	return slices.Equal(f.OldRules[name], f.NextRules[name])
}

func (f *Foresight) start(name string, keeps bool) *Paths {
	p := &Paths{edits: rib.NewFeed()}
	if keeps {
		p.feed, _ = f.Feeds.Feed(name) // none: it is gone meanwhile
	}
	return p
}

// read looks at destinations of the server's tables: all of them, or those whose
// announcement changes; and at others than now alone, or at all.
func (w *outlook) read(ctx context.Context, whole, others bool) error {
	for _, family := range allFamilies {
		parts := [][]Destination{nil} // everything
		if !whole {
			parts = w.changing(family)
		}
		for _, some := range parts {
			if err := w.Tables.Paths(ctx, family, some, others, w.destination); err != nil {
				return fmt.Errorf("read BGP's tables: %w", err)
			}
		}
	}
	return nil
}

// changing are the destinations whose announcement changes, in parts.
func (w *outlook) changing(family Family) [][]Destination {
	var all []Destination
	for name, changes := range w.announcing {
		was, had := FindVRF(w.Old, name)
		if family.EVPN || family.VPN != (name != Default) || family.VPN && !had {
			continue
		}
		for prefix := range changes {
			if prefix.Addr().Is4() == (family.Of == rib.IPv4) {
				all = append(all, Destination{RD: was.RD, Prefix: prefix})
			}
		}
	}
	return slices.Collect(slices.Chunk(all, lookupBatch))
}

// destination decides what becomes of one destination of the server's tables.
func (w *outlook) destination(d Destination, known []rib.Path, touched bool) {
	after := make([]rib.Path, 0, len(known)+1)
	own := w.rds[d.RD]
	if d.RD == 0 {
		own = Default
	}
	change, changes := w.announcing[own][d.Prefix]
	if changes = changes && !d.EVPN; changes {
		w.met[d] = true
	}
	for _, path := range known {
		switch {
		case w.goes(path), changes && path.Attrs.Imported:
			touched = true
			continue
		case w.Anew[path.Attrs.Source], w.Retargeted[path.Attrs.Source]:
			touched = true
			moved, stays := w.remade(path)
			if !stays {
				continue
			}
			path = moved
		}
		after = append(after, path)
	}
	if changes && change != nil {
		touched = true
		after = append(after, Announced(w.vrfs[own], own, *change))
	}
	w.put(d, after, touched)
}

func (f *Foresight) goes(path rib.Path) bool { return f.Goes != nil && f.Goes(path) }

// put gives the paths of a destination to the VRFs that would import them. Untouched
// paths are in their feeds already, where they have one.
func (w *outlook) put(d Destination, after []rib.Path, touched bool) {
	byRD := make(map[rib.RD][]rib.Path, 1)
	for _, path := range after {
		byRD[path.RD] = append(byRD[path.RD], path)
	}
	if d.RD != 0 && touched || len(byRD) == 0 {
		byRD[d.RD] = append([]rib.Path(nil), byRD[d.RD]...) // the paths that were there go
	}
	for rd, paths := range byRD {
		w.give(Destination{rd, d.Prefix, d.EVPN}, paths, touched)
	}
}

func (w *outlook) give(d Destination, paths []rib.Path, touched bool) {
	for name, to := range w.out {
		if to.feed != nil && !touched {
			continue
		}
		var some []rib.Path
		for _, p := range paths {
			if p, in := w.lead(name, p); in {
				some = append(some, p)
			}
		}
		some = w.goneBy(name, some)
		if len(some) > 0 || to.has(d) {
			to.set(d, some)
		}
	}
}

// goneBy leaves of the paths that a rule lets into a VRF those that the VRF which they are from goes
// by: those that it goes by now, or else the best of them. What its worker would make of another
// policy Chose says afterwards.
func (w *outlook) goneBy(into string, paths []rib.Path) []rib.Path {
	byRule := func(p rib.Path) bool { return p.Attrs.ByRule }
	at := slices.IndexFunc(paths, byRule)
	if at < 0 {
		return paths
	}
	var goes []rib.Path
	if f, err := w.Feeds.Feed(into); err == nil {
		now := f.Lookup(paths[at].Prefix)
		for _, p := range paths {
			if byRule(p) && slices.ContainsFunc(now, func(q rib.Path) bool { return byRule(q) && q.RD == p.RD && q.ID == p.ID }) {
				goes = append(goes, p)
			}
		}
	}
	if len(goes) == 0 {
		all := slices.DeleteFunc(slices.Clone(paths), func(p rib.Path) bool { return !byRule(p) })
		goes = rib.Select(nil, all, 1)
	}
	return append(slices.DeleteFunc(paths, byRule), goes...)
}

// lead returns a path as it comes into a VRF, by route targets or by a rule.
func (w *outlook) lead(into string, p rib.Path) (rib.Path, bool) {
	switch {
	case p.Attrs.Imported && p.Attrs.As == rib.FromLeak: // it is there to be told alone
		return p, false
	case into == Default && p.RD == 0, into != Default && p.RD != 0 && meet(p.Attrs.RTs, w.vrfs[into].ImportRTs):
		return p, true
	}
	for i := range w.NextRules[into] {
		rule := &w.NextRules[into][i]
		if !rule.Concerns(&p) {
			continue
		}
		p.Attrs = rule.Leaked(p.Attrs)
		r := rule.Judge(&p, into, true, w.RPKI, nil)
		if p.Attrs = r.Attrs; !r.Rejected && rib.LeakRules(w.NextRules).GivesWay(into, rule, p.Prefix) {
			p.Attrs = rib.GivingWay(p.Attrs)
		}
		return p, !r.Rejected
	}
	return p, false
}

// remade is a path of a VRF that is made anew, with the RD and route targets that it
// will have. A path that another client put into the VRF goes with it.
func (w *outlook) remade(path rib.Path) (rib.Path, bool) {
	name := path.Attrs.Source
	v, stays := w.vrfs[name]
	if !stays || w.Anew[name] && !path.Attrs.Peer.IsValid() && !path.Attrs.Imported {
		return rib.Path{}, false
	}
	old, _ := FindVRF(w.Old, name)
	a := w.attrs[path.Attrs]
	if a == nil {
		next, tags := *path.Attrs, *path.Attrs.Tags // shared with other paths
		tags.RTs = slices.DeleteFunc(slices.Clone(tags.RTs), func(rt rib.RT) bool { return slices.Contains(old.ExportRTs, rt) })
		tags.RTs = append(tags.RTs, v.ExportRTs...)
		next.Tags = &tags
		a = &next
		w.attrs[path.Attrs] = a
	}
	path.RD, path.Attrs = v.RD, a
	return path, true
}

// Announced is the path that a server makes of an announcement in a VRF called name, of
// which v has the RD and export route targets: none for Default.
func Announced(v VRF, name string, a rib.Announcement) rib.Path {
	attrs := &rib.Attrs{
		Via: &rib.Via{Source: name, Imported: true, As: a.As}, LocalPref: DefaultLocalPref, MED: a.MED, Origin: rib.OriginIncomplete,
		ASPathLen: int32(a.Prepend), // of our own AS, which no policy asks for by its number here
		Tags:      &rib.Tags{RTs: v.ExportRTs, Communities: a.Communities, Large: a.Large},
	}
	if a.LocalPref != nil {
		attrs.LocalPref = *a.LocalPref
	}
	return rib.Path{Prefix: a.Prefix, RD: v.RD, Attrs: attrs}
}

// DefaultLocalPref is the preference of a path without LOCAL_PREF.
const DefaultLocalPref = 100

// announceNew adds the announcements of destinations that the server does not have.
func (w *outlook) announceNew() {
	for name, changes := range w.announcing {
		v, had := w.vrfs[name]
		if !had && name != Default {
			continue
		}
		was, is := FindVRF(w.Old, name)
		for prefix, a := range changes {
			read := (is || name == Default) && w.met[Destination{RD: was.RD, Prefix: prefix}]
			if a != nil && !read {
				w.put(Destination{RD: v.RD, Prefix: prefix}, []rib.Path{Announced(v, name, *a)}, true)
			}
		}
	}
}
