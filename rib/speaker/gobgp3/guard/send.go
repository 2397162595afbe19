package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Queues are how many messages of a session GoBGP has not dealt with yet, and how many
// it has not sent; nil: that is not known. Refresh takes a request for all routes of a family, and
// returns false where GoBGP has to; nil: it has. Before is closed when GoBGP has dealt with what it
// had of an earlier session; nil: it has.
type Queues struct {
	In, Out func() int
	Before  func() <-chan struct{}
	Refresh func(bgp.RouteFamily) bool
}

// mostOwed is how many messages may wait for a neighbour that does not take them. GoBGP's
// queue has no bound, and keeps a copy of each path for each neighbour: a neighbour that
// reads nothing, or little, while routes change makes it grow by megabytes a second.
const mostOwed = 16384

// A neighbour that takes as many in the time of patience reads: what waits is more than GoBGP
// can send, as when it has a full table to withdraw one by one, or the processors are busy. It
// is borne with up to some tables of that.
const mostEver = 1 << 21

const (
	// patience is how long such a neighbour may take little.
	patience = 5 * time.Second
	// slice is after how long a write is looked at.
	slice = time.Second
	// noHoldTime is how long a write may take where no hold time was agreed on.
	noHoldTime = 90 * time.Second
)

// sending is how a session's messages go out.
type sending struct {
	owed   func() int
	parcel *parcel
	ends   withheld
	all    func(bgp.RouteFamily) bool // Queues.Refresh

	mu       sync.Mutex
	deadline time.Time // guarded by mu; of the message in hand; zero: none

	turn    sync.Mutex    // held for a whole message
	began   time.Time     // guarded by turn; of the measurement
	blocked time.Duration // guarded by turn; since then, in the socket
	taken   int           // guarded by turn; since then, messages
}

// ownSix is this router's IPv6 address on the link of a session over IPv4, once it was asked for.
type ownSix struct {
	once sync.Once
	addr netip.Addr
}

// withOwnSix puts it into a message in place of the IPv4 address.
func (c *Conn) withOwnSix(m []byte) []byte {
	rules := c.rules()
	if rules.Six == nil {
		return m
	}
	local := rules.Local
	if !local.IsValid() {
		local = addrOf(c.LocalAddr())
	}
	if !local.Is4() {
		return m
	}
	return withNexthop(m, local, func() netip.Addr {
		c.six.once.Do(func() { c.six.addr = rules.Six(local, boundTo(c.Conn)) })
		return c.six.addr
	})
}

// SetWriteDeadline is called by GoBGP before each message, with the hold time from now.
// Where that is 0, which means that there is none (RFC 4271, 4.2), the deadline is over
// before the message is written, and every session would end with its first one.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if now := time.Now(); !t.IsZero() && !t.After(now) {
		t = now.Add(noHoldTime)
	}
	c.sending.mu.Lock()
	defer c.sending.mu.Unlock()
	c.sending.deadline = t
	return nil // the socket has it when the message is written
}

// next is until when the socket may take its time. The caller holds mu.
func (s *sending) next() time.Time {
	next := time.Now().Add(slice)
	if !s.deadline.IsZero() && s.deadline.Before(next) {
		return s.deadline
	}
	return next
}

// Withhold keeps the next End-of-RIB of each of some families from the neighbour.
func (c *Conn) Withhold(families []bgp.RouteFamily) { c.sending.ends.add(families) }

// LetGo undoes Withhold where none of them came.
func (c *Conn) LetGo(families []bgp.RouteFamily) { c.sending.ends.remove(families) }

// send writes a message, which stands for some of GoBGP's. Its error is GoBGP's to deal with, and
// ends the session.
func (c *Conn) send(b []byte, messages int) (n int, err error) {
	s := &c.sending
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.begin(c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	for !c.refused.Load() {
		start := time.Now()
		written, err := c.Conn.Write(b[n:])
		n += written
		if n == len(b) {
			s.taken += messages
		}
		if owed, slow := s.slow(start, time.Now()); slow {
			why := fmt.Sprintf("it does not read fast enough: %d messages wait for it", owed)
			c.record.end(why, c.guard.now())
			c.record.say(c.guard.log, c.guard.now(), Ended, why, nil)
			return n, errors.New(why)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if again := s.again(c.Conn.SetWriteDeadline); again != nil {
			return n, again
		}
	}
	return n, nil
}

// begin gives a write its first slice.
func (s *sending) begin(set func(time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return set(s.next())
}

// again gives a write that has taken a slice another one, unless its time is over.
func (s *sending) again(set func(time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
		return os.ErrDeadlineExceeded
	}
	return set(s.next())
}

// slow notes how long a write took, and tells whether too many messages wait and the
// neighbour is to blame: the socket was full for most of the time, and it took few of them. The
// caller holds turn.
func (s *sending) slow(start, end time.Time) (owed int, is bool) {
	if s.owed == nil {
		return 0, false
	}
	s.blocked += end.Sub(start)
	spent := end.Sub(s.began)
	if spent < patience {
		return 0, false
	}
	full := s.blocked > spent/2 && spent < 2*patience
	few := s.taken < mostOwed
	s.began, s.blocked, s.taken = end, 0, 0
	if !full {
		return 0, false
	}
	owed = s.owed()
	return owed, owed > mostOwed && few || owed > mostEver
}
