package reload

import (
	"context"
	"errors"
	"fmt"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Reconciler changes the running server from its state to a configuration.
// Every step that succeeds is noted, so that after a failure it can go back.
// config.UpdateConfig is no help: it knows no VRFs, and stops after the first
// of several changed neighbours.
type Reconciler struct {
	server    Server
	announcer *speaker.Announcer

	*state // of the server

	// Things that the server has otherwise than we put them there, and things of other
	// clients; see Correct.
	altered  map[speaker.Thing]bool
	disabled map[string]bool // neighbours
	theirs   *foreign
	// assignable are the policies that the server has been given last.
	assignable []*api.Policy
	restore    map[Assignment]*api.PolicyAssignment // of route server clients

	// held are the VRFs that go or are made anew: nobody announces in them
	// until Release.
	held map[string]*speaker.Ledger

	// Changes has a line for each thing that was changed; VRFsChanged tells whether VRFs were
	// among it.
	Changes     []string
	VRFsChanged bool
	// VRFsPut and VRFsDropped are how many were added, and taken out, also of those that were made anew.
	VRFsPut, VRFsDropped int
	// Retargeted are the VRFs that have other route targets than before.
	Retargeted map[string]Retargeted

	restarted map[string]bool // neighbours that went with their VRF and come back
	rejudging
}

// New makes a Reconciler for a server that has a configuration. A server that is nil
// changes nothing: see Compare.
func New(s Server, a *speaker.Announcer, c *conf.Config) *Reconciler {
	return &Reconciler{
		server: s, announcer: a, state: stateOf(c), rejudging: newRejudging(c),
		altered: make(map[speaker.Thing]bool), disabled: make(map[string]bool), theirs: new(foreign),
		restore: make(map[Assignment]*api.PolicyAssignment), held: make(map[string]*speaker.Ledger), restarted: make(map[string]bool),
		Retargeted: make(map[string]Retargeted),
	}
}

// hold returns the ledger of a VRF, locked until Release.
func (r *Reconciler) hold(vrf string) *speaker.Ledger {
	if l := r.held[vrf]; l != nil {
		return l
	}
	l := r.announcer.Ledger(vrf)
	l.Lock()
	r.held[vrf] = l
	return l
}

// Release lets the VRFs announce again. It is called once, at the end.
func (r *Reconciler) Release() {
	for _, l := range r.held {
		l.Unlock()
	}
}

func (r *Reconciler) changed(format string, args ...any) {
	r.Changes = append(r.Changes, fmt.Sprintf(format, args...))
}

// Reach makes the server have c. Things go before the things that they need, and come
// after them; policies that go stay until nobody names them any more.
func (r *Reconciler) Reach(ctx context.Context, c *conf.Config) error {
	want := stateOf(c)
	for _, step := range []func(context.Context, *state) error{
		r.dropDynamic,
		r.dropNeighbors,
		r.dropVRFs,
		r.addPolicies,
		r.putGroups,
		r.putVRFs,
		func(_ context.Context, want *state) error { return retarget(r, want) },
		func(context.Context, *state) error { return r.server.Screen(c) }, // before they have neighbours
		r.putNeighbors,
		r.dropGroups,
		r.addDynamic,
		r.dropPolicies,
	} {
		if err := step(ctx, want); err != nil {
			return err
		}
	}
	for _, line := range r.limits.Changes(want.limits) { // no step brings them about: taking the configuration over does
		r.changed("%s", line)
	}
	r.limits = want.limits
	return nil
}

// vrfKept tells whether a VRF stays, if with other route targets.
func (r *Reconciler) vrfKept(name string, want *state) bool {
	a, had := r.vrfs[name]
	b, has := want.vrfs[name]
	return had && has && !r.altered[thing(speaker.KindVRF, name)] && a.Config.Rd == b.Config.Rd
}

// groupChangesTTL tells whether a peer group stays, with another TTL (see UpdatePeer).
func (r *Reconciler) groupChangesTTL(name string, want *state) bool {
	a, had := r.groups[name]
	b, has := want.groups[name]
	a, b = conf.WithDefaults(a), conf.WithDefaults(b)
	return had && has && (!a.EbgpMultihop.Equal(&b.EbgpMultihop) || !a.TtlSecurity.Equal(&b.TtlSecurity))
}

// dropNeighbors takes out the neighbours that are not wanted, those in a VRF that goes
// or is made anew, because GoBGP keeps a VRF that has neighbours, and those whose group
// gets another TTL.
func (r *Reconciler) dropNeighbors(ctx context.Context, want *state) error {
	for _, addr := range sortedNames(r.neighbors) {
		n := r.neighbors[addr]
		_, wanted := want.neighbors[addr]
		if wanted && (n.Config.Vrf == "" || r.vrfKept(n.Config.Vrf, want)) && !r.groupChangesTTL(n.Config.PeerGroup, want) {
			continue
		}
		err := r.server.BGP().DeletePeer(ctx, &api.DeletePeerRequest{Address: addr, Interface: n.Config.NeighborInterface})
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

func (r *Reconciler) putNeighbors(ctx context.Context, want *state) error {
	for _, addr := range sortedNames(want.neighbors) {
		n := want.neighbors[addr]
		have, had := r.neighbors[addr]
		again := r.altered[thing(speaker.KindNeighbor, addr)]
		if had && n.Equal(&have) && !again {
			continue
		}
		delete(r.altered, thing(speaker.KindNeighbor, addr))
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
			if err := r.server.BGP().DisablePeer(ctx, &api.DisablePeerRequest{Address: addr}); err != nil {
				return fmt.Errorf("leave neighbour %s disabled: %w", addr, err)
			}
		}
	}
	return nil
}

// changedOr is the verb for a thing: again tells that another client had changed it.
func changedOr(again bool, otherwise string) string {
	if again {
		return "made again as it is configured"
	}
	return otherwise
}

// changeNeighbor has GoBGP change a neighbour, or makes it anew where its TTL changes
// (see UpdatePeer).
func (r *Reconciler) changeNeighbor(ctx context.Context, addr string, have, n oc.Neighbor) error {
	peer := oc.NewPeerFromConfigStruct(&n)
	if n.TtlSecurity.Equal(&have.TtlSecurity) && n.EbgpMultihop.Equal(&have.EbgpMultihop) {
		u, err := r.server.BGP().UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: peer})
		if err == nil {
			r.again[addr] = r.again[addr] || u.NeedsSoftResetIn
		}
		return err
	}
	if err := r.server.BGP().DeletePeer(ctx, &api.DeletePeerRequest{Address: addr, Interface: n.Config.NeighborInterface}); err != nil {
		return err
	}
	return r.server.BGP().AddPeer(ctx, &api.AddPeerRequest{Peer: peer})
}

