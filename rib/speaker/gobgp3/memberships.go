package gobgp3

import (
	"slices"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// memberships are the route targets that VRFs here want, by their text, as GoBGP compares them.
type memberships map[string]bgp.ExtendedCommunityInterface

// membershipsOf are those of all VRFs. It is called in the loop.
func membershipsOf(l *loop, s *screens) memberships {
	m := make(memberships)
	for name, v := range l.rib().Vrfs {
		if s.has(name) {
			m.add(s.of[name].wanted)
			continue
		}
		m.add(v.ImportRt)
	}
	return m
}

func (m memberships) add(list []bgp.ExtendedCommunityInterface) {
	for _, c := range list {
		if !isHome(c) { // nor a mark: nobody is asked for these
			m[c.String()] = c
		}
	}
}

// localMemberships are those of which neighbours are told, as GoBGP has them.
func localMemberships(l *loop) map[string]*bgpPath {
	all := make(map[string]*bgpPath)
	t := l.rib().Tables[bgp.RF_RTC_UC]
	if t == nil {
		return all
	}
	for _, d := range t.destinations {
		n, is := d.nlri.(*bgp.RouteTargetMembershipNLRI)
		if !is || n.RouteTarget == nil {
			continue // nil: all of them
		}
		for _, p := range d.knownPathList {
			if p.originated() {
				all[n.RouteTarget.String()] = p
			}
		}
	}
	return all
}

// tell has neighbours be told of those of which they are not, as GoBGP's AddVrf does.
func (m memberships) tell(l *loop) {
	told := localMemberships(l)
	as := l.config.in(unsafe.Pointer(l.server())).Global.Config.As
	var paths []*bgpPath
	for text, target := range m {
		if told[text] != nil {
			continue
		}
		nlri := bgp.NewRouteTargetMembershipNLRI(as, target)
		attrs := []bgp.PathAttributeInterface{
			bgp.NewPathAttributeOrigin(bgp.BGP_ORIGIN_ATTR_TYPE_IGP),
			bgp.NewPathAttributeMpReachNLRI("0.0.0.0", []bgp.AddrPrefixInterface{nlri}),
		}
		origin := &bgpOrigin{nlri: nlri, source: localPeer, timestamp: time.Now().Unix()}
		paths = append(paths, &bgpPath{info: origin, pathAttrs: attrs, attrsHash: hashOf(attrs)})
	}
	if len(paths) > 0 {
		serverPropagate(l.server(), nil, paths)
	}
}

// takeBack takes back those of before that no VRF wants any more, as GoBGP's DeleteVrf does.
func (m memberships) takeBack(l *loop, before memberships) {
	told := localMemberships(l)
	var paths []*bgpPath
	for text := range before {
		if p := told[text]; p != nil && m[text] == nil {
			paths = append(paths, pathClone(p, true))
		}
	}
	if len(paths) > 0 {
		serverPropagate(l.server(), nil, paths)
	}
}

// leave gives a VRF that is to be deleted its import targets back, but for those that VRFs want that stay
// screened: GoBGP looks for them among its own.
func (s *screens) leave(name string) {
	s.take(name)
	v := s.rib().Vrfs[name]
	if v == nil {
		return
	}
	for _, p := range s.peers() {
		if p.vrf() == name {
			return // GoBGP deletes no VRF that has neighbours
		}
	}
	others := make(memberships)
	for _, wanted := range s.wanted() {
		others.add(wanted)
	}
	v.ImportRt = slices.DeleteFunc(slices.Clone(v.ImportRt), func(c bgp.ExtendedCommunityInterface) bool { return others[c.String()] != nil })
}
