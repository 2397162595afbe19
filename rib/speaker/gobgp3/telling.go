package gobgp3

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// telling finds out what neighbours are told of one prefix. It asks GoBGP's own policies, which
// are in force, and is for GoBGP's loop.
type telling struct {
	*embedded
	flags   *flags
	vrf     string
	prefix  netip.Prefix
	words   conf.Words
	decoder *decoder
	called  func(string) string // how people call a neighbour; nil: as BGP does
	carried bool                // what goes out of the VRF is told by EVPN
	best    *bgpPath            // of the VRF's own destination
	out     rib.Telling
}

// tellingOf is Speaker.Telling.
func tellingOf(f *feeder, vrf string, prefix netip.Prefix, called func(string) string) (rib.Telling, error) {
	w, _ := f.current()
	if f.server() == nil || w == nil {
		return rib.Telling{}, nil
	}
	c := f.inForce()
	t := &telling{embedded: f.embedded, flags: f.keeper.reach.flags, vrf: vrf, prefix: prefix, words: c.Words, decoder: newDecoder(c, f.keeper.names), called: called}
	var err error
	if vrf == speaker.Default {
		err = t.inLoop(func() error { t.destination(nlriOf(prefix, nil), nil, true); return nil })
	} else {
		for some := range slices.Chunk(rdsOf(c, w), rdsAtOnce) {
			err = errors.Join(err, t.inLoop(func() error { t.find(some); return nil }))
		}
	}
	if err != nil {
		return rib.Telling{}, fmt.Errorf("look what neighbours are told of %s: %w", prefix, err)
	}
	slices.SortStableFunc(t.out.Hearers, func(a, b rib.Hearer) int {
		return cmp.Or(strings.Compare(a.VRF, b.VRF), strings.Compare(a.Name, b.Name))
	})
	return t.out, nil
}

// find looks at the destinations of the prefix under some RDs: those that lead into the VRF are its
// neighbours', and its own one that of those who get VPN routes too.
func (t *telling) find(rds []rib.RD) {
	of := t.rib().Vrfs[t.vrf]
	if of == nil {
		return
	}
	configured, _ := t.inForce().VRF(t.vrf)
	t.carried = configured.ByEVPN()
	for _, rd := range rds {
		own := rdIs(of.Rd, rd)
		native := nativeRD(rd)
		t.destination(nlriOf(t.prefix, &bgpVRF{Rd: native}), of, own)
		if own && t.carried { // no neighbour in a VRF is told of EVPN
			t.destination(evpnNLRI(native, t.prefix, 0), of, own)
		}
	}
}

// destination tells of one destination; own: it is the VRF's.
func (t *telling) destination(nlri bgp.AddrPrefixInterface, of *bgpVRF, own bool) {
	family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
	table := t.rib().Tables[family]
	if table == nil {
		return
	}
	key := tableKey(table, nlri)
	d := table.destinations[key]
	if d == nil || len(d.knownPathList) == 0 {
		return
	}
	if own && of != nil && isVPN(family) {
		t.sent(d)
	}
	best := bestOf(d.knownPathList)
	if told, held := t.flags.held[family][key]; held {
		best = told
	}
	if !own && (best == nil || !importsOf(of).take(best)) {
		return
	}
	if own && isVPN(family) {
		t.best = best
	}
	for name, p := range t.peers() {
		switch home := p.judgedBy(); {
		case home == "": // a route server's client, which has other tables
		case home == t.vrf, own && home == speaker.Default:
			t.hearer(name, p, home, family, best)
		}
	}
}

// sent says what goes out of the VRF of its own paths.
func (t *telling) sent(d *bgpDestination) {
	policies := *t.policy.in(unsafe.Pointer(t.server()))
	assigned := (*t.assignments.in(policies))[conf.GlobalTable]
	if assigned == nil || t.inForce().Extras.Sends[t.vrf] == "" {
		return
	}
	for _, p := range d.knownPathList {
		if !hasSendMark(p) {
			continue // another router's under this VRF's RD
		}
		s := rib.SentPath{Path: t.decoded(p), Out: true}
		options := &bgpPolicyOptions{Info: localPeer, Validate: validating(t.loop)}
		for _, policy := range *t.exportList.in(assigned) {
			for _, statement := range *t.statements.in(policy) {
				if conf.JudgesSend(*t.statementName.in(statement), t.vrf) && s.By == "" {
					p = t.sentBy(&s, statement, *t.policyName.in(policy), p, options)
				}
			}
		}
		t.out.Sent = append(t.out.Sent, s)
	}
}

