package gobgp3

import (
	"context"
	"iter"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// keeper keeps house in GoBGP's loop: it lets go of what GoBGP would keep, and holds
// neighbours to their limits. GoBGP calls it there as its timing hook, after each thing
// that the loop did; where nothing happens, its own goroutine asks the loop in.
type keeper struct {
	*insides
	pacer *pacer
	log   *logger
	bgp   *server.BgpServer // set before the loop runs

	work   time.Duration // of the loop since it last looked; the loop's own
	each   time.Duration // how much it does before the next look; the loop's own
	sweeps *sweeper      // the loop's own but for withdrew
	limits *limits
	stale  *stales
	leaver *leavers

	wake     chan struct{} // there is something to sweep
	endOfRIB atomic.Bool   // one came, since the last look
}

const (
	// lookEach is how much the loop does, some 1,000 routes, before the keeper looks
	// at what each neighbour has sent.
	lookEach = 10 * time.Millisecond
	// lookShare is how much more it does than looking.
	lookShare = 50
	// quietEach is when it looks at the latest.
	quietEach = time.Second
)

func newKeeper(at *insides, pacer *pacer, log *logger) *keeper {
	k := &keeper{insides: at, pacer: pacer, log: log, each: lookEach, wake: make(chan struct{}, 1)}
	k.sweeps = newSweeper(k)
	k.limits = newLimits(k)
	k.stale = newStales(k)
	k.leaver = newLeavers(k)
	return k
}

// Observe implements GoBGP's timing hook.
func (k *keeper) Observe(op server.FSMOperation, did, waited time.Duration) {
	k.pacer.Observe(op, did, waited)
	if k.log.stateChanged.Swap(false) || k.endOfRIB.Swap(false) {
		k.stale.look()
		k.limits.look()
	}
	if op != server.FSMMessage {
		return
	}
	k.sweeps.during(did / sweepOf)
	if k.work += did; k.work >= k.each {
		k.work = 0
		k.look()
	}
}

// seen returns what is to be called in the loop for each event of a watch.
func (k *keeper) seen() func(event any) {
	var kinds shapes // the watch has its own, and says where one is not as expected
	return func(event any) {
		best, eor, err := kinds.read(event)
		switch {
		case err != nil:
		case eor != nil:
			k.endOfRIB.Store(true)
		default:
			k.sweeps.emptied(best)
		}
	}
}

// look is called in the loop. With many neighbours it takes a while, and is done the
// less often.
func (k *keeper) look() {
	defer func(began time.Time) { k.each = max(lookEach, lookShare*time.Since(began)) }(time.Now())
	for addr, p := range k.peers() {
		k.limits.check(addr, p)
		k.sweeps.check(addr, p)
	}
}

// configure brings a configuration into force. It does not wait for the loop.
func (k *keeper) configure(c *conf) {
	k.limits.configure(c)
	k.stale.configure(c)
}

// start has the keeper look at what is quiet too, until ctx ends, for which the
// function waits that it returns.
func (k *keeper) start(ctx context.Context) (join func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.run(ctx)
	}()
	return func() { cancel(); <-done }
}

func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(quietEach)
	defer tick.Stop()
	defer func() { _ = k.inLoop(func() error { k.sweeps.stop(); return nil }) }()
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
	k.sweeps.quiet()
	k.limits.look()
	k.stale.look()
	return nil
}

// sweep has the loop sweep in steps, between which it does as much else.
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

// inLoop has GoBGP's loop call f, and waits for that.
func (k *keeper) inLoop(f func() error) error { return mgmtOperation(k.bgp, f, true) }

// livePeer is one of GoBGP's peers; for the loop.
type livePeer struct {
	*insides
	at, fsm unsafe.Pointer
}

// peers goes through GoBGP's neighbours by the address that it has them under.
func (k *keeper) peers() iter.Seq2[string, livePeer] {
	return func(yield func(string, livePeer) bool) {
		for addr, at := range *k.neighbors.in(unsafe.Pointer(k.bgp)) {
			if !yield(addr, k.peer(at)) {
				return
			}
		}
	}
}

func (k *keeper) peer(at unsafe.Pointer) livePeer { return livePeer{k.insides, at, *k.fsm.in(at)} }

func (k *keeper) rib() *bgpTables { return *k.globalRib.in(unsafe.Pointer(k.bgp)) }

func (p livePeer) adjIn() *bgpAdjRib { return *p.adjRibIn.in(p.at) }

// read calls f with what other goroutines of GoBGP's write too.
func (p livePeer) read(f func(conf *oc.Neighbor, state bgp.FSMState)) {
	lock := p.lock.in(p.fsm)
	lock.RLock()
	defer lock.RUnlock()
	f(*p.conf.in(p.fsm), *p.state.in(p.fsm))
}

// change is read for a change.
func (p livePeer) change(f func(conf *oc.Neighbor)) {
	lock := p.lock.in(p.fsm)
	lock.Lock()
	defer lock.Unlock()
	f(*p.conf.in(p.fsm))
}

// established tells whether the session is up.
func (p livePeer) established() (is bool) {
	p.read(func(_ *oc.Neighbor, state bgp.FSMState) { is = state == bgp.BGP_FSM_ESTABLISHED })
	return is
}
