package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// reconciler changes the running server from what it has to a configuration.
// Every step that succeeds is noted, so that after a failure it can go back.
// config.UpdateConfig is no help: it knows no VRFs, and stops after the first
// of several changed neighbours.
type reconciler struct {
	speaker *Speaker
	bgp     *server.BgpServer

	// What the server has.
	vrfs      map[string]oc.Vrf
	groups    map[string]oc.PeerGroup
	neighbors map[string]oc.Neighbor        // by address
	dynamic   map[string]oc.DynamicNeighbor // by dynamicName
	policies  oc.BgpConfigSet               // global.apply-policy, defined-sets, policy-definitions
	limits    prefixLimits                  // which GoBGP has none of

	// What of that the server has otherwise than we put it there, and what it has of
	// other clients; see correct.
	altered  map[thing]bool
	disabled map[string]bool // neighbours
	theirs   *foreign
	// assignable are the policies that the server has been given last.
	assignable []*api.Policy
	restore    map[assignment]*api.PolicyAssignment // of route server clients

	// held are the VRFs that go or are made anew: nobody announces in them
	// until release.
	held map[string]*announced

	changes     []string
	restarted   map[string]bool // neighbours that went with their VRF and come back
	vrfsChanged bool
	softReset   bool
	rejudged    bool // policies were put right: neighbours may have what they should not
}

func newReconciler(s *Speaker, c *conf) *reconciler {
	return &reconciler{
		speaker:   s,
		bgp:       s.server(),
		vrfs:      byName(c.set.Vrfs, func(v oc.Vrf) string { return v.Config.Name }),
		groups:    byName(c.set.PeerGroups, func(g oc.PeerGroup) string { return g.Config.PeerGroupName }),
		neighbors: byName(c.set.Neighbors, func(n oc.Neighbor) string { return n.State.NeighborAddress }),
		dynamic:   byName(c.set.DynamicNeighbors, func(d oc.DynamicNeighbor) string { return dynamicName(d.Config.Prefix, d.Config.PeerGroup) }),
		policies:  policiesOf(&c.set),
		altered:   make(map[thing]bool),
		disabled:  make(map[string]bool),
		theirs:    new(foreign),
		restore:   make(map[assignment]*api.PolicyAssignment),
		limits:    c.limits,
		held:      make(map[string]*announced),
		restarted: make(map[string]bool),
	}
}

// hold returns what a VRF announces, locked until release.
func (r *reconciler) hold(vrf string) *announced {
	if d := r.held[vrf]; d != nil {
		return d
	}
	d := r.speaker.announcer.of(vrf)
	d.order.Lock()
	r.held[vrf] = d
	return d
}

func (r *reconciler) release() {
	for _, d := range r.held {
		d.order.Unlock()
	}
}

func byName[T any](list []T, name func(T) string) map[string]T {
	m := make(map[string]T, len(list))
	for _, v := range list {
		m[name(v)] = v
	}
	return m
}

func (r *reconciler) changed(format string, args ...any) {
	r.changes = append(r.changes, fmt.Sprintf(format, args...))
}

// reach makes the server have c. Things go before what they need, and come
// after it; policies that go stay until nobody names them any more.
func (r *reconciler) reach(ctx context.Context, c *conf) error {
	want := newReconciler(r.speaker, c)
	for _, step := range []func(context.Context, *reconciler) error{
		r.dropDynamic,
		r.dropNeighbors,
		r.dropVRFs,
		r.addPolicies,
		r.putGroups,
		r.putVRFs,
		r.putNeighbors,
		r.dropGroups,
		r.addDynamic,
		r.dropPolicies,
		r.sayLimits,
	} {
		if err := step(ctx, want); err != nil {
			return err
		}
	}
	if r.softReset {
		r.softReset = false
		err := r.bgp.ResetPeer(ctx, &api.ResetPeerRequest{Soft: true, Direction: api.ResetPeerRequest_IN})
		if err != nil {
			return fmt.Errorf("apply the policies to the routes that are there: %w", err)
		}
	}
	return nil
}

// vrfKept tells whether a VRF stays as it is.
func (r *reconciler) vrfKept(name string, want *reconciler) bool {
	a, had := r.vrfs[name]
	b, has := want.vrfs[name]
	return had && has && !r.altered[thing{KindVRF, name}] && sameVRF(a, b)
}

func sameVRF(a, b oc.Vrf) bool {
	set := func(l []string) []string { return slices.Compact(slices.Sorted(slices.Values(l))) }
	return a.Config.Rd == b.Config.Rd &&
		slices.Equal(set(a.Config.ImportRtList), set(b.Config.ImportRtList)) &&
		slices.Equal(set(a.Config.ExportRtList), set(b.Config.ExportRtList))
}