// sentBy has one statement judge what goes out of a VRF. One that accepts takes the mark off.
func (t *telling) sentBy(s *rib.SentPath, statement unsafe.Pointer, policy string, p *bgpPath, options *bgpPolicyOptions) *bgpPath {
	name := t.words.Of(policy, *t.statementName.in(statement))
	result, next := statementApply(statement, t.log, p, options)
	marked := hasSendMark(next)
	switch {
	case result == rejectRoute:
		s.Out, s.By = false, name
	case !marked:
		s.By = name
	case next != p:
		s.Then = append(s.Then, name)
	}
	return next
}

// hasSendMark tells whether a VPN route has the mark by which policies know what goes out of a VRF.
func hasSendMark(p *bgpPath) bool {
	for _, a := range p.attributes() {
		if ext, is := a.(*bgp.PathAttributeExtendedCommunities); is {
			return slices.ContainsFunc(ext.Value, func(c bgp.ExtendedCommunityInterface) bool {
				rt, is := decodeRT(c)
				return is && rib.IsSendMark(rt)
			})
		}
	}
	return false
}

// decoded is a path of GoBGP's; without Attrs, where it cannot be decoded.
func (t *telling) decoded(p *bgpPath) rib.Path {
	to, label, err := t.decoder.destination(p.origin().nlri)
	if err != nil {
		return rib.Path{}
	}
	path, _, err := t.decoder.path(p, 0, to, label)
	if err != nil {
		return rib.Path{}
	}
	return path
}

// hearer says what one neighbour is told of the best path of a destination, where it gets routes
// of that table.
func (t *telling) hearer(name string, p livePeer, home string, family bgp.RouteFamily, best *bgpPath) {
	up, has := false, false
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		up = state == bgp.BGP_FSM_ESTABLISHED
		if n.Config.Vrf != "" {
			family = unicastOf(family)
		}
		for _, a := range n.AfiSafis {
			has = has || a.State.Family == family
		}
		byEVPN := false
		if up {
			_, has = (*p.families.in(p.fsm))[family]
			_, byEVPN = (*p.families.in(p.fsm))[bgp.RF_EVPN]
		}
		has = has && (!byEVPN || !t.carried || !isVPN(family)) // it is told by EVPN
	})
	if !has {
		return
	}
	h := rib.Hearer{Name: name, VRF: home, EVPN: family == bgp.RF_EVPN}
	if t.called != nil {
		h.Name = t.called(name)
	}
	switch {
	case h.EVPN && t.best != nil:
		h.Path = t.decoded(t.best) // of which the route is made
	case best != nil:
		h.Path = t.decoded(best)
	}
	switch {
	case !up:
		h.By = "its session is not up"
	case best == nil:
		h.By = "none of its paths may be told now: its nexthop is not reached, a policy of the VRF rejects it, or the kernel does not have it"
	default:
		t.judge(&h, p, best)
	}
	t.out.Hearers = append(t.out.Hearers, h)
}

// judge says whether a neighbour is told of a path, and why not.
func (t *telling) judge(h *rib.Hearer, p livePeer, best *bgpPath) {
	if of := t.rib().Vrfs[h.VRF]; of != nil && !importsOf(of).take(best) {
		h.By = "the path has no route target that the VRF imports"
		return
	}
	ready, options, stop := serverPreFilter(t.server(), p.at, best, nil)
	if stop {
		h.By = whyStopped(p, best)
		return
	}
	options.Validate = validating(t.loop)
	by := hear(t.loop, *p.judge.in(p.at), *p.tableID.in(p.at), outwards, t.words, ready, options, t.log)
	h.By, h.Then = by.by, by.then
	if by.rejected {
		return
	}
	told := asTold(serverPostFilter(t.server(), p.at, pathClone(by.path, false)))
	if told == nil {
		h.By = "the path is stale since long (RFC 9494), and the neighbour has not said that it takes such"
		return
	}
	h.Told, h.Terms = true, termsOf(told, conf.Services(t.inForce()))
}

// whyStopped is why GoBGP does not tell a neighbour of a path, whatever policies say (filterpath
// in pkg/server/server.go).
func whyStopped(p livePeer, best *bgpPath) (why string) {
	source := best.origin().source
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
		to := *p.peerInfo.in(p.fsm)
		local := len(source.Address) == 0
		switch {
		case !local && source == to:
			why = "the path is its own"
		case !local && n.State.PeerType == oc.PEER_TYPE_INTERNAL && source.AS == n.State.PeerAs && !n.RouteReflector.Config.RouteReflectorClient:
			why = "the path came from another router of this AS, and neither of the two is a client of this route reflector (RFC 4456)"
		case n.State.PeerType == oc.PEER_TYPE_EXTERNAL:
			why = "its AS is in the AS path: it would take the path for a loop; or it has not asked for the path's route targets (RFC 4684)"
		default:
			why = "it has been there already, by its cluster list or its AS path; or it has not asked for the path's route targets (RFC 4684)"
		}
	})
	return why
}
