package gobgp3

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// carriage is how what goes out of one VRF is carried, and by which policy it is judged. It is
// immutable.
type carriage struct {
	vrf  string
	by   rib.Carried
	send string         // the policy of what goes out; "": there is none
	says conf.Judgement // the same for the same statements
}

// carriagesOf are those of a configuration by the VRFs' RDs.
func carriagesOf(c *conf.Config) map[rib.RD]*carriage {
	all := make(map[rib.RD]*carriage)
	judging := conf.NewJudging(&c.Set)
	for _, v := range c.VRFs {
		if v.ByEVPN() && v.Carried.Source.IsValid() {
			send := c.Extras.Sends[v.Name]
			all[v.RD] = &carriage{v.Name, *v.Carried, send, judging.Policy(send)}
		}
	}
	return all
}

// same tells whether routes of a destination are made alike.
func (v *carriage) same(o *carriage) bool { return o != nil && *v == *o }

// routeMaker makes routes of EVPN of VPN paths. It is the loop's own.
type routeMaker struct {
	*loop
	log *logger
	// policies are those of GoBGP's that judge; nil: those in force.
	policies unsafe.Pointer
	homes    map[*bgpPeer]string // the VRFs of GoBGP's neighbours
	last     madeOf
	sends    sends
}

func newRouteMaker(l *loop, log *logger) *routeMaker {
	return &routeMaker{loop: l, log: log, homes: make(map[*bgpPeer]string)}
}

// forget forgets what depends on a configuration.
func (m *routeMaker) forget() {
	m.last = madeOf{}
	clear(m.homes)
}

// wanted is the route that is to be told of a destination; nil: none.
func (m *routeMaker) wanted(v *carriage, d speaker.Destination) *bgpPath {
	of := m.rib().Vrfs[v.vrf]
	if of == nil {
		return nil
	}
	nlri := nlriOf(d.Prefix, of)
	t := m.rib().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]
	if t == nil {
		return nil
	}
	dst := tableGetDestination(t, nlri)
	if dst == nil {
		return nil
	}
	return m.made(v, of, d, dst.knownPathList)
}

// made is the route of a destination of which GoBGP has some VPN paths, the best one first; nil: none.
func (m *routeMaker) made(v *carriage, of *bgpVRF, d speaker.Destination, paths []*bgpPath) *bgpPath {
	i := slices.IndexFunc(paths, func(p *bgpPath) bool { return !p.IsNexthopInvalid && m.isOf(v.vrf, p) })
	if i < 0 {
		return nil
	}
	best := paths[i]
	if best.isInternal() {
		return nil
	}
	list, sent := m.judge(v, best)
	if !sent {
		return nil
	}
	return m.route(v, of, d, best.origin().timestamp, list)
}

// isInternal tells whether a path came by iBGP, and from no client of ours: it goes to no other
// router of this AS (RFC 4271, 9.2.1; RFC 4456, 6), nor by EVPN, by which two of them could keep it
// alive between them.
func (p *bgpPath) isInternal() bool {
	source := p.origin().source
	return len(source.Address) > 0 && source.AS == source.LocalAS && !source.RouteReflectorClient
}

// isOf tells whether a path under the RD of a VRF is of this router: it originated here, or came
// from a neighbour in the VRF.
func (m *routeMaker) isOf(vrf string, p *bgpPath) bool {
	source := p.origin().source
	if len(source.Address) == 0 {
		return true
	}
	home, known := m.homes[source]
	if !known {
		clear(m.homes)
		for _, peer := range m.peers() {
			m.homes[*peer.peerInfo.in(peer.fsm)] = peer.vrf()
		}
		home = m.homes[source]
		m.homes[source] = home // of a neighbour that was taken out: none
	}
	return home == vrf
}

// madeOf is what the attributes of the last route were made of, and those: mostly the next
// destination's are the same.
type madeOf struct {
	of    *carriage
	list  []bgp.PathAttributeInterface
	attrs []bgp.PathAttributeInterface // but for MP_REACH_NLRI
	hash  uint32
}

// route makes the route of a destination, of a VPN path's attributes.
func (m *routeMaker) route(v *carriage, of *bgpVRF, d speaker.Destination, at int64, list []bgp.PathAttributeInterface) *bgpPath {
	if l := &m.last; l.of != v || !sameAttrs(l.list, list) {
		attrs := v.attributes(list)
		m.last = madeOf{v, list, attrs, hashOf(attrs)}
	}
	nlri := evpnNLRI(of.Rd, d.Prefix, v.by.VNI)
	nlri.SetPathIdentifier(ourIdentifier)
	attrs := append(slices.Clip(m.last.attrs), bgp.NewPathAttributeMpReachNLRI(v.by.Source.String(), []bgp.AddrPrefixInterface{nlri}))
	return &bgpPath{
		info:      &bgpOrigin{nlri: nlri, source: localPeer, timestamp: at, isFromExternal: true},
		pathAttrs: attrs, attrsHash: m.last.hash,
	}
}