// groupChangesTTL tells whether a peer group stays, with another TTL (see heedTTL).
func (r *reconciler) groupChangesTTL(name string, want *reconciler) bool {
	a, had := r.groups[name]
	b, has := want.groups[name]
	return had && has && (!a.EbgpMultihop.Equal(&b.EbgpMultihop) || !a.TtlSecurity.Equal(&b.TtlSecurity))
}

// dropNeighbors takes out the neighbours that are not wanted, those in a VRF that goes
// or is made anew, because GoBGP keeps a VRF that has neighbours, and those whose group
// gets another TTL.
func (r *reconciler) dropNeighbors(ctx context.Context, want *reconciler) error {
	for _, addr := range sortedNames(r.neighbors) {
		n := r.neighbors[addr]
		_, wanted := want.neighbors[addr]
		if wanted && (n.Config.Vrf == "" || r.vrfKept(n.Config.Vrf, want)) && !r.groupChangesTTL(n.Config.PeerGroup, want) {
			continue
		}
		err := r.bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: addr, Interface: n.Config.NeighborInterface})
		if err != nil {
			return fmt.Errorf("remove neighbour %s: %w", addr, err)
		}
		delete(r.neighbors, addr)
		if wanted {
			r.restarted[addr] = true
		} else {
			r.changed("neighbour %s removed", addr)
		}
	}
	return nil
}

func (r *reconciler) putNeighbors(ctx context.Context, want *reconciler) error {
	for _, addr := range sortedNames(want.neighbors) {
		n := want.neighbors[addr]
		have, had := r.neighbors[addr]
		again := r.altered[thing{KindNeighbor, addr}]
		if had && n.Equal(&have) && !again {
			continue
		}
		delete(r.altered, thing{KindNeighbor, addr})
		if had {
			// Should it fail, the old session may be there or not.
			delete(r.neighbors, addr)
			if err := r.changeNeighbor(ctx, addr, have, n); err != nil {
				return fmt.Errorf("change neighbour %s: %w", addr, err)
			}
			r.changed("neighbour %s %s", addr, changedOr(again, "changed"))
		} else if err := r.addNeighbor(ctx, addr, oc.NewPeerFromConfigStruct(&n)); err != nil {
			return err
		}
		r.neighbors[addr] = n
		if r.disabled[addr] { // a session that GoBGP made anew is not
			if err := r.bgp.DisablePeer(ctx, &api.DisablePeerRequest{Address: addr}); err != nil {
				return fmt.Errorf("leave neighbour %s disabled: %w", addr, err)
			}
		}
	}
	return nil
}

// changedOr says what became of a thing: again tells that another client had changed
// it.
func changedOr(again bool, otherwise string) string {
	if again {
		return "made again as it is configured"
	}
	return otherwise
}

// changeNeighbor has GoBGP change a neighbour, or makes it anew where its TTL changes
// (see heedTTL).
func (r *reconciler) changeNeighbor(ctx context.Context, addr string, have, n oc.Neighbor) error {
	peer := oc.NewPeerFromConfigStruct(&n)
	if n.TtlSecurity.Equal(&have.TtlSecurity) && n.EbgpMultihop.Equal(&have.EbgpMultihop) {
		u, err := r.bgp.UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: peer})
		if err == nil {
			r.softReset = r.softReset || u.NeedsSoftResetIn
		}
		return err
	}
	if err := r.bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: addr, Interface: n.Config.NeighborInterface}); err != nil {
		return err
	}
	return r.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: peer})
}

func (r *reconciler) addNeighbor(ctx context.Context, addr string, peer *api.Peer) error {
	err := r.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: peer})
	if err == nil {
		if r.restarted[addr] {
			r.changed("neighbour %s restarted with its VRF or its group's TTL", addr)
		} else {
			r.changed("neighbour %s added", addr)
		}
		return nil
	}
	// On the way back from a change that failed it can be there still; or another
	// client added it.
	var have *api.Peer
	if there := r.bgp.ListPeer(ctx, peerRequest(peer), func(p *api.Peer) { have = p }); there != nil || have == nil {
		return fmt.Errorf("add neighbour %s: %w", addr, err)
	}
	if _, theirs := r.theirs.vrfOf[addr]; theirs {
		r.changed("neighbour %s, which another client of the API had added, is as it is configured", addr)
	}
	if ttlsOf(have.GetEbgpMultihop(), have.GetTtlSecurity()) != ttlsOf(peer.GetEbgpMultihop(), peer.GetTtlSecurity()) {
		return replacePeer(ctx, r.bgp, have, peer)
	}
	u, again := r.bgp.UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: peer})
	if again != nil {
		return fmt.Errorf("add neighbour %s: %w", addr, errors.Join(err, again))
	}
	r.softReset = r.softReset || u.NeedsSoftResetIn
	return nil
}

