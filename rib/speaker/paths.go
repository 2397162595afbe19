package speaker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Paths are the candidates that a VRF would have: those of its feed, but for
// some prefixes. A VRF that is new or imports other route targets has no feed to
// begin with. The value is immutable once it is handed out.
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

// set makes paths all paths of an RD and prefix.
func (p *Paths) set(d Destination, paths []rib.Path) {
	old := p.Lookup(d.Prefix)
	next := make([]rib.Path, 0, len(old)+len(paths))
	for _, o := range old {
		if DestinationOf(&o) != d {
			next = append(next, o)
		}
	}
	if next = append(next, paths...); len(next) > 0 || p.feed != nil {
		p.edits[d.Prefix] = next
	} else {
		delete(p.edits, d.Prefix)
	}
}

// limit takes out the paths that a rule lets in beyond its limit. was is the VRF's feed now; nil:
// it has none.
func (p *Paths) limit(was *rib.Feed, rule rib.LeakRule) {
	by := func(x rib.Path) bool { return x.Attrs.ByRule && x.Attrs.Source == rule.From }
	var now, more []netip.Prefix
	for prefix, paths := range p.edits {
		switch {
		case !slices.ContainsFunc(paths, by):
		case was != nil && slices.ContainsFunc(was.Lookup(prefix), by):
			now = append(now, prefix)
		default:
			more = append(more, prefix)
		}
	}
	slices.SortFunc(now, netip.Prefix.Compare)
	slices.SortFunc(more, netip.Prefix.Compare)
	all := append(now, more...)
	for _, prefix := range all[min(len(all), int(rule.MaxPrefixes)):] {
		if p.edits[prefix] = slices.DeleteFunc(slices.Clone(p.edits[prefix]), by); len(p.edits[prefix]) == 0 {
			delete(p.edits, prefix)
		}
	}
}

// has tells whether there is a path of an RD and prefix.
func (p *Paths) has(d Destination) bool {
	return slices.ContainsFunc(p.Lookup(d.Prefix), func(x rib.Path) bool { return DestinationOf(&x) == d })
}