func (r *Reconciler) addNeighbor(ctx context.Context, addr string, peer *api.Peer) error {
	err := r.server.BGP().AddPeer(ctx, &api.AddPeerRequest{Peer: peer})
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
	if there := r.server.BGP().ListPeer(ctx, peerRequest(peer), func(p *api.Peer) { have = p }); there != nil || have == nil {
		return fmt.Errorf("add neighbour %s: %w", addr, err)
	}
	if _, theirs := r.theirs.vrfOf[addr]; theirs {
		r.changed("neighbour %s, which another client of the API had added, is as it is configured", addr)
	}
	if ttlsOf(have.GetEbgpMultihop(), have.GetTtlSecurity()) != ttlsOf(peer.GetEbgpMultihop(), peer.GetTtlSecurity()) {
		return replacePeer(ctx, r.server.BGP(), have, peer)
	}
	u, again := r.server.BGP().UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: peer})
	if again != nil {
		return fmt.Errorf("add neighbour %s: %w", addr, errors.Join(err, again))
	}
	r.again[addr] = r.again[addr] || u.NeedsSoftResetIn
	return nil
}

// dropVRFs takes out the VRFs that are not wanted, or not with their RD. Their
// announcements are withdrawn first, which takes few messages.
func (r *Reconciler) dropVRFs(ctx context.Context, want *state) error {
	var names []string
	for _, name := range sortedNames(r.vrfs) {
		if r.vrfKept(name, want) {
			continue
		}
		if _, wanted := want.vrfs[name]; r.theirs.vrfs[name] != nil && !wanted { // on the way back from a change that failed
			delete(r.vrfs, name)
			continue
		}
		names = append(names, name)
	}
	if err := r.dropThese(ctx, names); err != nil {
		return err
	}
	for _, name := range names {
		delete(r.vrfs, name)
		delete(r.altered, thing(speaker.KindVRF, name))
		r.VRFsChanged = true
		r.VRFsDropped++
		if _, wanted := want.vrfs[name]; !wanted {
			r.changed("VRF %s removed", name)
		}
	}
	return nil
}

