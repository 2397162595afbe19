package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
)

// Paths are the candidates that a VRF would have: those of its feed, but for
// some prefixes. A VRF that is new or imports other route targets has no feed to
// begin with. It is immutable once handed out.
type Paths struct {
	feed  *rib.Feed // nil: none
	edits map[netip.Prefix][]rib.Path
}

// Lookup returns the paths of one prefix. They are immutable.
func (p *Paths) Lookup(prefix netip.Prefix) []rib.Path {
	if paths, edited := p.edits[prefix]; edited {
		return paths
	}
	if p.feed == nil {
		return nil
	}
	return p.feed.Lookup(prefix)
}

// WithPaths returns every prefix that has a path, in any order.
func (p *Paths) WithPaths() []netip.Prefix {
	var list []netip.Prefix
	if p.feed != nil {
		list = slices.DeleteFunc(p.feed.WithPaths(), func(prefix netip.Prefix) bool { _, edited := p.edits[prefix]; return edited })
	}
	for prefix, paths := range p.edits {
		if len(paths) > 0 {
			list = append(list, prefix)
		}
	}
	return list
}

// Edited tells whether they are others than the VRF has now.
func (p *Paths) Edited() bool { return p.feed == nil || len(p.edits) > 0 }

// set makes paths all that there is of rd and prefix.
func (p *Paths) set(prefix netip.Prefix, rd rib.RD, paths []rib.Path) {
	old := p.Lookup(prefix)
	next := make([]rib.Path, 0, len(old)+len(paths))
	for _, o := range old {
		if o.RD != rd {
			next = append(next, o)
		}
	}
	if next = append(next, paths...); len(next) > 0 || p.feed != nil {
		p.edits[prefix] = next
	} else {
		delete(p.edits, prefix)
	}
}

// Announcing is what a VRF would announce from its kernel table, and what of
// that differs from now.
type Announcing map[string]map[netip.Prefix]*rib.Announcement // nil: withdrawn

// Paths returns the candidates that each VRF of the previewed configuration
// would have, "default" included. announcing holds, by VRF, the announcements
// that would change. BGP's tables are read as far as they must: not at all where
// neither VRFs nor neighbours nor announcements change.
func (p *Preview) Paths(ctx context.Context, announcing Announcing) (map[string]*Paths, error) {
	f := &foresight{Preview: p, announcing: announcing, attrs: make(map[*rib.Attrs]*rib.Attrs), out: make(map[string]*Paths)}
	f.out[Default] = f.start(Default, true)
	for _, v := range p.next.vrfs {
		was, had := p.old.vrf(v.Name)
		f.out[v.Name] = f.start(v.Name, had && slices.Equal(was.ImportRTs, v.ImportRTs))
	}
	f.vrfs, f.rds = make(map[string]VRF), make(map[rib.RD]string)
	for _, v := range p.old.vrfs {
		f.rds[v.RD] = v.Name
	}
	for _, v := range p.next.vrfs {
		f.vrfs[v.Name] = v
	}
	fresh := false
	for _, paths := range f.out {
		fresh = fresh || paths.feed == nil
	}
	if len(p.anew) == 0 && len(p.lost) == 0 && !fresh && len(announcing) == 0 {
		return f.out, nil
	}
	whole := fresh || len(p.anew) > 0 || len(p.lost) > 0
	if err := f.walk(ctx, whole); err != nil {
		return nil, err
	}
	f.announceNew()
	return f.out, nil
}

// foresight works out the candidates of a Preview.
type foresight struct {
	*Preview
	announcing Announcing
	vrfs       map[string]VRF            // of the new configuration
	rds        map[rib.RD]string         // VRFs of the old configuration
	attrs      map[*rib.Attrs]*rib.Attrs // those that another VRF's route targets make
	out        map[string]*Paths
	met        map[key]bool // announcements of which the destination was walked over
}

func (f *foresight) start(name string, keeps bool) *Paths {
	p := &Paths{edits: make(map[netip.Prefix][]rib.Path)}
	if keeps {
		p.feed, _ = f.speaker.Feed(name) // none: it is gone meanwhile
	}
	return p
}

// walk looks at destinations of BGP's tables: all of them, or those whose
// announcement changes.
func (f *foresight) walk(ctx context.Context, whole bool) error {
	f.met = make(map[key]bool)
	bgp := f.speaker.server()
	if bgp == nil {
		return errStopped
	}
	d := newDecoder(f.old)
	var failed error
	for _, family := range []*api.Family{
		{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}, {Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST},
		{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_MPLS_VPN}, {Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_MPLS_VPN},
	} {
		lookups := [][]*api.TableLookupPrefix{nil} // everything
		if !whole {
			lookups = f.lookups(family)
		}
		for _, some := range lookups {
			request := &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family, Prefixes: some}
			err := bgp.ListPath(ctx, request, func(dst *api.Destination) {
				var paths []rib.Path
				for _, p := range dst.GetPaths() {
					path, err := d.whole(p)
					if err != nil {
						failed = err
						continue
					}
					paths = append(paths, path)
				}
				if len(paths) > 0 {
					f.destination(key{paths[0].RD, paths[0].Prefix}, paths)
				}
			})
			if err == nil {
				err = ctx.Err() // ListPath returns none where it gave up
			}
			if err != nil {
				return fmt.Errorf("read BGP's tables: %w", err)
			}
		}
	}
	return failed
}

