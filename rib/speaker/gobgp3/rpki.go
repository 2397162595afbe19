package gobgp3

import (
	"context"
	"iter"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// GoBGP keeps what it has of RPKI caches in its loop, and tells nobody where that changes. So the
// loop looks once a second at the state of each cache's session, which is a few numbers, and where
// one is another the whole is read, into a table that policies outside of the loop are asked with.
// The paths that it may concern are judged again then.

// validation keeps rib.RPKI as GoBGP has it, where policies ask for it.
type validation struct {
	*loop
	feeds *speaker.Feeds
	anew  func(vrfs []string) // has the paths judged anew that neighbours of VRFs sent
	wake  chan struct{}
	asks  atomic.Pointer[[]string] // the VRFs whose paths are judged by it; of none nothing is read
	lost  atomic.Bool              // GoBGP has let go of what a cache sent, for it is away too long

	// The loop's own.
	seen   map[string]cacheState // nil: nothing was read yet
	amidst int                   // how often a cache was in the midst of an answer
}

// cacheState is by what is seen that a cache has said something. An answer goes from the query to
// its end of data; what it takes back is gone at once, and what it adds comes with its end.
type cacheState struct {
	session  uint16
	serial   uint32
	complete bool // its last answer has ended
	up       bool
	received oc.RpkiReceived
}

// longestAnswer is how many looks an answer may take; then what there is of it counts.
const longestAnswer = 30

func newValidation(l *loop, anew func(vrfs []string), feeds *speaker.Feeds) *validation {
	return &validation{loop: l, feeds: feeds, anew: anew, wake: make(chan struct{}, 1)}
}

// configure brings a configuration into force.
func (v *validation) configure(c *conf.Config) {
	v.asks.Store(&c.Extras.Validating)
	v.stir()
}

// stir has the goroutine read.
func (v *validation) stir() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// look is called in the loop.
func (v *validation) look() {
	if asks := v.asks.Load(); asks == nil || len(*asks) == 0 {
		v.seen = nil
		return
	}
	now, amidst := v.states()
	if amidst && v.amidst < longestAnswer {
		v.amidst++
		return
	}
	v.amidst = 0
	if v.lost.Swap(false) || v.seen == nil || !maps.Equal(now, v.seen) {
		v.seen = now
		v.stir()
	}
}

// states are those of the caches now. amidst tells whether one is in the midst of an answer.
func (v *validation) states() (now map[string]cacheState, amidst bool) {
	now = make(map[string]cacheState)
	for host, at := range *v.caches.in(*v.roaManager.in(unsafe.Pointer(v.server()))) {
		s := cacheState{
			session: *v.cacheSession.in(at), serial: *v.cacheSerial.in(at), complete: *v.cacheComplete.in(at),
			up: *v.cacheConn.in(at) != nil, received: v.cacheStatus.in(at).RpkiMessages.RpkiReceived,
		}
		now[host] = s
		amidst = amidst || s.up && !s.complete && s.received.CacheResponse > 0
	}
	return now, amidst
}

// run reads what is new until ctx ends.
func (v *validation) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.wake:
			if asks := v.asks.Load(); len(*asks) > 0 {
				v.read(*asks)
			}
		}
	}
}

// read takes over what GoBGP has, and has the paths judged again that it may concern.
func (v *validation) read(vrfs []string) {
	var list []*bgpROA
	var as uint32
	err := v.inLoop(func() (err error) {
		as = v.config.in(unsafe.Pointer(v.server())).Global.Config.As
		list, err = roasList(*v.roas.in(unsafe.Pointer(v.server())), 0)
		return err
	})
	if err != nil {
		return // GoBGP was stopped
	}
	now := rib.NewROAs(as, natives(list))
	changed := now.Since(v.rpki.Set(now))
	if changed.Empty() {
		return
	}
	v.anew(vrfs)
	for vrf, feeds := range v.feeds.ByVRF() {
		if !slices.Contains(vrfs, vrf) {
			continue
		}
		for _, f := range feeds {
			rib.MarkWithin(f, changed)
		}
	}
}

// natives are ROAs as GoBGP has them, which are not changed any more once they are in its table.
func natives(list []*bgpROA) iter.Seq[rib.ROA] {
	return func(yield func(rib.ROA) bool) {
		for _, r := range list {
			bits, _ := r.Network.Mask.Size()
			if p, err := prefixOf(r.Network.IP, uint8(bits), len(r.Network.Mask) == net.IPv6len); err == nil && !yield(rib.ROA{Prefix: p, MaxLength: r.MaxLen, AS: r.AS}) {
				return
			}
		}
	}
}
