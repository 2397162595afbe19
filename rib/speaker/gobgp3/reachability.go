package gobgp3

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// reachability has GoBGP's choice, and so what its neighbours are told, follow what the
// VRFs' workers say of nexthops, and the policies of their exports. What is said is taken into
// GoBGP's loop here, by a
// goroutine of its own, and the paths that it concerns are brought in line, some in each
// turn of the loop; paths that arrive meanwhile are judged by flags.
type reachability struct {
	*loop
	names *peerNames
	log   *logger
	wake  chan struct{} // there is something to do
	conf  atomic.Pointer[conf.Config]

	mu    sync.Mutex
	said  map[string]word // guarded by mu; by VRF
	grown map[string]bool // guarded by mu; the VRFs whose paths are to be looked through
	again bool            // guarded by mu; what was said, or who listens, is another than the loop has
	awake []chan struct{} // guarded by mu; closed when all that was said is in force
	news  []report        // guarded by mu; what workers confirm
	// strict says of gates to come that nothing passes them before the worker has said what
	// may: of those from the start, when nobody has been told of anything yet.
	strict bool // guarded by mu

	// The loop's own.
	flags   *flags
	decodes *conf.Config      // of flags.decoder
	refused map[string]string // the VRFs that are not heeded, and because of whom
	walk    *walk             // under way
}

func newReachability(c *changes, names *peerNames, log *logger) *reachability {
	return &reachability{
		loop: c.loop, names: names, log: log, wake: make(chan struct{}, 1), flags: newFlags(c),
		said: make(map[string]word), grown: make(map[string]bool), refused: make(map[string]string),
	}
}

// say is Speaker.Unreached.
func (r *reachability) say(vrf string, of map[rib.PathNexthop]struct{}) {
	var u *unreached
	if of != nil {
		u = newUnreached(of) // not under mu, for which BGP's loop may wait
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.said[vrf]
	old := now.nexthops
	if u == nil && old == nil || u != nil && u.equal(old) {
		return
	}
	now.nexthops = u
	r.put(vrf, now, u != nil && u.grows(old))
}

// withhold is Speaker.Withhold, but for the wait: what it returns is closed when that is in
// force, and nil where nothing changes.
func (r *reachability) withhold(of map[string]rib.Advertising, started bool) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.strict = !started
	changed := false
	for _, vrf := range slices.Concat(slices.Collect(maps.Keys(r.said)), slices.Collect(maps.Keys(of))) {
		now, next := r.said[vrf], of[vrf]
		if now.policy != next.Rejects || now.installed != next.Installed {
			now.policy, now.installed, changed = next.Rejects, next.Installed, true
			r.put(vrf, now, next != (rib.Advertising{}))
		}
	}
	if !changed {
		return nil
	}
	done := make(chan struct{})
	r.awake = append(r.awake, done)
	return done
}

