package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// leftOut is why an entry is Filtered.
type leftOut uint8

const (
	taken      leftOut = iota // it is not
	byPolicy                  // it carries no community that is asked for
	ownImport                 // the best path is the VRF's own import
	ownSubnet                 // it is connected
	ownAddress                // it is an address of the VRF
	martian                   // no unicast table should have it
)

const (
	connectedHere = "the prefix is directly connected here: who is on the link is reached over the link"
	addressHere   = "the prefix is an address of this VRF: what goes there ends here"
)

// leaveOut tells why a prefix with this best path is not exported.
func (s *session) leaveOut(prefix netip.Prefix, best *rib.Attrs) leftOut {
	switch {
	case best.Imported && best.Source == s.spec.Of():
		return ownImport
	case s.special(prefix) != taken:
		return s.special(prefix)
	case !s.spec.Export.Match(best):
		return byPolicy
	}
	return taken
}

// special tells why a prefix is not exported, whatever its paths are like.
//
// A BGP route for a connected prefix with a lower metric than the kernel's (256 in IPv6)
// would lead packets for the neighbours on a link to one of them, and the kernel would
// take none of the others for a gateway any longer (ip6_route_check_nh in
// net/ipv6/route.c).
func (s *session) special(prefix netip.Prefix) leftOut {
	return specialIn(s.mine, s.spec.Export.AcceptMartians, prefix)
}

func specialIn(mine *rib.OwnPrefixes, accepted []netip.Prefix, prefix netip.Prefix) leftOut {
	switch {
	case mine.Subnet(prefix):
		return ownSubnet
	case mine.Address(prefix):
		return ownAddress
	}
	if _, is := rib.MartianBut(accepted, prefix); is {
		return martian
	}
	return taken
}

// specialReason says it for a person.
func specialReason(why leftOut, prefix netip.Prefix) string {
	switch why {
	case ownSubnet:
		return connectedHere
	case ownAddress:
		return addressHere
	}
	name, _ := rib.Martian(prefix)
	return "the prefix is " + name + ", which no unicast table should have; accept_martians of a neighbour lets one in"
}

// heedConnected looks at one prefix whose routes changed.
func (s *session) heedConnected(prefix netip.Prefix) {
	is := slices.ContainsFunc(s.resolver.view.FIB.Get(prefix), func(r rib.Route) bool { return r.Connects(s.resolver.view.Links) })
	if is != s.mine.Subnet(prefix) {
		s.owns(s.mine.WithSubnet(prefix, is).WithLinks(s.resolver.view))
	}
}

// heedAddresses takes in what the addresses of some links are now.
func (s *session) heedAddresses(changed []int, before, now rib.Links) {
	s.owns(s.mine.WithLinks(s.resolver.view))
	for _, i := range changed {
		for _, a := range append(slices.Clone(before[i].Addrs), now[i].Addrs...) {
			s.heedConnected(a.Masked())
		}
	}
}

// owns makes mine the VRF's own prefixes, and decides anew what came and went.
func (s *session) owns(mine *rib.OwnPrefixes) {
	came, went := mine.Since(s.mine)
	first := s.mine == nil
	s.mine = mine
	if !first && len(came)+len(went) == 0 {
		return
	}
	if s.spec.VRF == "" {
		s.deps.Board.publishOwn(s.name, mine)
	}
	for _, prefix := range append(came, went...) {
		s.chooseAgain(prefix)
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
