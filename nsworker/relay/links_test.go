package relay_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

// TestSessionEndsWithItsLink: the session of a neighbour that is directly connected, and no
// other's, ends when nothing goes over its link any more, and the neighbour is dialled at
// once when something does again.
func TestSessionEndsWithItsLink(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	links := make(chan rib.LinkFate)
	server := startServer(t)
	log := new(logBuffer)
	r := started{Relay: relay.New(server.addr, sockets{links}, slog.New(slog.NewTextHandler(log, nil))), t: t, log: log}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	direct, far := c.neighbor("127.1.0.1"), c.neighbor6("127.1.0.2")
	direct.FastFailover = true
	at4, at6 := listen(t, c.theirs, "10.0.0.2:179", nil), listen(t, c.theirs, "[2001:db8::2]:179", nil)
	r.set(direct, far)
	first, other := accept(t, at4), accept(t, at6)
	echoes(t, first, "127.1.0.1")
	echoes(t, other, "127.1.0.2")
	fate := rib.LinkFate{Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("2001:db8::1/64")}}
	elsewhere := fate
	elsewhere.Name, elsewhere.Addrs, elsewhere.Reason = "eth1", []netip.Prefix{netip.MustParsePrefix("10.0.1.1/24")}, "the carrier of eth1 is gone"
	links <- elsewhere
	alive := func(c *net.TCPConn) {
		t.Helper()
		if _, err := io.WriteString(c, "still"); err != nil {
			t.Fatal(err)
		}
		expect(t, c, "still")
	}
	gone := fate
	gone.Reason = "the carrier of eth0 is gone"
	alive(first)
	at4.Close() // it is not to be reached meanwhile
	links <- gone
	r.waitError("127.1.0.1", "the carrier of eth0 is gone")
	ends(t, first)
	alive(other) // its terms say otherwise
	at4 = listen(t, c.theirs, "10.0.0.2:179", nil)
	links <- fate
	echoes(t, accept(t, at4), "127.1.0.1")
}
