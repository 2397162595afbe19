package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// roomIn is the buffer of a session: two messages, so that a half one never keeps a
// whole one from being read.
const roomIn = 2 * mostMessage

// state is how far a session is, by the messages of its neighbour.
type state uint8

const (
	expectOpen state = iota
	expectKeepalive
	up
	over // nothing more is read
)

// Conn is the connection of a session, guarded. Read is called by one goroutine at a
// time, as GoBGP does; Write may be called beside it.
type Conn struct {
	net.Conn
	*session
	updates rewriter
	pacing  pacing
	six     ownSix
	sending sending
	quiet   *quiet

	in       []byte // bytes that were received; in[from:to] is not judged yet
	from, to int
	out      []byte // passed, and not read by GoBGP yet; a part of in, or of updates.made
	err      error  // of Read, after out
	state    state
	refresh  map[bgp.RouteFamily]*refreshed

	opened  atomic.Pointer[[]byte] // our own OPEN
	refused atomic.Bool            // the session was ended: nothing more is sent

	internal atomic.Bool // the neighbour's OPEN is of our own AS

	mu   sync.Mutex
	gone []netip.Prefix // guarded by mu; own prefixes to withdraw
	ask  bool           // guarded by mu; the neighbour is to be asked for its routes again
}

func newConn(g *Guard, r *record, conn net.Conn, q Queues) *Conn {
	s := &session{guard: g, record: r}
	c := &Conn{
		Conn: conn, session: s, updates: rewriter{judging: judging{session: s}}, pacing: pacing{backlog: q.In, before: q.Before},
		sending: sending{owed: q.Out, all: q.Refresh}, quiet: newQuiet(), in: make([]byte, roomIn),
	}
	c.sending.parcel = newParcel(c.send)
	return c
}

// Write passes GoBGP's messages. Once the guard has ended the session none is sent any
// more: GoBGP's own answer to the end would be a second NOTIFICATION.
func (c *Conn) Write(b []byte) (int, error) {
	size := len(b)
	if c.refused.Load() {
		return size, nil
	}
	if len(b) > headerSize && b[18] == bgp.BGP_MSG_OPEN {
		if c.rules().Restarted {
			b = asRestarted(b)
		}
		own := append([]byte(nil), b...)
		c.opened.Store(&own)
	}
	c.record.wire.tell(b, c.guard.now)
	if c.sending.ends.takes(b) {
		return size, nil
	}
	var out []byte
	if c.rules().VRF != "" {
		out = asUnicast(b)
	} else {
		out = c.guard.offered.withServices(b)
	}
	var agreed *agreement // the reader makes it, and is done when there is an UPDATE to send
	if len(out) > headerSize+4 && out[18] == bgp.BGP_MSG_UPDATE {
		agreed = c.agreed
	}
	out = c.withOwnSix(out)
	n, err := c.sending.parcel.put(out, agreed)
	if c.refused.Load() || err == nil && n == len(out) { // ended meanwhile, or as it should be
		return size, nil
	}
	return n, err
}

// Close ends the connection, and gives back its places of the VRF's limit.
func (c *Conn) Close() error {
	c.places.release()
	c.guard.closed(c)
	c.sending.parcel.timer.Stop()
	err := c.Conn.Close()
	c.quiet.close.Do(func() { close(c.quiet.closed) })
	return err
}

// Read returns bytes that have passed.
func (c *Conn) Read(b []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			c.quiet.ends()
			return 0, c.err
		}
		if c.quiet.holds() {
			return 0, net.ErrClosed
		}
		c.advance()
	}
	n := copy(b, c.out)
	c.out = c.out[n:]
	return n, nil
}

// advance judges one message, and reads from the socket where none is whole.
func (c *Conn) advance() {
	if c.state == over { // bytes after the last message are nobody's
		c.err = io.EOF
		return
	}
	if c.state == up && c.interrupts() {
		return
	}
	c.now = nil
	m, err := c.next()
	switch {
	case err != nil:
		c.end(err)
	case m == nil:
		c.fill()
	case m[18] == bgp.BGP_MSG_UPDATE && c.state == up && c.pacing.holds(c.quiet):
		c.from -= len(m) // it is judged when its turn comes
		c.out = nothing
	default:
		c.pacing.wait()
		if err := c.judge(m); err != nil {
			c.end(err)
		}
	}
}

