package relay_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
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
		start := func(t *testing.T) (tenant, started, relay.Neighbor, string, string) {
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

// One listening socket serves neighbours with and without TTL security and
// passwords.
func TestNeighborsShareAListener(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	r := startRelay(t, startServer(t).addr)
	safe, plain := c.neighbor("127.1.0.1"), c.neighbor("127.1.0.2")
	safe.TTLSecurity, safe.Password = 255, "key"
	plain.Peer = netip.MustParseAddr("10.0.0.3")
	safe.PassiveOnly, plain.PassiveOnly = true, true
	r.set(safe, plain)
	inPlain := session(t, c.theirs, "10.0.0.3", "10.0.0.1:179", nil, "127.1.0.2")
	withKey := both(md5(local4, "key"), sendTTL(false, 255))
	inSafe := session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", withKey, "127.1.0.1")

	// What is taken away is taken away; the other's session stays.
	r.set(plain)
	ends(t, inSafe)
	lab.WaitFor(t, "the key is gone", lab.Patience, func() string {
		again, err := dial(c.theirs, "10.0.0.2", "10.0.0.1:179", nil)
		if err != nil {
			return err.Error()
		}
		defer again.Close()
		if err := ends(t, again); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("a former neighbour's connection ended with %v, want a reset", err)
		}
		return ""
	})
	if _, err := io.WriteString(inPlain, "still"); err != nil {
		t.Fatal(err)
	}
	expect(t, inPlain, "still")
}

func TestSetKeepsWhatIsUnchanged(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	a, b := newTenant(l, "a"), newTenant(l, "b")
	r := startRelay(t, startServer(t).addr)
	na, nb := a.neighbor("127.1.0.1"), b.neighbor("127.1.0.2")
	na.PassiveOnly, nb.PassiveOnly = true, true
	r.set(na, nb)
	inA := session(t, a.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
	inB := session(t, b.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.2")

	nb.Alias = netip.MustParseAddr("127.1.0.9")
	r.set(na, nb)
	ends(t, inB)
	inB = session(t, b.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.9")

	r.set(na)
	ends(t, inB)
	lab.WaitFor(t, "nobody listens in b", lab.Patience, func() string {
		if c, err := dial(b.theirs, "10.0.0.2", "10.0.0.1:179", nil); err == nil {
			c.Close()
			return "somebody does"
		} else if !errors.Is(err, unix.ECONNREFUSED) {
			return err.Error()
		}
		return ""
	})
	if _, err := io.WriteString(inA, "still"); err != nil {
		t.Fatal(err)
	}
	expect(t, inA, "still")
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
	for name, neighbor := range map[string]func(tenant) (relay.Neighbor, string){
		"link-local": func(c tenant) (relay.Neighbor, string) {
			return c.neighborL("127.1.0.1"), "[fe80::a:1%eth0]:179"
		},
		"device": func(c tenant) (relay.Neighbor, string) {
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

func TestReasonsInPlainWords(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	r := startRelay(t, startServer(t).addr)
	refused := c.neighbor("127.1.0.1")
	noAddress := c.neighbor("127.1.0.2")
	noAddress.Local = netip.MustParseAddr("10.0.0.77")
	noAddress6 := c.neighbor6("127.1.0.6")
	noAddress6.Local = netip.MustParseAddr("2001:db8::77")
	noRoute := c.neighbor("127.1.0.3")
	noRoute.Peer = netip.MustParseAddr("192.0.2.9")
	noDevice := c.neighbor("127.1.0.4")
	noDevice.Device = "vrf-x"
	taken := c.neighbor("127.1.0.5")
	taken.ListenPort, taken.Port = 1790, 1790
	listen(t, c.ours, "10.0.0.1:1790", nil)
	listen(t, c.theirs, "10.0.0.2:1790", nil)
	r.set(refused, noAddress, noAddress6, noRoute, noDevice, taken)
	for alias, want := range map[string]string{
		"127.1.0.1": "no session with 10.0.0.2 in netns " + c.ours.Name + ": it refuses connections on port 179; does BGP run there, and does it expect us as 10.0.0.1?",
		"127.1.0.2": "our address 10.0.0.77 is on no interface there",
		"127.1.0.6": "our address 2001:db8::77 is on no interface there",
		"127.1.0.3": "there is no way to it",
		"127.1.0.4": "an interface that it needs is not there: interface vrf-x",
		"127.1.0.5": "cannot listen on 10.0.0.1 port 1790 in netns " + c.ours.Name + ": another program listens there; end it, or change the port",
	} {
		r.waitError(alias, want)
	}
	// We listen on an address that is yet to come.
	for _, alias := range []string{"127.1.0.2", "127.1.0.6"} {
		if st := r.status(alias); st.ListenError != "" {
			t.Errorf("the status of %s is %+v", alias, st)
		}
	}
	// We cannot listen, and dial all the same.
	r.waitState("127.1.0.5", relay.StateConnected)
	// The address comes, and Retry is told.
	c.ours.Address("eth0", "10.0.0.77/24")
	at := listen(t, c.theirs, "10.0.0.2:179", nil)
	r.Retry(c.ours.Name)
	for range 2 {
		accept(t, at)
	}
	r.waitState("127.1.0.2", relay.StateConnected)
}

func TestSetRefusesContradictions(t *testing.T) {
	t.Parallel()
	good := relay.Neighbor{Netns: "a", Peer: peer4, Local: local4, Alias: netip.MustParseAddr("127.1.0.1")}
	change := func(f func(*relay.Neighbor)) relay.Neighbor {
		n := good
		f(&n)
		return n
	}
	for want, set := range map[string][]relay.Neighbor{
		"is not the address of a peer": {change(func(n *relay.Neighbor) { n.Peer = netip.Addr{} })},
		"give our address towards it":  {change(func(n *relay.Neighbor) { n.Local = netip.Addr{} })},
		"is of another family":         {change(func(n *relay.Neighbor) { n.Local = local6 })},
		"needs its interface":          {change(func(n *relay.Neighbor) { n.Peer, n.Local = peerL, localL })},
		"link-local local address":     {change(func(n *relay.Neighbor) { n.Peer, n.Local = peerL.WithZone("eth0"), local6 })},
		"the peer is not":              {change(func(n *relay.Neighbor) { n.Peer, n.Local = peer6, localL })},
		"is the peer's":                {change(func(n *relay.Neighbor) { n.Local = n.Peer })},
		"is not in 127.0.0.0/8":        {change(func(n *relay.Neighbor) { n.Alias = local4 })},
		"more than 80 bytes":           {change(func(n *relay.Neighbor) { n.Password = strings.Repeat("k", 81) })},
		"is negative":                  {change(func(n *relay.Neighbor) { n.HoldTime = -1 })},
		"is that of 10.0.0.2":          {good, change(func(n *relay.Neighbor) { n.Netns = "b" })},
		"is there twice":               {good, change(func(n *relay.Neighbor) { n.Alias = netip.MustParseAddr("127.1.0.2") })},
	} {
		r := relay.New(netip.AddrPort{}, sockets{}, nil)
		if err := r.Set(set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
		if got := r.Status(); len(got) != 0 {
			t.Errorf("%q: a set that was refused left %v", want, got)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	n := relay.Neighbor{Netns: "a", Peer: peer4, Password: "hunter2", Secret: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, n); got != "10.0.0.2 in netns a" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// Not parallel: it counts what the whole process has.
func TestNothingIsHeldOrLeft(t *testing.T) {
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	// Peers that answer, and some behind a router that does not forward.
	var set []relay.Neighbor
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
