package nsworker

import (
	"maps"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// leftOut is why an entry is Filtered.
type leftOut uint8

const (
	taken     leftOut = iota // it is not
	byPolicy                 // it carries no community that is asked for
	ownImport                // the best path is the VRF's own import
	hiding                   // it would take the place of a connected route
)

const connectedHere = "the prefix is directly connected here, and that route has a higher metric than ours would have: who is on the link is reached over the link"

// leaveOut tells why a prefix with this best path is not exported.
func (s *session) leaveOut(prefix netip.Prefix, best *rib.Attrs) leftOut {
	switch metric, is := s.connected[prefix]; {
	case best.Imported && best.Source == s.spec.Of():
		return ownImport
	case is && metric > s.spec.Export.Metric:
		return hiding
	case !s.spec.Export.Match(best):
		return byPolicy
	}
	return taken
}

// connectedPrefixes returns what is directly connected, with the metric. A BGP route
// with a lower one (IPv6 gives such a route 256) would lead packets for the neighbours
// on a link to one of them, and the kernel would take none of the others for a gateway
// any longer (ip6_route_check_nh in net/ipv6/route.c).
func connectedPrefixes(foreign []rib.Route) map[netip.Prefix]uint32 {
	connected := make(map[netip.Prefix]uint32)
	for i := range foreign {
		r := &foreign[i]
		if !direct(r) {
			continue
		}
		if metric, is := connected[r.Prefix]; !is || r.Metric < metric {
			connected[r.Prefix] = r.Metric
		}
	}
	return connected
}

func direct(r *rib.Route) bool {
	return r.Protocol == rib.ProtoKernel && r.Kind == rib.KindUnicast && len(r.Hops) > 0 && !r.Hops[0].Gateway.IsValid()
}

// heedConnected looks at one prefix whose routes changed.
func (s *session) heedConnected(prefix netip.Prefix) {
	was, had := s.connected[prefix]
	now, has := connectedPrefixes(s.resolver.view.FIB.Get(prefix))[prefix]
	if had == has && was == now {
		return
	}
	if has {
		s.connected[prefix] = now
	} else {
		delete(s.connected, prefix)
	}
	s.chooseAgain(prefix)
}

// rechoose decides anew what differs from what was connected before.
func (s *session) rechoose(was map[netip.Prefix]uint32) {
	for prefix, metric := range was {
		if now, is := s.connected[prefix]; !is || now != metric {
			s.chooseAgain(prefix)
		}
	}
	for prefix := range maps.Keys(s.connected) {
		if _, before := was[prefix]; !before {
			s.chooseAgain(prefix)
		}
	}
}

func (s *session) chooseAgain(prefix netip.Prefix) {
	if slot, e := s.entryOf(prefix); e != nil {
		s.choose(slot, prefix, s.feed.Paths(nil, slot))
	}
}

func leftOutBy(p rib.ExportPolicy) string {
	return "the best path does not carry what export asks for: " + p.Wants()
}
