package gobgp3

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// endings tells the feeds of neighbours whose paths go, ahead of GoBGP, which withdraws
// them one by one in one turn of its loop: of 200,000, for two seconds. GoBGP's log has it
// first.
//
// When a session has ended, its goroutine says so at once, and the feeds count the neighbour
// as down, though messages of it may still wait for the loop. The loop comes to the end
// behind those, and then the paths go out of the feeds, in the order of the queue. The
// neighbour counts as down until its next session is up.
type endings struct {
	*feeder

	mu sync.Mutex
	// noticed has, by GoBGP's name, when the goroutine of a session told of its end, to
	// which the loop has not come yet.
	noticed map[string]time.Time // guarded by mu

	absent map[netip.Addr]time.Time // since when GoBGP has no neighbour that counts as down; the loop's own
}

// departure is of a neighbour whose paths of some families go, or of all.
type departure struct {
	key   string
	gone  []speaker.Family
	whole bool
}

// arrival is of a neighbour whose session is up.
type arrival struct{ key string }

// forgotten is a neighbour that GoBGP does not have any more.
type forgotten struct{ peer netip.Addr }

const (
	// graceful is the reason of an end after which GoBGP keeps paths.
	graceful = "graceful-restart"
	// dying is that of a neighbour that was taken out: deleted has told of it, and another
	// one of the same name may be in its place already.
	dying = "dying"
	// lateNotice is how long after its notice an end is in the loop's channel for certain.
	lateNotice = time.Second
	// absentFor is how long a neighbour that was taken out counts as down: readers are done
	// with its paths then.
	absentFor = time.Minute
)

func newEndings(f *feeder) *endings {
	return &endings{feeder: f, noticed: make(map[string]time.Time), absent: make(map[netip.Addr]time.Time)}
}

// ended is called on the goroutine of a session that has ended.
func (e *endings) ended(key, reason string) {
	if reason == graceful || reason == dying {
		return
	}
	e.mu.Lock()
	e.noticed[key] = time.Now()
	e.mu.Unlock()
	e.setDown(key)
}

// stateChanged is called in the loop, with the lock of the session, before the change has
// had its effects.
func (e *endings) stateChanged(fields log.Fields) {
	key, _ := fields["Key"].(string)
	if e.server() == nil {
		return
	}
	p, there := e.peerOf(key)
	if !there {
		return
	}
	n := *p.conf.in(p.fsm)
	switch {
	case fields["old"] == established:
		e.mu.Lock()
		delete(e.noticed, key)
		e.mu.Unlock()
		// GoBGP withdraws the others, and marks these as stale, which no reader sees.
		e.depart(key, p, n, func(a *oc.AfiSafi) bool {
			s := a.MpGracefulRestart.State
			return fmt.Sprint(fields["reason"]) == graceful && s.Enabled && s.Received
		}, keptStale)
		e.keeper.changes.foretold = true
	case fields["new"] == established:
		e.keeper.changes.put(arrival{key})
	case fields["new"] == bgp.BGP_FSM_IDLE.String() && n.GracefulRestart.State.PeerRestarting:
		// The time for which GoBGP keeps paths has ended. It goes on keeping those of some
		// families, with a community more, or without those that do not want it.
		long := n.GracefulRestart.State.LongLivedEnabled
		e.depart(key, p, n, func(a *oc.AfiSafi) bool { return long && a.LongLivedGracefulRestart.State.Enabled }, keptLong)
		e.keeper.changes.foretold = !long
	}
}

// deleted is called in the loop, before a neighbour's paths are withdrawn.
func (e *endings) deleted(key string) {
	if p, there := e.peerOf(key); there {
		p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
			e.depart(key, p, n, func(*oc.AfiSafi) bool { return false }, withdrawn)
		})
		e.keeper.changes.foretold = true
	}
}

// longOver is called in the loop, before what was kept long of a family is withdrawn.
func (e *endings) longOver(key string, family any) {
	f, is := family.(bgp.RouteFamily)
	if p, there := e.peerOf(key); there && is {
		e.keeper.whole.gone.take(key, p, p.vrf(), []bgp.RouteFamily{f}, unkept)
	}
}

// depart has the paths of a neighbour go out of the feeds, but for those of the families
// that are held. To look for them in all feeds takes as long as those are large, so a few
// are told of by their destinations, at the end of the turn. GoBGP's own tables follow in parts.
func (e *endings) depart(key string, p livePeer, n *oc.Neighbor, held func(*oc.AfiSafi) bool, kept fate) {
	d := departure{key: key, whole: true}
	var tables []*bgpTable
	var gone, stay []bgp.RouteFamily
	sent := 0
	for i := range n.AfiSafis {
		a := &n.AfiSafis[i]
		in := conf.InFeeds(a.State.Family)
		if held(a) {
			stay = append(stay, a.State.Family)
		} else {
			gone = append(gone, a.State.Family)
		}
		switch table := p.adjIn().table[a.State.Family]; {
		case held(a):
			d.whole = false
		case len(in) > 0 && table != nil:
			for _, f := range in {
				f.VPN = f.VPN || n.Config.Vrf != ""
				d.gone = append(d.gone, f)
			}
			tables, sent = append(tables, table), sent+len(table.destinations)
		}
	}
	fate := withdrawn
	if sent <= fewSent {
		d.gone, fate = nil, unkept
		for _, t := range tables {
			e.keeper.changes.oweAll(n.Config.Vrf, t)
		}
	}
	if d.whole {
		e.setDown(key)
	}
	if d.whole || len(d.gone) > 0 {
		e.keeper.changes.put(d)
	}
	e.keeper.whole.gone.take(key, p, n.Config.Vrf, gone, fate)
	e.keeper.whole.gone.take(key, p, n.Config.Vrf, stay, kept)
}

// quiet is called in the loop, once a second. It has neighbours count as down no more that
// are back, where the word of that went with a watch that ended, or that an earlier
// session's goroutine gave notice of too late; and those that GoBGP has no more.
func (e *endings) quiet() {
	e.mu.Lock()
	maps.DeleteFunc(e.noticed, func(key string, at time.Time) bool {
		_, there := e.peerOf(key)
		return !there && time.Since(at) > absentFor
	})
	e.mu.Unlock()
	w, _ := e.current()
	down := e.feeds.Down()
	maps.DeleteFunc(e.absent, func(peer netip.Addr, _ time.Time) bool { return !down.Has(peer) })
	if w == nil || len(down) == 0 {
		return
	}
	names := make(map[netip.Addr]string)
	for key := range e.peers() {
		names[w.decoder.peerOf(key)] = key
	}
	for peer := range down {
		key, there := names[peer]
		since, was := e.absent[peer]
		switch {
		case there && e.isUp(key):
			e.keeper.changes.put(arrival{key})
		case there:
			delete(e.absent, peer)
		case !was:
			e.absent[peer] = time.Now()
		case time.Since(since) > absentFor:
			e.keeper.changes.put(forgotten{peer})
		}
	}
}

// isUp tells whether the session of a neighbour is established, and its end does not wait
// for the loop.
func (e *endings) isUp(key string) bool {
	p, there := e.peerOf(key)
	if !there || !p.established() {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at, noticed := e.noticed[key]
	if noticed && (time.Since(at) < lateNotice || (*p.incoming.in(p.fsm)).Len() > 0) {
		return false
	}
	delete(e.noticed, key)
	return true
}
