package gobgp3

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// reading reads GoBGP's tables into the queue of a watch, a few destinations in a turn of
// the loop: all of them when the watch begins, and again where paths changed of which GoBGP
// did not say which. A destination that changes meanwhile is told of as ever, behind what
// was read of it.
type reading struct {
	*changes
	live *queue
	// only is the part that it reads; nil: all of all tables.
	only *part
}

// tablesRead comes after the destinations that were there when a watch began.
type tablesRead struct{}

const (
	// readAtOnce is how many destinations are read in a turn of the loop, some 0.2 ms, and
	// readAhead how many things may wait in the queue before the next ones are: together
	// fewer than have the pacer stop the loop.
	readAtOnce = 512
	readAhead  = 256
	// readPause is how long the reading waits for the watch.
	readPause = time.Millisecond
	// readSettle is how long no path may have changed unseen before the tables are read
	// again, and readLatest after which time they are in any case.
	readSettle = 50 * time.Millisecond
	readLatest = time.Second
	// readShare is how much longer the tables are left alone than reading them took.
	readShare = 10
)

// families are those whose routes lead into kernel tables.
var families = []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN, bgp.RF_EVPN}

// run reads until ctx ends, or BGP.
func (r *reading) run(ctx context.Context) {
	if !r.tables(ctx) || r.inLoop(func() error { r.live.put(item{of: tablesRead{}}); return nil }) != nil {
		return
	}
	for r.due(ctx) {
		began := time.Now()
		if !r.tables(ctx) || !sleep(ctx, readShare*time.Since(began)) {
			return
		}
	}
}

// answer reads the parts that it is asked for until ctx ends, or BGP.
func (r *reading) answer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.live.asked:
		}
		p := join(r.live.takeParts())
		some := reading{changes: r.changes, live: r.live, only: &p}
		if !some.tables(ctx) || r.inLoop(func() error { r.live.put(item{of: partRead{p.feeds}}); return nil }) != nil {
			return
		}
	}
}

// due waits until the tables have to be read again, and tells whether they have.
func (r *reading) due(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-r.live.unseen:
	}
	for latest := time.Now().Add(readLatest); ; {
		if !sleep(ctx, readSettle) {
			return false
		}
		select {
		case <-r.live.unseen:
			if time.Now().Before(latest) {
				continue
			}
		default:
		}
		return true
	}
}

// tables reads all tables, or what is in the part, and tells whether it came to their end.
func (r *reading) tables(ctx context.Context) bool {
	if r.only != nil { // nothing of a VRF is in the other tables
		return r.routes(ctx) && r.table(ctx, bgp.RF_EVPN)
	}
	for _, f := range families {
		if !r.table(ctx, f) {
			return false
		}
	}
	return true
}

// table reads the table of a family, and tells whether it came to its end.
func (r *reading) table(ctx context.Context, f bgp.RouteFamily) bool {
	var next func() (string, *bgpDestination, bool)
	stop := func() {}
	defer func() { stop() }()
	return r.inTurns(ctx, func() bool {
		if t := r.rib().Tables[f]; next == nil && t != nil {
			next, stop = iter.Pull2(maps.All(t.destinations))
		}
		return next != nil && r.some(next)
	})
}

// routes reads the VPN routes of the part, and tells whether it came to their end.
func (r *reading) routes(ctx context.Context) bool {
	left := r.only.routes
	return len(left) == 0 || r.inTurns(ctx, func() bool {
		n := min(len(left), readAtOnce)
		for _, nlri := range left[:n] {
			if t := r.rib().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]; t != nil {
				r.one(tableGetDestination(t, nlri))
			}
		}
		r.flush()
		left = left[n:]
		return len(left) > 0
	})
}

// inTurns has step read some destinations in each turn of the loop until there are no more, and tells
// whether it came to that.
func (r *reading) inTurns(ctx context.Context, step func() (more bool)) bool {
	for more := true; more; {
		if r.live.waiting() > readAhead {
			if !sleep(ctx, readPause) {
				return false
			}
			continue
		}
		err := r.inLoop(func() error {
			more = r.changes.live == r.live && step() // else another watch has taken the place of this one
			return nil
		})
		if err != nil || ctx.Err() != nil {
			return false
		}
	}
	return true
}

// some reads some destinations, and tells whether there are more. It is called in the loop.
func (r *reading) some(next func() (string, *bgpDestination, bool)) (more bool) {
	defer r.flush()
	for range readAtOnce {
		_, d, there := next()
		if !there {
			return false
		}
		r.one(d)
	}
	return true
}

// one reads a destination; nil: it is gone.
func (r *reading) one(d *bgpDestination) {
	if d != nil && len(d.knownPathList) > 0 && considered(d.nlri) && (r.only == nil || r.only.has(d)) {
		r.list(d)
	}
}

// sleep waits, and tells whether ctx went on meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
