package relay_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

func leastTTL(six bool, n int) func(int) error {
	level, option := unix.IPPROTO_IP, unix.IP_MINTTL
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	return func(fd int) error { return unix.SetsockoptInt(fd, level, option, n) }
}

func sendTTL(six bool, n int) func(int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	return func(fd int) error { return unix.SetsockoptInt(fd, level, option, n) }
}

func both(a, b func(int) error) func(int) error {
	return func(fd int) error { return errors.Join(a(fd), b(fd)) }
}

func TestTTL(t *testing.T) {
	t.Parallel()
	for name, six := range map[string]bool{"IPv4": false, "IPv6": true} {
		start := func(t *testing.T) (tenant, started, rib.Neighbor, string, string) {
			l := lab.New(t, run)
			c := newTenant(l, "a")
			n, theirs, ours := c.neighbor("127.1.0.1"), "10.0.0.2:179", "10.0.0.1:179"
			if six {
				n, theirs, ours = c.neighbor6("127.1.0.1"), "[2001:db8::2]:179", "[2001:db8::1]:179"
			}
			return c, startRelay(t, startServer(t).addr), n, theirs, ours
		}
		t.Run(name+" security, dialled", func(t *testing.T) {
			t.Parallel()
			c, r, n, theirs, _ := start(t)
			n.TTLSecurity = 255
			// A peer that answers with 64 might be far away.
			far := listen(t, c.theirs, theirs, sendTTL(six, 64))
			r.set(n)
			r.waitError("127.1.0.1", "does it have TTL security too?")
			far.Close()
			// And we send 255.
			near := listen(t, c.theirs, theirs, both(sendTTL(six, 255), leastTTL(six, 255)))
			echoes(t, accept(t, near), "127.1.0.1")
		})
		t.Run(name+" security, accepted", func(t *testing.T) {
			t.Parallel()
			c, r, n, _, ours := start(t)
			n.TTLSecurity, n.PassiveOnly = 254, true
			r.set(n)
			session(t, c.theirs, "", ours, both(sendTTL(six, 254), leastTTL(six, 255)), "127.1.0.1")
			r.set()
			r.set(n)
			if far, err := dial(c.theirs, "", ours, sendTTL(six, 253)); err == nil {
				far.Close()
				t.Error("a connection from one hop too far came up")
			}
		})
		t.Run(name+" of eBGP", func(t *testing.T) {
			t.Parallel()
			c, r, n, theirs, _ := start(t)
			listen(t, c.theirs, theirs, leastTTL(six, 2))
			n.TTL = 1
			r.set(n)
			r.waitError("127.1.0.1", "timed out")
			n.TTL = 2
			r.set(n)
			r.waitState("127.1.0.1", relay.StateConnected)
		})
	}
}

func TestNamespaceComesAndGoes(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	name := c.ours.Name
	// The peer's as well: its end of the link goes some time after ours.
	replace := func() {
		c.ours.Delete()
		c.theirs.Delete()
		c.theirs.Make()
		c.ours.Make()
		c.connect(l)
	}
	c.ours.Delete()
	r := startRelay(t, startServer(t).addr)
	n := c.neighbor("127.1.0.1")
	n.PassiveOnly = true
	r.set(n)
	r.waitState("127.1.0.1", relay.StateAbsent)
	r.waitError("127.1.0.1", name+" is not there")

	c.ours.Make()
	replace()
	r.Retry(name)
	first := session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")

	// Another one by the same name: the old one's session goes with it.
	c.ours.Delete()
	r.Retry(name)
	r.waitState("127.1.0.1", relay.StateAbsent)
	ends(t, first)
	c.ours.Make()
	replace()
	r.Retry(name)
	session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")

	// Replaced at once, without a moment of absence that anybody saw.
	replace()
	r.Retry(name)
	session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
}

// An interface that was made again has another index; what was bound to the old
// one hears nothing.
func TestInterfaceMadeAgain(t *testing.T) {
	t.Parallel()
	for name, neighbor := range map[string]func(tenant) (rib.Neighbor, string){
		"link-local": func(c tenant) (rib.Neighbor, string) {
			return c.neighborL("127.1.0.1"), "[fe80::a:1%eth0]:179"
		},
		"device": func(c tenant) (rib.Neighbor, string) {
			n := c.neighbor("127.1.0.1")
			n.Device = "eth0"
			return n, "10.0.0.1:179"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, run)
			c := newTenant(l, "a")
			r := startRelay(t, startServer(t).addr)
			n, ours := neighbor(c)
			n.PassiveOnly, n.HoldTime = true, 3*time.Second
			r.set(n)
			session(t, c.theirs, "", ours, nil, "127.1.0.1")
			c.ours.IP("link", "del", "eth0")
			r.Retry(c.ours.Name)
			r.waitError("127.1.0.1", "cannot listen")
			c.connect(l)
			r.Retry(c.ours.Name)
			// The old session ends by the hold time.
			session(t, c.theirs, "", ours, nil, "127.1.0.1")
		})
	}
}

