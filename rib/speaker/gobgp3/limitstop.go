package gobgp3

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// excess is a neighbour that is stopped for its limit.
type excess struct {
	tally   *tally
	family  bgp.RouteFamily
	limit   conf.Limit
	count   int       // how many it had sent
	reason  string    // for a person
	until   time.Time // zero: until somebody does something
	release string    // why it starts again; "": it does not
	down    bool      // GoBGP was seen to have it administratively down
	asked   time.Time // when it was asked to

	at  unsafe.Pointer // the peer whose session was ended last
	cut time.Time      // when it was ended
}

const (
	// farewell is how long the loop waits for a socket that does not take the
	// NOTIFICATION, and parting how long the connection stays open after that.
	farewell = 20 * time.Millisecond
	parting  = 100 * time.Millisecond
	// deaf is how long a session that is ended reads nothing into the tables: longer
	// than it takes to end.
	deaf = time.Hour
)

// stop ends a session whose neighbour has sent too much. The caller is the loop, and
// holds mu.
func (l *limits) stop(addr string, p livePeer, t *tally, family bgp.RouteFamily, limit conf.Limit) {
	if !p.established() {
		return
	}
	n := t.families[family]
	if e := l.over[addr]; e == nil {
		l.over[addr] = &excess{tally: t, family: family, limit: limit, count: n, reason: overLimit(limit, family, n)}
		if limit.Restart > 0 {
			l.over[addr].until = time.Now().Add(limit.Restart)
		}
		l.log.slog.Error("A neighbour sent more prefixes than its prefix-limit allows: its session is ended.",
			"neighbor", addr, "vrf", t.vrf, "family", family.String(), "prefixes", n, "limit", limit.Most,
			"restart", restarts(limit), "error", "BGP NOTIFICATION 6/1, maximum number of prefixes reached")
	}
	if e := l.over[addr]; e.at != p.at || time.Since(e.cut) > quietEach {
		l.end(p, e)
	}
}

// end ends the session of a neighbour that is stopped. The caller holds mu.
func (l *limits) end(p livePeer, e *excess) {
	e.at, e.cut = p.at, time.Now()
	p.cut(e.family, e.limit.Most)
}

// overLimit says why a neighbour is stopped that has sent n prefixes.
func overLimit(l conf.Limit, family bgp.RouteFamily, n int) string {
	return fmt.Sprintf("it sent %d prefixes of %s, and its prefix-limit is %d; %s", n, family, l.Most, restarts(l))
}

func restarts(l conf.Limit) string {
	if l.Restart > 0 {
		return fmt.Sprintf("it starts again %s after that", l.Restart)
	}
	return "it starts again when the limit is raised, or the neighbour enabled"
}

// cut ends a session for good: its messages that still wait for the loop are passed over,
// as GoBGP does with messages from before a session was up, and graceful restart keeps no
// route.
func (p livePeer) cut(family bgp.RouteFamily, most uint32) {
	hard := false
	p.change(func(n *oc.Neighbor) {
		n.Timers.State.Uptime = time.Now().Add(deaf).Unix()
		hard = n.GracefulRestart.State.NotificationEnabled
		n.GracefulRestart.State.Enabled = false
	})
	conn := *p.conn.in(p.fsm)
	if conn == nil {
		return
	}
	sub, data := uint8(bgp.BGP_ERROR_SUB_MAXIMUM_NUMBER_OF_PREFIXES_REACHED), limitData(family, most)
	if hard { // RFC 8538, 3: another NOTIFICATION would be a graceful restart
		sub, data = bgp.BGP_ERROR_SUB_HARD_RESET, append([]byte{bgp.BGP_ERROR_CEASE, sub}, data...)
	}
	b, err := bgp.NewBGPNotificationMessage(bgp.BGP_ERROR_CEASE, sub, data).Serialize()
	if err == nil && conn.SetWriteDeadline(time.Now().Add(farewell)) == nil {
		_, err = conn.Write(b)
	}
	if err != nil {
		_ = conn.Close()
		return
	}
	// At close the kernel sends a reset where bytes of the neighbour's are unread, which
	// must not overtake the NOTIFICATION at the neighbour.
	time.AfterFunc(parting, func() { _ = conn.Close() }) // twice is no harm
}

// limitData is the data of the NOTIFICATION: RFC 4486, 4.
func limitData(family bgp.RouteFamily, most uint32) []byte {
	afi, safi := bgp.RouteFamilyToAfiSafi(family)
	return binary.BigEndian.AppendUint32(append(binary.BigEndian.AppendUint16(nil, afi), safi), most)
}

// look is called in the loop, after each change of a session's state and once a
// second. It keeps neighbours down that are stopped, and starts those that may start again.
func (l *limits) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := *l.neighbors.in(unsafe.Pointer(l.server()))
	for addr, t := range l.known {
		switch at := all[addr]; at {
		case nil:
			l.drop(addr)
		case t.at:
			t.takeOver(l.peer(at))
		}
	}
	for addr, e := range l.over {
		if !e.until.IsZero() && time.Now().After(e.until) {
			e.release = "its restart-timer has run"
		}
		at := all[addr]
		switch {
		case at != nil:
			l.hold(addr, l.peer(at), e)
		case e.release != "" || !e.tally.dynamic:
			delete(l.over, addr)
		}
	}
}

// hold keeps a neighbour down that is stopped, or starts it again. A dynamic neighbour is
// gone with its session: all that keeps it away is that each new session is ended too. The
// caller holds mu.
func (l *limits) hold(addr string, p livePeer, e *excess) {
	up := p.established()
	if e.tally.dynamic {
		if e.release != "" {
			l.started(addr, e)
		} else if up && p.at != e.at {
			l.end(p, e)
		}
		return
	}
	if up {
		return
	}
	down := p.isDown()
	switch {
	case e.down && !down:
		e.release = cmp.Or(e.release, "somebody enabled it")
		l.started(addr, e)
	case down && e.release != "":
		if serverSetAdminState(l.server(), addr, "", true) == nil {
			l.started(addr, e)
		}
	case !down && time.Since(e.asked) > quietEach:
		e.asked = time.Now()
		if err := serverSetAdminState(l.server(), addr, "", false); err != nil {
			l.log.slog.Error("A neighbour over its prefix-limit cannot be kept down.", "neighbor", addr, "error", err)
		}
	}
	e.down = down
}

// started forgets a neighbour that was stopped. The caller holds mu.
func (l *limits) started(addr string, e *excess) {
	delete(l.over, addr)
	l.log.slog.Info("A neighbour that had sent more prefixes than its prefix-limit allows starts again.",
		"neighbor", addr, "vrf", e.tally.vrf, "reason", e.release)
}