// lookups are the destinations whose announcement changes, in parts.
func (f *foresight) lookups(family *api.Family) [][]*api.TableLookupPrefix {
	var all []*api.TableLookupPrefix
	for name, changes := range f.announcing {
		for prefix := range changes {
			vpn := name != Default
			if prefix.Addr().Is4() != (family.Afi == api.Family_AFI_IP) || vpn != (family.Safi == api.Family_SAFI_MPLS_VPN) {
				continue
			}
			l := &api.TableLookupPrefix{Prefix: prefix.String()}
			if vpn {
				v, had := f.old.vrf(name)
				if !had {
					continue
				}
				l.Rd = v.RD.Dotted()
			}
			all = append(all, l)
		}
	}
	return slices.Collect(slices.Chunk(all, rdsAtOnce))
}

// destination decides what becomes of one destination of BGP's tables, given
// every path of it, the best first.
func (f *foresight) destination(k key, known []rib.Path) {
	after, touched := make([]rib.Path, 0, len(known)+1), false
	own := f.rds[k.rd]
	if k.rd == 0 {
		own = Default
	}
	change, changes := f.announcing[own][k.prefix]
	if changes {
		f.met[key{k.rd, k.prefix}] = true
	}
	for _, path := range known {
		switch {
		case f.goes(path), changes && path.Attrs.Imported:
			touched = true
			continue
		case f.anew[path.Attrs.Source]:
			touched = true
			moved, stays := f.remade(path)
			if !stays {
				continue
			}
			path = moved
		}
		after = append(after, path)
	}
	if changes && change != nil {
		touched = true
		after = append(after, f.announced(own, *change))
	}
	f.put(k, after, touched)
}

// put gives the paths of a destination to the VRFs that would import them. What
// is untouched is in their feeds already, where they have one.
func (f *foresight) put(k key, after []rib.Path, touched bool) {
	byRD := make(map[rib.RD][]rib.Path, 1)
	for _, path := range after {
		byRD[path.RD] = append(byRD[path.RD], path)
	}
	if k.rd != 0 && touched || len(byRD) == 0 {
		byRD[k.rd] = append([]rib.Path(nil), byRD[k.rd]...) // what was there goes
	}
	for rd, paths := range byRD {
		best := paths
		if len(paths) > 0 {
			best = rib.Select(nil, paths, f.multipath())
		}
		f.give(k.prefix, rd, best, touched)
	}
}

// multipath is how many equal paths of a destination GoBGP tells of.
func (f *foresight) multipath() int {
	if f.next.set.Global.UseMultiplePaths.Config.Enabled {
		return 64
	}
	return 1
}

func (f *foresight) give(prefix netip.Prefix, rd rib.RD, paths []rib.Path, touched bool) {
	if rd == 0 {
		if touched {
			f.out[Default].set(prefix, 0, paths)
		}
		return
	}
	for name, to := range f.out {
		if name == Default || to.feed != nil && !touched {
			continue
		}
		var some []rib.Path
		for _, p := range paths {
			if meet(p.Attrs.RTs, f.vrfs[name].ImportRTs) {
				some = append(some, p)
			}
		}
		if len(some) > 0 || hasRD(to.Lookup(prefix), rd) {
			to.set(prefix, rd, some)
		}
	}
}

func hasRD(paths []rib.Path, rd rib.RD) bool {
	return slices.ContainsFunc(paths, func(p rib.Path) bool { return p.RD == rd })
}

// remade is a path of a VRF that is made anew, with the RD and route targets
// that it will have. What was put into the VRF by hand goes with it.
func (f *foresight) remade(path rib.Path) (rib.Path, bool) {
	name := path.Attrs.Source
	v, stays := f.vrfs[name]
	if !stays || !path.Attrs.Peer.IsValid() && !path.Attrs.Imported {
		return rib.Path{}, false
	}
	old, _ := f.old.vrf(name)
	a := f.attrs[path.Attrs]
	if a == nil {
		next, tags := *path.Attrs, *path.Attrs.Tags // shared with other paths
		tags.RTs = slices.DeleteFunc(slices.Clone(tags.RTs), func(rt rib.RT) bool { return slices.Contains(old.ExportRTs, rt) })
		tags.RTs = append(tags.RTs, v.ExportRTs...)
		next.Tags = &tags
		a = &next
		f.attrs[path.Attrs] = a
	}
	path.RD, path.Attrs = v.RD, a
	return path, true
}

// announced is the path that GoBGP makes of an announcement.
func (f *foresight) announced(name string, a rib.Announcement) rib.Path {
	v := f.vrfs[name] // none for the global table
	return rib.Path{Prefix: a.Prefix, RD: v.RD, Attrs: &rib.Attrs{
		Via: &rib.Via{Source: name, Imported: true}, LocalPref: defaultLocalPref, MED: a.MED, Origin: rib.OriginIncomplete,
		Tags: &rib.Tags{RTs: v.ExportRTs, Communities: a.Communities, Large: a.Large},
	}}
}

// announceNew adds the announcements of destinations that BGP does not have.
func (f *foresight) announceNew() {
	for name, changes := range f.announcing {
		v, had := f.vrfs[name]
		if !had && name != Default {
			continue
		}
		was, is := f.old.vrf(name)
		for prefix, a := range changes {
			walked := (is || name == Default) && f.met[key{was.RD, prefix}]
			if a != nil && !walked {
				f.put(key{v.RD, prefix}, []rib.Path{f.announced(name, *a)}, true)
			}
		}
	}
}