func TestADeadPeerIsGivenUp(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	r := startRelay(t, startServer(t).addr)
	n := c.neighbor("127.1.0.1")
	n.PassiveOnly, n.HoldTime = true, 3*time.Second
	r.set(n)
	session(t, c.theirs, "", "10.0.0.1:179", nil, "127.1.0.1")
	start := time.Now()
	c.theirs.IP("link", "set", "eth0", "down")
	r.waitState("127.1.0.1", relay.StateListening)
	r.waitError("127.1.0.1", "the peer does not answer any more")
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("it took %v with a hold time of 3 s", took)
	}
}

// A dial that hangs does not keep out a peer that dials us.
func TestThePeerIsFaster(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	r := startRelay(t, startServer(t).addr)
	listen(t, c.theirs, "10.0.0.2:179", md5(local4, "key that drops our SYN"))
	n := c.neighbor("127.1.0.1")
	n.ConnectRetry = time.Hour
	r.set(n)
	session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
	if !r.status("127.1.0.1").Accepted {
		t.Error("the status says that we opened the connection")
	}
}

// A connection over which the peer says nothing does not keep out one that it opens; one over
// which it has spoken does.
func TestASilentConnectionGivesWay(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	r := startRelay(t, startServer(t).addr)
	at := listen(t, c.theirs, "10.0.0.2:179", nil)
	n := c.neighbor("127.1.0.1")
	n.HoldTime = time.Hour
	r.set(n)
	silent := accept(t, at)
	if err := greeted(silent, "127.1.0.1"); err != nil {
		t.Fatal(err)
	}
	at.Close()
	session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
	if err := ends(t, silent); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the silent connection ended with %v", err)
	}
	if !r.status("127.1.0.1").Accepted {
		t.Error("the status says that we opened the connection")
	}
	spoken := time.Now()
	lab.WaitFor(t, "longer than a peer may say nothing", lab.Patience, func() string {
		second, err := dial(c.theirs, "10.0.0.2", "10.0.0.1:179", nil)
		if err != nil {
			return err.Error()
		}
		defer second.Close()
		if err := ends(t, second); !errors.Is(err, unix.ECONNRESET) {
			t.Fatalf("a second connection ended with %v, want a reset", err)
		}
		if time.Since(spoken) < 3*time.Second {
			return "not yet"
		}
		return ""
	})
	if !r.status("127.1.0.1").Accepted {
		t.Error("the session over which the peer spoke is gone")
	}
}

// Not parallel: it counts what the whole process has.
func TestNothingIsHeldOrLeft(t *testing.T) {
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	// Peers that answer, and some behind a router that does not forward.
	var set []rib.Neighbor
	const each = 40
	for i := range each {
		addr := fmt.Sprintf("10.0.1.%d", i+1)
		c.theirs.Address("eth0", addr+"/32")
		up := c.neighbor(fmt.Sprintf("127.1.1.%d", i+1))
		up.Peer = netip.MustParseAddr(addr)
		silent := c.neighbor(fmt.Sprintf("127.1.2.%d", i+1))
		silent.Peer = netip.MustParseAddr(fmt.Sprintf("10.0.2.%d", i+1))
		silent.ConnectRetry = time.Minute
		set = append(set, up, silent)
	}
	c.ours.IP("route", "add", "10.0.1.0/24", "dev", "eth0")
	c.ours.IP("route", "add", "10.0.2.0/24", "via", "10.0.0.2")
	at := listen(t, c.theirs, "0.0.0.0:179", nil)
	files, goroutines, threads := descriptors(t), runtime.NumGoroutine(), threadCount(t)

	r := startRelay(t, s.addr)
	r.set(set...)
	for range each {
		accept(t, at)
	}
	lab.WaitFor(t, "all sessions", lab.Patience, func() string {
		up := 0
		for _, st := range r.Status() {
			if st.State == relay.StateConnected {
				up++
			}
		}
		if up != each {
			return fmt.Sprintf("%d of %d", up, each)
		}
		return ""
	})
	if got := threadCount(t) - threads; got > each/2 {
		t.Errorf("%d neighbours hold %d threads", len(set), got)
	}
	r.stop()
	lab.WaitFor(t, "everything is given back", lab.Patience, func() string {
		runtime.GC() // Go keeps the pipes of splice until then
		// The server's ends close as well; the test's own accepted ones stay.
		f, g := descriptors(t)-files-each, runtime.NumGoroutine()-goroutines
		if f > 0 || g > 0 {
			return fmt.Sprintf("%d descriptors and %d goroutines more than before", f, g)
		}
		return ""
	})
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func threadCount(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
