package speaker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Paths are the candidates that a VRF would have: those of its feed, but for
// some prefixes. A VRF that is new or imports other route targets has no feed to
// begin with. The value is immutable once it is handed out, but for Foresight.Chose.
type Paths struct {
	feed *rib.Feed // nil: none
	// edits has the prefixes that have other paths than in the feed, and holds them where they may
	// have none: a plan may change all of a full table.
	edits *rib.Feed
	held  int // how many edits holds
	// leaked is how many prefixes the rules with a limit let in, of those that were asked for.
	leaked map[*rib.LeakRule]int
}

// Lookup returns the paths of one prefix. They are immutable.
func (p *Paths) Lookup(prefix netip.Prefix) []rib.Path {
	if p.feed == nil || p.edited(prefix) {
		return p.edits.Lookup(prefix)
	}
	return p.feed.Lookup(prefix)
}

// edited tells whether a prefix may have other paths than in the feed.
func (p *Paths) edited(prefix netip.Prefix) bool {
	if p.held == 0 {
		return false
	}
	_, is := p.edits.Find(prefix)
	return is
}

// All yields every prefix that has a path, in any order, with its paths, which are good until the
// next one.
func (p *Paths) All(yield func(netip.Prefix, []rib.Path) bool) {
	if p.feed != nil {
		for prefix, paths := range p.feed.All {
			if !p.edited(prefix) && !yield(prefix, paths) {
				return
			}
		}
	}
	for prefix, paths := range p.edits.All {
		if !yield(prefix, paths) {
			return
		}
	}
}

// Edited tells whether they are others than the VRF has now.
func (p *Paths) Edited() bool { return p.feed == nil || p.held > 0 }

// set makes paths all paths of an RD and prefix.
func (p *Paths) set(d Destination, paths []rib.Path) {
	if p.feed != nil && !p.edited(d.Prefix) {
		p.edits.Hold(d.Prefix)
		p.held++
		for rest := p.feed.Lookup(d.Prefix); len(rest) > 0; {
			of := DestinationOf(&rest[0])
			is := func(x rib.Path) bool { return DestinationOf(&x) == of }
			if of != d {
				p.put(of, slices.DeleteFunc(slices.Clone(rest), func(x rib.Path) bool { return !is(x) }))
			}
			rest = slices.DeleteFunc(rest, is)
		}
	}
	p.put(d, paths)
}

func (p *Paths) put(d Destination, paths []rib.Path) {
	if d.EVPN {
		p.edits.SetEVPN(d.Prefix, d.RD, paths)
	} else {
		p.edits.Set(d.Prefix, d.RD, paths)
	}
}

// limit takes out the paths that a rule lets in beyond its limit, where there is no feed. was is the
// VRF's feed now; nil: it has none.
func (p *Paths) limit(was *rib.Feed, rule rib.LeakRule) {
	by := func(x rib.Path) bool { return x.Attrs.ByRule && x.Attrs.Source == rule.From }
	var now, more []netip.Prefix
	for prefix, paths := range p.edits.All {
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
		over := slices.DeleteFunc(p.edits.Lookup(prefix), func(x rib.Path) bool { return !by(x) })
		for i := range over {
			d := DestinationOf(&over[i])
			p.put(d, slices.DeleteFunc(p.edits.Lookup(prefix), func(x rib.Path) bool { return DestinationOf(&x) != d || by(x) }))
		}
	}
}

// has tells whether there is a path of an RD and prefix.
func (p *Paths) has(d Destination) bool {
	return slices.ContainsFunc(p.Lookup(d.Prefix), func(x rib.Path) bool { return DestinationOf(&x) == d })
}