// dropThese takes out VRFs, all or none. What they announced is kept, and announced again where they
// come back.
func (r *Reconciler) dropThese(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	all := make(map[string][]rib.AnnounceChange)
	for _, name := range names {
		l := r.hold(name)
		all[name] = l.All(false)
		if err := r.announcer.Send(ctx, name, l, l.All(true)); err != nil {
			return errors.Join(fmt.Errorf("remove VRF %q: %w", name, err), r.sendAgain(ctx, all))
		}
	}
	if err := r.server.DeleteVRFs(ctx, names); err != nil {
		for _, name := range names {
			if theirs := r.theirs.inVRF(name); theirs != "" {
				err = fmt.Errorf("%w: another client of the API added neighbour %s in it; delete that first (`gobgp neighbor del %s`)", err, theirs, theirs)
			}
		}
		return errors.Join(err, r.sendAgain(ctx, all))
	}
	for _, name := range names {
		r.hold(name).Suspend(all[name])
	}
	return nil
}

// sendAgain has what VRFs announced announced again.
func (r *Reconciler) sendAgain(ctx context.Context, all map[string][]rib.AnnounceChange) (err error) {
	for _, name := range sortedNames(all) {
		err = errors.Join(err, r.announcer.Send(ctx, name, r.hold(name), all[name]))
	}
	return err
}

// putVRFs adds VRFs, and announces again the routes of a VRF that was taken out to be made
// anew.
func (r *Reconciler) putVRFs(ctx context.Context, want *state) error {
	for _, name := range sortedNames(want.vrfs) {
		if _, had := r.vrfs[name]; had {
			continue
		}
		v := want.vrfs[name]
		request, err := VRFRequest(v)
		if err != nil {
			return fmt.Errorf("add VRF %q: %w", name, err)
		}
		if err := r.addVRF(ctx, request); err != nil {
			return fmt.Errorf("add VRF %q: %w", name, err)
		}
		r.vrfs[name] = v
		r.VRFsChanged = true
		r.VRFsPut++
		l := r.hold(name)
		if err := r.announcer.Send(ctx, name, l, l.Resume()); err != nil {
			return fmt.Errorf("announce again what VRF %q announced: %w", name, err)
		}
		r.changed("VRF %s added or made anew: RD %s, import RTs %v, export RTs %v", name, v.Config.Rd, v.Config.ImportRtList, v.Config.ExportRtList)
	}
	return nil
}

// addVRF adds a VRF, unless another client has added the very same one. Another one by
// its name stays, as all that clients add.
func (r *Reconciler) addVRF(ctx context.Context, request *api.AddVrfRequest) error {
	want := request.GetVrf()
	there := r.theirs.vrfs[want.GetName()]
	if there == nil {
		return r.server.BGP().AddVrf(ctx, request)
	}
	if !sameDefinition(there, want) {
		return fmt.Errorf("another client of the API added another VRF by this name; delete that (`gobgp vrf del %s`), or give this one another name", want.GetName())
	}
	return nil
}
