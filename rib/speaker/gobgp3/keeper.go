package gobgp3

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// keeper keeps house in GoBGP's loop: it lets go of destinations, stale routes and leaked
// routes that GoBGP would keep, and holds neighbours to their limits. GoBGP calls it there
// as its timing hook, after each operation of the loop; where nothing happens, its own
// goroutine has the loop call it.
type keeper struct {
	*loop
	pacer   *pacer
	log     *logger
	names   *peerNames
	local   *localAddresses
	whole   *wholeTables
	changes *changes // the loop's own
	carrier *carrier
	out     *outgoing

	looks   looks
	sweeps  *sweeper // the loop's own
	limits  *limits
	guests  func() // looks after dynamic neighbours that are disabled; nil: nobody does
	stale   *stales
	leaver  *leavers
	reach   *reachability
	screens *screens
	// validation is nil where there are no feeds.
	validation *validation

	wake     chan struct{} // there is something to sweep
	endOfRIB atomic.Bool   // an End-of-RIB came since the last look
}

// looks are when the keeper looks at the adj-RIB-in of each neighbour. They are the loop's own.
type looks struct {
	work time.Duration // of the loop since it last looked
	each time.Duration // how much it does before the next look
}

const (
	// lookEach is how much the loop does, some 1,000 routes, before the keeper looks
	// at the adj-RIB-in of each neighbour.
	lookEach = 10 * time.Millisecond
	// lookShare is how much longer the loop works than the keeper looks.
	lookShare = 50
)

func newKeeper(l *loop, pacer *pacer, log *logger) *keeper {
	k := &keeper{loop: l, pacer: pacer, log: log, looks: looks{each: lookEach}, wake: make(chan struct{}, 1)}
	k.names, k.local = newPeerNames(l), &localAddresses{loop: l}
	k.changes = newChanges(l)
	k.whole = newWholeTables(k.changes, pacer)
	k.carrier, k.out = newCarrier(k.changes, log), newOutgoing(k.changes)
	k.whole.told.opening.deaf = func(vrf string) bool { return k.carrier.isDeaf(vrf) || k.out.deaf(vrf) }
	k.whole.told.opening.settled = func() bool { return k.out.settled() && k.carrier.settled() }
	k.sweeps = newSweeper(l, k.wake)
	k.limits = newLimits(l, log)
	k.stale = newStales(k.changes, k.whole.gone, log)
	k.screens = newScreens(l)
	k.leaver = newLeavers(l, k.screens)
	k.reach = newReachability(k.changes, k.names, log)
	return k
}

// Observe implements GoBGP's timing hook.
func (k *keeper) Observe(op server.FSMOperation, did, waited time.Duration) {
	k.changes.untold.end()
	defer k.changes.apart.forget() // the last thing: neighbours are told in here too
	stateChanged := k.log.stateChanged.Swap(false)
	if stateChanged {
		k.changes.moved()
		k.local.putBack()
	}
	k.whole.putBack(stateChanged)
	k.changes.after()
	putVRFsBack(k.loop)
	k.out.after()
	defer k.carrier.after()
	defer k.reach.after(stateChanged) // after what else changes the tables here
	k.pacer.Observe(op, did, waited)
	if k.endOfRIB.Swap(false) || stateChanged {
		k.stale.look()
		k.hold()
	}
	if op != server.FSMMessage {
		return
	}
	k.sweeps.during(did / sweepOf)
	if k.looks.work += did; k.looks.work >= k.looks.each {
		k.looks.work = 0
		k.look()
	}
}

// seen returns the function that the loop calls for each event of a watch that is of best
// paths or End-of-RIB.
func (k *keeper) seen() func(event any) {
	var kinds shapes // the watch has its own, and gives up where an event is not as expected
	return func(event any) {
		best, eor, _, err := kinds.read(event)
		switch {
		case err != nil:
		case eor != nil:
			k.endOfRIB.Store(true)
		default:
			k.sweeps.emptied(best)
			k.changes.apart.judge(best)
		}
	}
}

// look is called in the loop. With many neighbours it takes a while, and is done the
// less often.
func (k *keeper) look() {
	defer func(began time.Time) { k.looks.each = max(lookEach, lookShare*time.Since(began)) }(time.Now())
	for addr, p := range k.peers() {
		k.limits.check(addr, p)
		k.sweeps.check(p)
	}
}

// hold keeps neighbours down that are to be. It is called in the loop.
func (k *keeper) hold() {
	k.limits.look()
	if k.guests != nil {
		k.guests()
	}
}

