package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

// tenant is a namespace with our address, and a namespace with the peer's.
type tenant struct {
	ours, theirs *lab.Namespace
}

// The same addresses in every tenant.
var (
	local4 = netip.MustParseAddr("10.0.0.1")
	peer4  = netip.MustParseAddr("10.0.0.2")
	local6 = netip.MustParseAddr("2001:db8::1")
	peer6  = netip.MustParseAddr("2001:db8::2")
	localL = netip.MustParseAddr("fe80::a:1")
	peerL  = netip.MustParseAddr("fe80::a:2")
)

func newTenant(l *lab.Lab, name string) tenant {
	l.T.Helper()
	c := tenant{l.Namespace(name), l.Namespace(name + "-peer")}
	c.connect(l)
	return c
}

func (c tenant) connect(l *lab.Lab) {
	l.T.Helper()
	l.Link(c.ours, "eth0", c.theirs, "eth0")
	c.ours.Address("eth0", "10.0.0.1/24", "2001:db8::1/64", "fe80::a:1/64")
	c.theirs.Address("eth0", "10.0.0.2/24", "10.0.0.3/24", "2001:db8::2/64", "fe80::a:2/64")
}

// neighbor is the peer of a tenant.
func (c tenant) neighbor(alias string) rib.Neighbor {
	return rib.Neighbor{
		VRF: c.ours.Role, Netns: c.ours.Name, Peer: peer4, Local: local4,
		Alias: netip.MustParseAddr(alias), TTL: 1, ConnectRetry: 2 * time.Second,
	}
}

func (c tenant) neighbor6(alias string) rib.Neighbor {
	n := c.neighbor(alias)
	n.Peer, n.Local = peer6, local6
	return n
}

func (c tenant) neighborL(alias string) rib.Neighbor {
	n := c.neighbor(alias)
	n.Peer, n.Local = peerL.WithZone("eth0"), localL
	return n
}

// started is a relay that runs until the test ends.
type started struct {
	*relay.Relay
	t    testing.TB
	log  *logBuffer
	stop func()
}

func startRelay(t testing.TB, server netip.AddrPort, before ...func(*relay.Relay)) started {
	t.Helper()
	log := new(logBuffer)
	r := relay.New(server, sockets{}, slog.New(slog.NewTextHandler(log, nil)))
	for _, f := range before {
		f(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the relay ended with %v", err)
			}
		case <-time.After(lab.Patience):
			t.Error("the relay does not end")
		}
		if t.Failed() {
			t.Logf("the relay logged:\n%s", log.String())
		}
	})
	t.Cleanup(stop)
	return started{r, t, log, stop}
}

func (s started) set(neighbors ...rib.Neighbor) {
	s.t.Helper()
	if err := s.Set(neighbors); err != nil {
		s.t.Fatal(err)
	}
}

// status returns that of the neighbour with an alias.
func (s started) status(alias string) relay.Status {
	for _, st := range s.Status() {
		if st.Alias.String() == alias {
			return st
		}
	}
	return relay.Status{}
}

// waitState waits until the neighbour with an alias is in a state.
func (s started) waitState(alias string, want relay.State) {
	s.t.Helper()
	lab.WaitFor(s.t, fmt.Sprintf("%s is %s", alias, want), lab.Patience, func() string {
		if st := s.status(alias); st.State != want {
			return fmt.Sprintf("%+v", st)
		}
		return ""
	})
}

// waitError waits until the neighbour with an alias has an error with text in it.
func (s started) waitError(alias, text string) {
	s.t.Helper()
	lab.WaitFor(s.t, fmt.Sprintf("%s says %q", alias, text), 2*lab.Patience, func() string {
		if st := s.status(alias); !strings.Contains(st.Error, text) && !strings.Contains(st.ListenError, text) {
			return fmt.Sprintf("%+v", st)
		}
		return ""
	})
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
