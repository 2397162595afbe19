package guard

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestStates: the state machine of messages, from the first byte on.
func TestStates(t *testing.T) {
	t.Parallel()
	open := openOf(65002, fourByte(65002, all...)...)
	alive := message(bgp.BGP_MSG_KEEPALIVE)
	short := slices.Clone(alive)
	short[17] = 18
	long := slices.Clone(alive)
	long[16], long[17], long[18] = 0x10, 0x01, bgp.BGP_MSG_UPDATE
	unmarked := slices.Clone(alive)
	unmarked[3] = 0
	for name, tc := range map[string]struct {
		sent      [][]byte
		code, sub byte
	}{
		"type 9 before the OPEN":             {[][]byte{message(9)}, 1, 3},
		"type 0 before the OPEN":             {[][]byte{message(0)}, 1, 3},
		"type 9, its header alone":           {[][]byte{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 9}}, 1, 3},
		"KEEPALIVE before the OPEN":          {[][]byte{alive}, 5, 1},
		"UPDATE before the OPEN":             {[][]byte{announcement(nil, plainAttrs(), nlri("10.0.0.0/8"))}, 5, 1},
		"ROUTE-REFRESH before the OPEN":      {[][]byte{message(5, 0, 1, 0, 1)}, 5, 1},
		"length 18":                          {[][]byte{short}, 1, 2},
		"length 4097":                        {[][]byte{long}, 1, 2},
		"no marker":                          {[][]byte{unmarked}, 1, 1},
		"a second OPEN before KEEPALIVE":     {[][]byte{open, open}, 5, 2},
		"UPDATE before KEEPALIVE":            {[][]byte{open, announcement(nil, plainAttrs(), nlri("10.0.0.0/8"))}, 5, 2},
		"a second OPEN":                      {[][]byte{open, alive, open}, 5, 3},
		"type 6 on a session":                {[][]byte{open, alive, message(6)}, 1, 3},
		"a KEEPALIVE with a body":            {[][]byte{open, alive, message(4, 1)}, 1, 2},
		"an UPDATE of 22 bytes":              {[][]byte{open, alive, message(2, 0, 0, 0)}, 1, 2},
		"a NOTIFICATION of 20 bytes":         {[][]byte{open, alive, message(3, 6)}, 1, 2},
		"a ROUTE-REFRESH of 22 bytes":        {[][]byte{open, alive, message(5, 0, 1, 0)}, 1, 2},
		"an OPEN with AS 0":                  {[][]byte{openOf(0)}, 2, 2},
		"an OPEN with AS 0 of four bytes":    {[][]byte{openOf(65002, bgp.NewCapFourOctetASNumber(0))}, 2, 2},
		"withdrawn routes that are too long": {[][]byte{open, alive, message(2, 0xff, 0xff, 0, 0)}, 3, 1},
		"attributes that are too long":       {[][]byte{open, alive, message(2, 0, 0, 0xff, 0)}, 3, 1},
		"a prefix of 33 bits":                {[][]byte{open, alive, announcement([]byte{33, 1, 2, 3, 4, 5}, nil, nil)}, 3, 10},
		"a prefix that ends too soon":        {[][]byte{open, alive, announcement(nil, plainAttrs(), []byte{24, 10})}, 3, 10},
		"MP_REACH of two bytes":              {[][]byte{open, alive, announcement(nil, plainAttrs(attr(0x80, 14, 0, 1)), nil)}, 3, 9},
		"MP_REACH of three bytes":            {[][]byte{open, alive, announcement(nil, plainAttrs(attr(0x80, 14, 0, 2, 1)), nil)}, 3, 9},
		"two MP_REACH":                       {[][]byte{open, alive, announcement(nil, plainAttrs(attr(0x80, 15, 0, 1, 1), attr(0x80, 15, 0, 1, 1)), nil)}, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newSession(t, setup{})
			x.write(openOf(65000, fourByte(65000, all...)...))
			x.send(tc.sent...)
			if !x.ended() {
				t.Error("GoBGP is told of a failed read, and would keep the routes of a graceful restart")
			}
			if code, sub := x.notified(); code != tc.code || sub != tc.sub {
				t.Errorf("NOTIFICATION %d/%d, want %d/%d", code, sub, tc.code, tc.sub)
			}
			r := x.guard.Reports()[0]
			if r.Ended == "" || r.Counts[Ended] != 1 {
				t.Errorf("the report says %+v", r)
			}
			// GoBGP's own NOTIFICATION would be a second one.
			x.write(message(bgp.BGP_MSG_NOTIFICATION, 1, 2))
		})
	}
}

// TestNotificationBit: where both sides said that a NOTIFICATION is a restart (RFC 8538),
// the routes are kept.
func TestNotificationBit(t *testing.T) {
	t.Parallel()
	restart := bgp.NewCapGracefulRestart(false, true, 60, nil)
	x := newSession(t, setup{})
	x.write(openOf(65000, append(fourByte(65000, all...), restart)...))
	x.send(openOf(65002, append(fourByte(65002, all...), restart)...), message(4), message(9))
	if x.ended() {
		t.Error("GoBGP is told of a malformed message")
	}
}

