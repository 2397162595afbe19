package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// onConnected looks at one prefix whose routes changed.
func (s *tableSync) onConnected(prefix netip.Prefix) {
	v := s.sets.Resolver.View
	is := slices.ContainsFunc(v.Foreign.Get(prefix), func(r rib.Route) bool { return r.Connects(v.Links) })
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