// configure brings a configuration into force. It does not wait for the loop.
func (k *keeper) configure(c *conf.Config) {
	k.limits.configure(c)
	k.stale.configure(c)
	k.reach.configure(c)
	k.carrier.configure(c)
	if k.validation != nil {
		k.validation.configure(c)
	}
}

// carriedTakes is how long a reload waits at most until neighbours are told by EVPN.
const carriedTakes = 10 * time.Second

// awaitCarried waits until neighbours have been told what goes out of VRFs by EVPN.
func (k *keeper) awaitCarried(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, carriedTakes)
	defer cancel()
	select {
	case <-k.carrier.idle():
	case <-ctx.Done():
	}
}

// start has the keeper look where no messages come too, until ctx ends. join waits for
// that end.
func (k *keeper) start(ctx context.Context) (join func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { k.run(ctx) })
	done.Go(func() { k.whole.parts.run(ctx) })
	return func() { cancel(); done.Wait() }
}

func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(quietEach)
	defer tick.Stop()
	defer func() { _ = k.inLoop(func() error { k.sweeps.stop(); k.carrier.stop(); return nil }) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = k.inLoop(k.quiet)
		case <-k.wake:
			k.sweep(ctx)
		case <-k.leaver.wake:
			k.leaver.takeBack()
		case <-k.carrier.wake:
			k.carrier.turn()
		}
	}
}

// sweepAll has GoBGP's own tables swept. It waits for the loop, not for the sweep.
func (k *keeper) sweepAll() {
	_ = k.inLoop(func() error { k.sweeps.all(); return nil })
}

// quiet is called in the loop.
func (k *keeper) quiet() error {
	k.look()
	k.limits.figures.take()
	if k.log.endings != nil {
		k.log.endings.quiet()
	}
	k.sweeps.quiet()
	k.carrier.mourn()
	k.hold()
	k.stale.look()
	if k.validation != nil {
		k.validation.look()
	}
	return nil
}

// sweep has the loop sweep in steps, with pauses of the same length for its other work.
func (k *keeper) sweep(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for more := true; more; {
		_ = k.inLoop(func() error { more = k.sweeps.step(sweepStep); return nil })
		pause.Reset(sweepStep)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// Screen implements reload.VRFs.
func (k *keeper) Screen(c *conf.Config) error {
	return k.inLoop(func() error { k.screens.putUntold(c); return nil })
}

// Guard implements reload.Server.
func (k *keeper) Guard(fn func() error) error { return k.log.guard(fn) }

// Peers implements reload.Server: it copies GoBGP's neighbours and peer groups.
func (k *keeper) Peers() (reload.Peers, error) {
	all := reload.Peers{Neighbors: make(map[string]reload.Neighbor), Groups: make(map[string]oc.PeerGroup), Dynamic: make(map[string]bool)}
	err := k.inLoop(func() error {
		for addr, p := range k.peers() {
			n := p.copied()
			n.Disabled = n.Disabled && !k.limits.stops(addr)
			all.Neighbors[addr] = n
		}
		for name, at := range *k.groups.in(unsafe.Pointer(k.server())) {
			group := **k.groupConf.in(at)
			group.AfiSafis = slices.Clone(group.AfiSafis)
			all.Groups[name] = group
			for prefix := range *k.dynamic.in(at) {
				all.Dynamic[reload.DynamicName(prefix, name)] = true
			}
		}
		all.Wanted = k.screens.wanted()
		return nil
	})
	return all, err
}

// ReadVRFs implements reload.VRFs. It does what GoBGP's ListVrf does, which writes all out in its loop:
// of thousands of VRFs that takes milliseconds, in which no route gets through.
func (k *keeper) ReadVRFs() ([]*api.Vrf, error) {
	var all []bgpVRF
	err := k.inLoop(func() error {
		all = make([]bgpVRF, 0, len(k.rib().Vrfs))
		for _, v := range k.rib().Vrfs {
			same := *v
			same.ImportRt, same.ExportRt = slices.Clone(v.ImportRt), slices.Clone(v.ExportRt)
			all = append(all, same)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]*api.Vrf, len(all))
	for i := range all {
		if list[i], err = listed(&all[i]); err != nil {
			return nil, fmt.Errorf("VRF %q: %w", all[i].Name, err)
		}
	}
	return list, nil
}

// BGP implements reload.Server.
func (k *keeper) BGP() *server.BgpServer { return k.server() }

// SetPolicies implements reload.Server.
func (k *keeper) SetPolicies(policies *oc.RoutingPolicy, assigned map[string]oc.ApplyPolicy) error {
	made, err := conf.MakePolicies(k.log, policies, assigned)
	if err != nil {
		return err
	}
	return k.inLoop(func() error {
		*k.policy.in(unsafe.Pointer(k.server())) = made
		return nil
	})
}