// next takes the next message out of the buffer; nil: it is not whole yet.
func (c *Conn) next() ([]byte, error) {
	b := c.in[c.from:c.to]
	if len(b) < headerSize {
		return nil, nil
	}
	for _, one := range b[:16] {
		if one != 0xff {
			return nil, notification(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_CONNECTION_NOT_SYNCHRONIZED, nil, "a message does not begin with the marker of sixteen 0xff")
		}
	}
	size, kind := int(binary.BigEndian.Uint16(b[16:])), b[18]
	if err := checkHeader(size, kind); err != nil {
		return nil, err
	}
	if len(b) < size {
		return nil, nil
	}
	c.from += size
	return b[:size], nil
}

// fill reads from the socket. An interruption by own or askAgain is no error.
func (c *Conn) fill() {
	if c.from > 0 {
		c.to = copy(c.in, c.in[c.from:c.to])
		c.from = 0
	}
	n, err := c.Conn.Read(c.in[c.to:])
	c.to += n
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		_ = c.SetReadDeadline(time.Time{}) // interrupts looks at c.gone and c.ask before the next read
		c.mu.Unlock()
		return
	}
	if err != nil {
		c.err = err
	}
}

// judge sets c.out to the bytes that GoBGP gets for a message. Its error is a refusal.
func (c *Conn) judge(m []byte) error {
	c.now = m
	kind := m[18]
	if kind == bgp.BGP_MSG_NOTIFICATION {
		c.record.wire.hear(m, c.guard.now)
		c.out, c.state = m, over
		return nil
	}
	switch c.state {
	case expectOpen:
		if kind != bgp.BGP_MSG_OPEN {
			return unexpected(1, "OPEN", kind)
		}
		return c.open(m)
	case expectKeepalive:
		if kind != bgp.BGP_MSG_KEEPALIVE {
			return unexpected(2, "KEEPALIVE", kind)
		}
		c.out, c.state = m, up
		return nil
	}
	switch kind {
	case bgp.BGP_MSG_OPEN:
		return unexpected(3, "message of an established session", kind)
	case bgp.BGP_MSG_UPDATE:
		out, prefixes, err := c.updates.update(m)
		c.pacing.lately += prefixes
		c.out = out
		return err
	case bgp.BGP_MSG_ROUTE_REFRESH:
		c.routeRefresh(m)
		return nil
	}
	c.out = m // a KEEPALIVE
	return nil
}

// open judges the OPEN. An OPEN to which GoBGP itself answers with a NOTIFICATION is
// passed.
func (c *Conn) open(m []byte) error {
	own := c.opened.Load()
	if own == nil {
		return notification(bgp.BGP_ERROR_FSM_ERROR, 1, nil, "an OPEN before ours was sent")
	}
	a, err := agree(*own, m)
	var answered *bgp.MessageError
	switch {
	case errors.As(err, &answered):
		c.out, c.state = m, over
		return nil
	case err != nil:
		return notification(bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, 0, nil, "%v", err)
	case openAS(m, a):
		return notification(bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_BAD_PEER_AS, nil, "an OPEN with AS 0 (RFC 7607)")
	}
	rules := c.rules()
	a.Member, a.Loopback = rules.Member, rules.Loopback
	c.internal.Store(!a.External)
	c.record.wire.open(Opened{a.PeerAS, a.names()})
	c.agreed, c.out, c.state = a, m, expectKeepalive
	c.record.passed.Store(0)
	c.record.firstAS.Store(0)
	return nil
}

// end answers a message that cannot be borne, and ends the session. GoBGP is handed a
// header of no length: it then ends the session as it does on any malformed message,
// and gives up the routes. A read that failed it would take for a restart, and keep
// them where graceful restart was agreed on, which is right only where both sides said
// that a NOTIFICATION is one (RFC 8538, the N bit).
func (c *Conn) end(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{code: bgp.BGP_ERROR_CEASE, why: err.Error()}
	}
	now := c.guard.now()
	c.record.end(r.why, now)
	said := c.now
	if said == nil { // its header was enough
		said = c.in[c.from:c.to]
	}
	c.record.say(c.guard.log, now, Ended, r.why, said)
	c.refused.Store(true)
	b, serr := bgp.NewBGPNotificationMessage(r.code, r.sub, r.data).Serialize()
	if serr == nil {
		c.record.wire.tell(b, c.guard.now)
		// A neighbour that does not read is not waited for.
		_ = c.SetWriteDeadline(now.Add(time.Second)) // of a message that is under way
		_ = c.Conn.SetWriteDeadline(now.Add(time.Second))
		_, _ = c.Conn.Write(b)
	}
	c.err = io.EOF
	c.state = over
	if c.agreed == nil || !c.agreed.notification {
		c.out = poison
	}
}

// hush has nothing more passed: see Quiet.
func (c *Conn) hush() {
	c.quiet.ask.Do(func() { close(c.quiet.asked) })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupt()
}