// dropVRFs takes out the VRFs that are not wanted, or not as they are. Their
// announcements are withdrawn first, which takes few messages.
func (r *reconciler) dropVRFs(ctx context.Context, want *reconciler) error {
	for _, name := range sortedNames(r.vrfs) {
		if r.vrfKept(name, want) {
			continue
		}
		_, wanted := want.vrfs[name]
		if r.theirs.vrfs[name] != nil && !wanted { // on the way back from a change that failed
			delete(r.vrfs, name)
			continue
		}
		if err := r.dropVRF(ctx, name); err != nil {
			return fmt.Errorf("remove VRF %q: %w", name, err)
		}
		delete(r.vrfs, name)
		delete(r.altered, thing{KindVRF, name})
		r.vrfsChanged = true
		if !wanted {
			r.changed("VRF %s removed", name)
		}
	}
	return nil
}

func (r *reconciler) dropVRF(ctx context.Context, name string) error {
	d, announcer := r.hold(name), r.speaker.announcer
	all := d.all(false)
	if err := announcer.send(ctx, name, d, d.all(true)); err != nil {
		return err
	}
	if err := r.speaker.keeper.deleteVRF(ctx, name); err != nil {
		if theirs := r.theirs.inVRF(name); theirs != "" {
			err = fmt.Errorf("%w: another client of the API added neighbour %s in it; delete that first (`gobgp neighbor del %s`)", err, theirs, theirs)
		}
		return errors.Join(err, announcer.send(ctx, name, d, all))
	}
	d.suspend(all)
	return nil
}

// putVRFs adds VRFs, and announces again what one announced that was taken out
// to be made anew.
func (r *reconciler) putVRFs(ctx context.Context, want *reconciler) error {
	for _, name := range sortedNames(want.vrfs) {
		if _, had := r.vrfs[name]; had {
			continue
		}
		v := want.vrfs[name]
		request, err := vrfRequest(v)
		if err != nil {
			return fmt.Errorf("add VRF %q: %w", name, err)
		}
		if err := r.addVRF(ctx, request); err != nil {
			return fmt.Errorf("add VRF %q: %w", name, err)
		}
		r.vrfs[name] = v
		r.vrfsChanged = true
		d := r.hold(name)
		if err := r.speaker.announcer.send(ctx, name, d, d.resume()); err != nil {
			return fmt.Errorf("announce again what VRF %q announced: %w", name, err)
		}
		r.changed("VRF %s added or changed: RD %s, import RTs %v, export RTs %v", name, v.Config.Rd, v.Config.ImportRtList, v.Config.ExportRtList)
	}
	return nil
}

// addVRF adds a VRF, unless another client has added the very same one. Another one by
// its name stays, as all that clients add.
func (r *reconciler) addVRF(ctx context.Context, request *api.AddVrfRequest) error {
	want := request.GetVrf()
	there := r.theirs.vrfs[want.GetName()]
	if there == nil {
		return r.bgp.AddVrf(ctx, request)
	}
	if !sameDefinition(there, want) {
		return fmt.Errorf("another client of the API added another VRF by this name; delete that (`gobgp vrf del %s`), or give this one another name", want.GetName())
	}
	return nil
}

// sameDefinition compares VRFs but for their ids.
func sameDefinition(a, b *api.Vrf) bool {
	same := func(a, b []*anypb.Any) bool {
		return slices.EqualFunc(a, b, func(x, y *anypb.Any) bool { return proto.Equal(x, y) })
	}
	return proto.Equal(a.GetRd(), b.GetRd()) && same(a.GetImportRt(), b.GetImportRt()) && same(a.GetExportRt(), b.GetExportRt())
}

func vrfRequest(v oc.Vrf) (*api.AddVrfRequest, error) {
	rd, err := bgp.ParseRouteDistinguisher(v.Config.Rd)
	if err != nil {
		return nil, err
	}
	request := &api.AddVrfRequest{Vrf: &api.Vrf{Name: v.Config.Name}}
	if request.Vrf.Rd, err = apiutil.MarshalRD(rd); err != nil {
		return nil, err
	}
	targets := func(list []string) ([]bgp.ExtendedCommunityInterface, error) {
		var rts []bgp.ExtendedCommunityInterface
		for _, text := range list {
			rt, err := bgp.ParseRouteTarget(text)
			if err != nil {
				return nil, err
			}
			rts = append(rts, rt)
		}
		return rts, nil
	}
	imports, err := targets(v.Config.ImportRtList)
	if err != nil {
		return nil, err
	}
	exports, err := targets(v.Config.ExportRtList)
	if err != nil {
		return nil, err
	}
	if request.Vrf.ImportRt, err = apiutil.MarshalRTs(imports); err != nil {
		return nil, err
	}
	request.Vrf.ExportRt, err = apiutil.MarshalRTs(exports)
	return request, err
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
