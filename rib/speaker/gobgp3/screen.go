package gobgp3

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// GoBGP tells the neighbours of a VRF all VPN routes that meet its import targets. Where a policy
// judges those for the VRF they are to be told of what it lets in alone, as it leaves it: the VRF
// is screened. GoBGP has of its import targets then the one alone by which its neighbours are told
// what its worker passes on (leakhome.go), and where they are told each other's routes its mark,
// which the VRF's own routes have (sendmark.go). What other routers are told of the targets that a
// VRF wants (RFC 4684) GoBGP has made of them before.

// screens are the VRFs that are screened.
type screens struct {
	*loop
	on atomic.Pointer[map[string]rib.Advertising] // which may be, as Speaker.Withhold says
	of map[string]screen                          // the loop's own
}

// screen is a screened VRF, with the import targets of its configuration.
type screen struct {
	vrf    *bgpVRF
	wanted []bgp.ExtendedCommunityInterface
}

func newScreens(l *loop) *screens { return &screens{loop: l, of: make(map[string]screen)} }

// wants tells whether a VRF is to be screened by a configuration.
func (s *screens) wants(c *conf.Config, vrf string) bool {
	on := s.on.Load()
	return on != nil && (*on)[vrf].PassesOn && c.IsScreened(vrf)
}

// has tells whether a VRF is screened. One that was made anew is not.
func (s *screens) has(name string) bool {
	v := s.rib().Vrfs[name]
	return v != nil && s.of[name].vrf == v
}

// wanted are the import targets of the configuration of each VRF that is screened.
func (s *screens) wanted() map[string][]bgp.ExtendedCommunityInterface {
	all := make(map[string][]bgp.ExtendedCommunityInterface)
	for name, screen := range s.of {
		if s.has(name) {
			all[name] = screen.wanted
		}
	}
	return all
}

// put screens a VRF.
func (s *screens) put(name string, v *bgpVRF) {
	s.of[name] = screen{v, v.screen(name, s.rib().Vrfs)}
}

// screen gives a VRF, among all that there are, the import targets that it has while it is
// screened, and returns those that it had.
func (v *bgpVRF) screen(name string, all map[string]*bgpVRF) (wanted []bgp.ExtendedCommunityInterface) {
	wanted = slices.DeleteFunc(slices.Clone(v.ImportRt), isHome)
	openHome(v, all)
	now := []bgp.ExtendedCommunityInterface{homeOf(v)}
	if meet(targets(wanted), targets(v.ExportRt)) {
		now = append(now, sendMark(rib.SendMark(name, "")))
	}
	v.ImportRt = now
	return wanted
}

// unscreen gives it those back.
func (v *bgpVRF) unscreen(wanted []bgp.ExtendedCommunityInterface) {
	v.ImportRt = slices.Concat(wanted, []bgp.ExtendedCommunityInterface{homeOf(v)})
}

// take gives a VRF its import targets back.
func (s *screens) take(name string) {
	if s.has(name) {
		s.of[name].vrf.unscreen(s.of[name].wanted)
	}
	delete(s.of, name)
}

// putUntold screens the VRFs that are to be by a configuration, as far as nobody is told of them.
func (s *screens) putUntold(c *conf.Config) {
	told := make(map[string]bool)
	for _, p := range s.peers() {
		told[p.vrf()] = told[p.vrf()] || p.established()
	}
	for name, v := range s.rib().Vrfs {
		if s.wants(c, name) && !told[name] && !s.has(name) {
			s.put(name, v)
		}
	}
}

// rescreen screens the VRFs that are to be and are not; with off it ends that of the others. Their
// neighbours are told the difference.
func (s *screens) rescreen(c *conf.Config, off bool) error {
	var names []string
	if err := s.inLoop(func() error {
		for name := range s.rib().Vrfs {
			if is := s.has(name); is == off && is != s.wants(c, name) {
				names = append(names, name)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if err := s.inLoop(func() error { s.around(name, func() { s.turn(name) }); return nil }); err != nil {
			errs = append(errs, fmt.Errorf("tell the neighbours of VRF %q what they may have now: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// turn screens a VRF, or ends that.
func (s *screens) turn(name string) {
	switch v := s.rib().Vrfs[name]; {
	case v == nil:
	case s.has(name):
		s.take(name)
	default:
		s.put(name, v)
	}
}

// around calls do, which gives a VRF other import targets, and tells its neighbours the difference.
func (s *screens) around(name string, do func()) {
	type listener struct {
		livePeer
		before map[heard][]*bgpPath
	}
	var to []listener
	for _, p := range s.peers() {
		if p.vrf() == name && p.established() {
			to = append(to, listener{p, toldTo(s.loop, p)})
		}
	}
	do()
	for _, p := range to {
		if send := toldOtherwise(p.before, toldTo(s.loop, p.livePeer)); len(send) > 0 {
			sendToPeer(p.at, send, nil, false)
		}
	}
}

// heard is what a neighbour tells paths apart by: a prefix and, where it gets several paths of one,
// the identifier that it knows a path by (RFC 7911).
type heard struct {
	prefix string
	id     uint32
}

// toldTo is what a neighbour is told, in that order: routes of one prefix and several RDs replace each
// other there.
func toldTo(l *loop, p livePeer) map[heard][]*bgpPath {
	defer narrow(l, p, p.vrf())()
	all, several := make(map[heard][]*bgpPath), p.sendsAll()
	for _, f := range peerTables(p.at, softResetFamilies(p.at, 0)) {
		for _, path := range serverBest(l.server(), p.at, f) {
			told := asTold(serverFilter(l.server(), p.at, path, nil))
			if told == nil {
				continue
			}
			nlri := told.origin().nlri
			at := heard{prefix: nlri.String()}
			if several {
				at.id = nlri.PathLocalIdentifier()
			}
			all[at] = append(all[at], told)
		}
	}
	return all
}

// toldOtherwise is what a neighbour that was told some paths has to be told to have others. Which of
// several it was told last is not known.
func toldOtherwise(before, after map[heard][]*bgpPath) (send []*bgpPath) {
	for at, paths := range after {
		if was := before[at]; len(was) != 1 || len(paths) != 1 || !pathEqual(paths[0], was[0]) {
			send = append(send, paths[len(paths)-1])
		}
	}
	for at, was := range before {
		if len(after[at]) == 0 {
			send = append(send, pathClone(was[0], true))
		}
	}
	return send
}
