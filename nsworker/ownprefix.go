package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// heedConnected looks at one prefix whose routes changed.
func (s *session) heedConnected(prefix netip.Prefix) {
	is := slices.ContainsFunc(s.resolver.view.Foreign.Get(prefix), func(r rib.Route) bool { return r.Connects(s.resolver.view.Links) })
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