// TestOpenThatGoBGPAnswers: those pass, and nothing behind them does.
func TestOpenThatGoBGPAnswers(t *testing.T) {
	t.Parallel()
	x := newSession(t, setup{})
	x.write(openOf(65000))
	bad := openOf(65002)
	bad[28] = 9 // optional parameters that are not there
	x.send(bad, message(9))
	if m := x.read(); !bytes.Equal(m, bad) {
		t.Errorf("GoBGP gets %x", m)
	}
	if _, err := x.next(); err == nil {
		t.Error("GoBGP gets more")
	}
}

// TestHalfMessages: bytes that come one by one make the same messages.
func TestHalfMessages(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	m := announcement(nil, plainAttrs(), nlri("10.0.0.0/8"))
	go func() {
		for _, b := range m {
			_, _ = x.peer.Write([]byte{b}) // a failure shows at the reader
		}
	}()
	if got := x.read(); !bytes.Equal(got, m) {
		t.Errorf("got %x, want %x", got, m)
	}
}

// TestNotificationPasses: it is GoBGP's to read, and the last that it reads.
func TestNotificationPasses(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	m := message(bgp.BGP_MSG_NOTIFICATION, 6, 2)
	x.send(m, announcement(nil, plainAttrs(), nlri("10.0.0.0/8")))
	if got := x.read(); !bytes.Equal(got, m) {
		t.Errorf("got %x", got)
	}
	if _, err := x.next(); err == nil {
		t.Error("GoBGP gets what comes after it")
	}
}

// TestRouteRefresh: one of a family passes, more of it wait.
func TestRouteRefresh(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	now := time.Unix(1e9, 0)
	x.guard.now = func() time.Time { return now }
	ask := message(bgp.BGP_MSG_ROUTE_REFRESH, 0, 1, 0, 1)
	x.send(ask, ask, ask)
	if got := x.read(); !bytes.Equal(got, ask) {
		t.Fatalf("got %x", got)
	}
	if more := x.until(); len(more) != 0 {
		t.Errorf("%d more pass at once", len(more))
	}
	for range 2 { // what stands for the two that wait
		x.read()
	}
	x.send(message(bgp.BGP_MSG_ROUTE_REFRESH, 0, 25, 0, 70)) // EVPN: not agreed on
	x.send(message(bgp.BGP_MSG_ROUTE_REFRESH, 0, 1, 1, 1))   // a mark of RFC 7313
	for range 2 {
		if got := x.read(); got[18] != bgp.BGP_MSG_KEEPALIVE {
			t.Errorf("got %x", got)
		}
	}
	now = now.Add(refreshEvery)
	x.send(message(bgp.BGP_MSG_KEEPALIVE))
	if got := x.read(); !bytes.Equal(got, ask) {
		t.Errorf("later got %x", got)
	}
}

// TestBackpressure: a neighbour that is faster than GoBGP's loop has to wait.
func TestBackpressure(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	waiting := make(chan int)
	x.conn.pacing.backlog = func() int { return <-waiting }
	x.conn.pacing.since = 0
	m := announcement(nil, plainAttrs(), nlri("10.0.0.0/8"))
	for range lookEvery {
		x.send(m)
	}
	got := make(chan error)
	go func() {
		for range lookEvery {
			if _, err := x.next(); err != nil {
				got <- err
				return
			}
		}
		got <- nil
	}()
	for range 3 {
		select {
		case waiting <- mostBacklog + 1:
		case err := <-got:
			t.Fatalf("read on, though GoBGP has too much already: %v", err)
		case <-time.After(deadline):
			t.Fatal("the backlog is not looked at")
		}
	}
	waiting <- 0
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestWriteFailsQuietly: after the guard's NOTIFICATION a failed write is no news.
func TestWriteFailsQuietly(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	x.send(message(9))
	x.ended()
	_ = x.conn.Conn.Close()
	if _, err := x.conn.Write(message(4)); err != nil {
		t.Error(err)
	}
	if _, err := x.conn.Read(make([]byte, 1)); err == nil || errors.Is(err, bgp.NewMessageError(0, 0, nil, "")) {
		t.Errorf("read: %v", err)
	}
}

// TestGoneNeighbours: of neighbours that a prefix let in, and that are gone, the last ones
// are remembered, without what was refused of them. A configured one is not forgotten, and
// neither is one that is there.
func TestGoneNeighbours(t *testing.T) {
	t.Parallel()
	g := New(passes, slog.New(slog.DiscardHandler))
	wrap := func(name string, dynamic bool) *Conn {
		here, there := net.Pipe()
		t.Cleanup(func() { _, _ = here.Close(), there.Close() })
		c := g.Wrap(name, here, &Rules{Dynamic: dynamic}, Queues{})
		c.record.refuse(netip.MustParsePrefix("10.0.0.0/8"), Martian, "", time.Now())
		return c
	}
	wrap("configured", false).Close()
	stays := wrap("stays", true)
	const comes = 3
	for i := range comes {
		wrap("comes", true).Close()
		for j := range mostGone / comes {
			wrap(fmt.Sprintf("%d-%d", i, j), true).Close()
		}
	}
	names := g.Names()
	for _, name := range []string{"configured", "stays", "comes"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is forgotten", name)
		}
	}
	for i := range mostGone {
		wrap(fmt.Sprint(i), true).Close()
	}
	if n := len(g.Names()); n != mostGone+2 {
		t.Errorf("%d neighbours are remembered", n)
	}
	if n := len(g.Refused("", netip.MustParsePrefix("10.0.0.0/8"))); n != 2 {
		t.Errorf("refusals of %d neighbours are remembered", n)
	}
	stays.Close()
	if n := len(g.conns); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}
