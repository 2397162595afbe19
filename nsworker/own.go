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
func (r *routes) leaveOut(prefix netip.Prefix, best *rib.Attrs) leftOut {
	switch {
	case best.Imported && best.Source == r.spec.Of():
		return ownImport
	case r.special(prefix) != taken:
		return r.special(prefix)
	case !r.spec.Export.Match(best):
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
func (r *routes) special(prefix netip.Prefix) leftOut {
	return specialIn(r.own, r.spec.Export.AcceptMartians, prefix)
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

// onConnected looks at one prefix whose routes changed.
func (s *tableSync) onConnected(prefix netip.Prefix) {
	v := s.sets.Resolver.View
	is := slices.ContainsFunc(v.FIB.Get(prefix), func(r rib.Route) bool { return r.Connects(v.Links) })
	if is != s.routes.own.Subnet(prefix) {
		s.setOwn(s.routes.own.WithSubnet(prefix, is).WithLinks(v))
	}
}

// setOwn takes in what the VRF's own prefixes are now, and has those decided anew that came
// and went.
func (s *tableSync) setOwn(own *rib.OwnPrefixes) {
	came, went := own.Since(s.routes.own)
	first := s.routes.own == nil
	s.routes.own = own
	if !first && len(came)+len(went) == 0 {
		return
	}
	if s.spec.VRF == "" {
		s.deps.Board.publishOwn(s.name, own)
	}
	for _, prefix := range append(came, went...) {
		s.routes.chooseAgain(prefix)
	}
}

func leftOutBy(p rib.ExportPolicy) string {
	return "the best path does not carry what export asks for: " + p.Wants()
}