// confirm is Speaker.Confirmed.
func (r *reachability) confirm(of report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.said[of.vrf].installed {
		return
	}
	if of.whole {
		r.news = slices.DeleteFunc(r.news, func(old report) bool { return old.vrf == of.vrf })
	}
	r.news = append(r.news, of)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// report takes in a part of what workers confirm.
func (r *reachability) report() {
	r.mu.Lock()
	if len(r.news) == 0 {
		r.mu.Unlock()
		return
	}
	next := r.news[0]
	r.news = r.news[1:]
	r.mu.Unlock()
	rest, walk := r.flags.gates.take(r.flags, next)
	if walk {
		r.walk = r.flags.begin(map[string]bool{next.vrf: true})
	}
	if len(rest.changes) > 0 {
		r.mu.Lock()
		r.news = slices.Insert(r.news, 0, rest)
		r.mu.Unlock()
	}
}

// judgeAnew has the paths of VRFs looked through whose policy asks what the RPKI says: that is
// another now.
func (r *reachability) judgeAnew(vrfs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, vrf := range vrfs {
		if rib.AsksRPKI(r.said[vrf].policy) {
			r.grown[vrf] = true
			r.stir()
		}
	}
}

// put puts what is said of a VRF now in the place of what was. grows says that more of its
// paths may be concerned. The caller holds mu.
func (r *reachability) put(vrf string, now word, grows bool) {
	if now == (word{}) {
		delete(r.said, vrf)
	} else {
		r.said[vrf] = now
		r.grown[vrf] = r.grown[vrf] || grows
	}
	r.stir()
}

// stir has the goroutine look again. The caller holds mu.
func (r *reachability) stir() {
	r.again = true
	select {
	case r.wake <- struct{}{}:
	default: // it is awake
	}
}

// configure brings a configuration into force. A VRF that is none any more is forgotten.
func (r *reachability) configure(c *conf.Config) {
	r.conf.Store(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	for vrf := range r.said {
		if _, has := c.VRF(vrf); !has && vrf != speaker.Default {
			delete(r.said, vrf)
		}
	}
	r.stir()
}

// run has the loop bring the paths in line until ctx ends.
func (r *reachability) run(ctx context.Context) {
	var changes stream
	defer func() {
		_ = r.inAnyLoop(func() error { r.stop(); return nil })
		if changes.watcher != nil {
			changes.stop()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		if changes.watcher == nil && r.hasWord() {
			changes = watchChanges(r.loop, r.flags.judge)
		}
		for more := true; more && ctx.Err() == nil; {
			if err := r.inLoop(func() error { more = r.turn(); return nil }); err != nil {
				break // GoBGP was stopped
			}
		}
		if changes.watcher != nil && !r.hasWord() && r.disarmed() {
			changes.stop() // each event costs GoBGP's loop something
			changes = stream{}
		}
	}
}

// disarmed tells whether no path is judged any more. It waits for the loop.
func (r *reachability) disarmed() (is bool) {
	err := r.inLoop(func() error { is = !r.flags.armed; return nil })
	return err == nil && is
}

// hasWord tells whether a worker has said something.
func (r *reachability) hasWord() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.said) > 0
}

// turn is called in the loop, and does a part of what is to do. It tells whether there is
// more.
func (r *reachability) turn() bool {
	if r.walk == nil {
		if grown, is := r.adopt(); is {
			r.walk = r.flags.begin(grown)
		}
	}
	if r.walk == nil {
		r.report()
	}
	if r.walk != nil && !r.walk.step() {
		r.walk = nil
		r.flags.armed = len(r.flags.said) > 0 || r.flags.holds()
	}
	owes := r.flags.tellOwed()
	r.mu.Lock()
	defer r.mu.Unlock()
	if owes || r.walk != nil || r.again || len(r.news) > 0 {
		return true
	}
	for _, done := range r.awake {
		close(done)
	}
	r.awake = nil
	return false
}

// after is called in the loop at the end of each of its operations.
func (r *reachability) after(stateChanged bool) {
	if !r.flags.armed {
		return
	}
	r.flags.hush.set(false)
	more := r.flags.tellOwed()
	if !more && !stateChanged {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if more {
		select {
		case r.wake <- struct{}{}:
		default:
		}
		return
	}
	// Somebody who gets all paths may have come or gone, and prefixes may be held of
	// which the flagged path has gone.
	r.stir()
}

// adopt takes what was said into the loop, with the VRFs whose neighbours' paths are to be
// looked through for that. is tells whether there was something new.
func (r *reachability) adopt() (grown map[string]bool, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.again {
		return nil, false
	}
	r.again = false
	grown, r.grown = r.grown, make(map[string]bool)
	if c := r.conf.Load(); c != r.decodes {
		r.decodes, r.flags.decoder = c, newDecoder(c, r.names)
	}
	r.flags.learn()
	refused := r.refusals()
	for vrf := range r.refused {
		if refused[vrf] == "" {
			grown[vrf] = true // it is heeded again
		}
	}
	heeded := maps.Clone(r.said)
	for vrf, because := range refused {
		if heeded[vrf] != (word{}) && r.refused[vrf] == "" {
			r.log.slog.Warn("Neighbors are told of a VRF's routes whether or not their nexthops are reached and the kernel has them, and also where export.policy rejects them, because one of them gets all paths of a prefix (add-paths with send-max). Take send-max from that neighbor, or write reachability = false, advertise = \"always\" and advertise_rejected = true.",
				"vrf", vrf, "neighbor", because)
		}
		delete(heeded, vrf)
	}
	r.refused = refused
	r.flags.said = heeded
	r.flags.gates.follow(heeded, r.strict)
	r.flags.armed = len(heeded) > 0 || r.flags.holds()
	if r.flags.armed {
		r.flags.listen()
	}
	return grown, true
}

// stop gives up what is under way.
func (r *reachability) stop() {
	r.flags.hush.set(false)
	if r.walk != nil {
		r.walk.end()
		r.walk = nil
	}
}

// watchChanges has judge called in GoBGP's loop for each event of best paths.
func watchChanges(l *loop, judge func(*bestEvent)) stream {
	var kinds shapes
	divert := func(opts unsafe.Pointer) {
		filters := *(*map[string]func(any) bool)(unsafe.Add(opts, filtersAt()))
		filters[eventKinds[0]] = func(event any) bool {
			if best, _, _, err := kinds.read(event); err == nil && best != nil {
				judge(best) // where it is not as expected, the feeds' watch gives up
			}
			return false
		}
	}
	return stream{watcher: serverWatch(l.server(), watchBestPath(false), divert)}
}