// attributes are those of a route, but for the nexthop, of the ones of the VPN path. What is ours
// to say is set, not added: the router's MAC address and the encapsulation.
func (v *carriage) attributes(list []bgp.PathAttributeInterface) []bgp.PathAttributeInterface {
	out := make([]bgp.PathAttributeInterface, 0, len(list)+1)
	var kept []bgp.ExtendedCommunityInterface
	for _, a := range list {
		switch a := a.(type) {
		case *bgp.PathAttributeExtendedCommunities:
			for _, e := range a.Value {
				if !isMark(e) && !saysOverlay(e) {
					kept = append(kept, e)
				}
			}
		case *bgp.PathAttributeMpReachNLRI, *bgp.PathAttributeNextHop,
			*bgp.PathAttributeOriginatorId, *bgp.PathAttributeClusterList, // of the VRF's own reflectors
			*bgp.PathAttributePmsiTunnel, *bgp.PathAttributeTunnelEncap, *bgp.PathAttributePrefixSID: // of another encapsulation
		default:
			out = append(out, a)
		}
	}
	kept = append(kept, bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN), &bgp.RouterMacExtended{Mac: slices.Clone(v.by.RouterMAC[:])})
	return append(out, bgp.NewPathAttributeExtendedCommunities(kept))
}

// saysOverlay tells whether an extended community is about the encapsulation.
func saysOverlay(e bgp.ExtendedCommunityInterface) bool {
	switch e.(type) {
	case *bgp.EncapExtended, *bgp.RouterMacExtended:
		return true
	}
	return false
}

// ourRoute is the route that we put into GoBGP's table of EVPN for a destination; nil: none is
// there.
func ourRoute(t *bgpTable, d speaker.Destination) *bgpPath {
	dst := destinationOf(t, evpnNLRI(nativeRD(d.RD), d.Prefix, 0))
	if dst == nil {
		return nil
	}
	for _, p := range dst.knownPathList {
		if _, ours := announcedAs(p.origin()); ours && p.originated() {
			return p
		}
	}
	return nil
}

// sameRoute tells whether two routes of a destination say the same.
func sameRoute(a, b *bgpPath) bool {
	x, y := a.attributes(), b.attributes()
	if a.attrsHash != b.attrsHash || len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] == y[i] {
			continue
		}
		s, err := x[i].Serialize() // of MP_REACH_NLRI with the prefix and the VNI
		if err != nil {
			return false
		}
		t, err := y[i].Serialize()
		if err != nil || !bytes.Equal(s, t) {
			return false
		}
	}
	return true
}

// sends are the statements in force that judge what goes out of VRFs, by their names.
type sends struct {
	of    unsafe.Pointer // the policy of GoBGP's that they are in
	first *unsafe.Pointer
	named map[string]unsafe.Pointer
}

// statement is one of those, as it is now; nil: there is none by that name.
func (m *routeMaker) statement(name string) unsafe.Pointer {
	policies := m.policies
	if policies == nil {
		policies = *m.policy.in(unsafe.Pointer(m.server()))
	}
	global := (*m.assignments.in(policies))[conf.GlobalTable]
	if global == nil {
		return nil
	}
	for _, policy := range *m.exportList.in(global) {
		if *m.policyName.in(policy) != conf.RuleOut {
			continue
		}
		list := *m.statements.in(policy)
		if first := unsafe.SliceData(list); m.sends.of != policy || m.sends.first != first || len(m.sends.named) != len(list) {
			m.sends = sends{policy, first, make(map[string]unsafe.Pointer, len(list))}
			for _, at := range list {
				m.sends.named[*m.statementName.in(at)] = at
			}
		}
		return m.sends.named[name]
	}
	return nil
}

// judge asks the policy of what goes out of a VRF about a VPN path of it, whose prefix it can see:
// GoBGP finds none in a route of EVPN. It returns the attributes as the policy leaves them, and
// whether the path goes out. What was leaked into the VRF does where a statement accepted it,
// and gave it the VRF's route targets.
func (m *routeMaker) judge(v *carriage, p *bgpPath) (list []bgp.PathAttributeInterface, sent bool) {
	options := &bgpPolicyOptions{Info: localPeer, Validate: validating(m.loop)}
	for i := 0; v.send != ""; i++ {
		at := m.statement(conf.SendStatement(v.vrf, i))
		if at == nil {
			break
		}
		var result int
		if result, p = statementApply(at, m.log, p, options); result == rejectRoute {
			return nil, false
		}
	}
	list = p.attributes()
	for _, a := range list {
		if e, is := a.(*bgp.PathAttributeExtendedCommunities); is && slices.ContainsFunc(e.Value, isHomeTarget) {
			return nil, false
		}
	}
	return list, true
}
