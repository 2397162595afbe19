package relay_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

func TestDialsAndAcceptsInEachFamily(t *testing.T) {
	t.Parallel()
	for name, family := range map[string]struct {
		neighbor func(tenant, string) rib.Neighbor
		theirs   string // where the peer listens
		ours     string // where we do
	}{
		"IPv4":       {tenant.neighbor, "10.0.0.2:179", "10.0.0.1:179"},
		"IPv6":       {tenant.neighbor6, "[2001:db8::2]:179", "[2001:db8::1]:179"},
		"link-local": {tenant.neighborL, "[fe80::a:2%eth0]:179", "[fe80::a:1%eth0]:179"},
	} {
		t.Run(name+" dials", func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, run)
			c := newTenant(l, "dial")
			at := listen(t, c.theirs, family.theirs, nil)
			r := startRelay(t, startServer(t).addr)
			r.set(family.neighbor(c, "127.1.0.1"))
			echoes(t, accept(t, at), "127.1.0.1")
			r.waitState("127.1.0.1", relay.StateConnected)
			if r.status("127.1.0.1").Accepted {
				t.Error("the status says that the peer opened the connection")
			}
		})
		t.Run(name+" accepts", func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, run)
			c := newTenant(l, "accept")
			r := startRelay(t, startServer(t).addr)
			n := family.neighbor(c, "127.1.0.1")
			n.PassiveOnly = true
			r.set(n)
			session(t, c.theirs, "", family.ours, nil, "127.1.0.1")
			r.waitState("127.1.0.1", relay.StateConnected)
			if !r.status("127.1.0.1").Accepted {
				t.Error("the status says that we opened the connection")
			}
		})
	}
}

// connect dials from a namespace until that succeeds.
func connect(t testing.TB, n *lab.Namespace, from, to string, control func(int) error) *net.TCPConn {
	t.Helper()
	var c *net.TCPConn
	lab.WaitFor(t, "a connection to "+to, lab.Patience, func() string {
		var err error
		if c, err = dial(n, from, to, control); err != nil {
			return err.Error()
		}
		return ""
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSamePeerAddressInTwoTenants(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	a, b := newTenant(l, "a"), newTenant(l, "b")
	s := startServer(t)
	r := startRelay(t, s.addr)
	atA := listen(t, a.theirs, "10.0.0.2:179", nil)
	atB := listen(t, b.theirs, "10.0.0.2:179", nil)
	r.set(a.neighbor("127.1.0.1"), b.neighbor("127.1.0.2"))
	inA, inB := accept(t, atA), accept(t, atB)
	echoes(t, inA, "127.1.0.1")
	echoes(t, inB, "127.1.0.2")

	// What one tenant says, the other never hears.
	if _, err := io.WriteString(inA, "of a"); err != nil {
		t.Fatal(err)
	}
	expect(t, inA, "of a")
	if err := inB.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := inB.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("tenant b read %d bytes of tenant a", n)
	}

	// One tenant's end is not the other's.
	inA.Close()
	lab.WaitFor(t, "the end of a's session", lab.Patience, func() string {
		if r.status("127.1.0.1").Error == "" {
			return "it has none"
		}
		return ""
	})
	if _, err := io.WriteString(inB, "still"); err != nil {
		t.Fatal(err)
	}
	expect(t, inB, "still")
}

func TestOnlyThePeerIsAccepted(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	r := startRelay(t, s.addr)
	n := c.neighbor("127.1.0.1")
	n.PassiveOnly = true
	r.set(n)
	// Another address of the same subnet, and our own.
	stranger := connect(t, c.theirs, "10.0.0.3", "10.0.0.1:179", nil)
	if err := ends(t, stranger); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a stranger's connection ended with %v, want a reset", err)
	}
	own := connect(t, c.ours, "10.0.0.1", "10.0.0.1:179", nil)
	if err := ends(t, own); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("our own connection ended with %v, want a reset", err)
	}
	if got := s.connections("127.1.0.1"); got != 0 {
		t.Errorf("%d connections of strangers reached the server", got)
	}
	peer := session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")

	// A second one while the first lives is refused, and the first stays.
	second := connect(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil)
	if err := ends(t, second); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a second connection ended with %v, want a reset", err)
	}
	if _, err := io.WriteString(peer, "still"); err != nil {
		t.Fatal(err)
	}
	expect(t, peer, "still")
}

func TestTheEndOfOneSideIsTheEndOfTheOther(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		for _, byServer := range []bool{false, true} {
			t.Run(fmt.Sprintf("reset=%v server=%v", reset, byServer), func(t *testing.T) {
				t.Parallel()
				l := lab.New(t, run)
				c := newTenant(l, "a")
				s := startServer(t)
				r := startRelay(t, s.addr)
				n := c.neighbor("127.1.0.1")
				n.PassiveOnly = true
				r.set(n)
				peer := session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
				ending, other, who := peer, s.conn("127.1.0.1"), "the peer"
				if byServer {
					ending, other, who = other, peer, "the BGP server"
				}
				what := "closed"
				if reset {
					what = "reset"
					if err := ending.SetLinger(0); err != nil {
						t.Fatal(err)
					}
				}
				start := time.Now()
				ending.Close()
				if byServer {
					ends(t, other)
				}
				r.waitState("127.1.0.1", relay.StateListening)
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("it took %v", took)
				}
				r.waitError("127.1.0.1", who+" "+what+" the connection")
				// Neither a descriptor nor a half-open connection is left: the
				// next one is taken.
				session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
			})
		}
	}
}

// A NOTIFICATION is the last that BGP says, and tells the peer why.
func TestTheLastWordArrives(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	r := startRelay(t, s.addr)
	n := c.neighbor("127.1.0.1")
	n.PassiveOnly = true
	r.set(n)
	peer := session(t, c.theirs, "10.0.0.2", "10.0.0.1:179", nil, "127.1.0.1")
	last := strings.Repeat("bye", 20000)
	server := s.conn("127.1.0.1")
	if _, err := io.WriteString(server, last); err != nil {
		t.Fatal(err)
	}
	server.Close()
	expect(t, peer, last)
	if err := ends(t, peer); err != nil {
		t.Errorf("the connection ended with %v, want a FIN", err)
	}
}

func TestAServerThatRefusesIsAskedAgain(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	s.setRefuse("127.1.0.1", true)
	r := startRelay(t, s.addr)
	at := listen(t, c.theirs, "10.0.0.2:179", nil)
	r.set(c.neighbor("127.1.0.1"))
	peer := accept(t, at)
	r.waitState("127.1.0.1", relay.StateWaiting)
	lab.WaitFor(t, "a second knock", lab.Patience, func() string {
		if s.connections("127.1.0.1") < 2 {
			return "none yet"
		}
		return ""
	})
	s.setRefuse("127.1.0.1", false)
	echoes(t, peer, "127.1.0.1") // the same connection
}

// TestAPeerThatDoesNotWait: one that has a session with another router of our address, say.
func TestAPeerThatDoesNotWait(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "a")
	s := startServer(t)
	s.setRefuse("127.1.0.1", true)
	r := startRelay(t, s.addr)
	at := listen(t, c.theirs, "10.0.0.2:179", nil)
	r.set(c.neighbor("127.1.0.1"))
	accept(t, at).Close()
	r.waitError("127.1.0.1", "no session with 10.0.0.2 in netns "+c.ours.Name+": it closed the connection before there was a session; has it us as a neighbour, by our AS and the address 10.0.0.1?")
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for name, family := range map[string]struct {
		neighbor     func(tenant, string) rib.Neighbor
		theirs, ours string
		local        netip.Addr
	}{
		"IPv4": {tenant.neighbor, "10.0.0.2:179", "10.0.0.1:179", local4},
		"IPv6": {tenant.neighbor6, "[2001:db8::2]:179", "[2001:db8::1]:179", local6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, run)
			c := newTenant(l, "a")
			s := startServer(t)
			r := startRelay(t, s.addr)
			n := family.neighbor(c, "127.1.0.1")
			n.Password = strings.Repeat("k", 80)
			at := listen(t, c.theirs, family.theirs, md5(family.local, "wrong"))
			r.set(n)
			why := fmt.Sprintf("no session with %v in netns %s: the connection timed out; is the password the same on both sides?", n.Peer, c.ours.Name)
			r.waitError("127.1.0.1", why)
			for _, key := range []string{"", "wrong"} {
				var control func(int) error
				if key != "" {
					control = md5(family.local, key)
				}
				if bad, err := dial(c.theirs, "", family.ours, control); err == nil {
					bad.Close()
					t.Errorf("a connection with the key %q came up", key)
				}
			}
			r.Retry(c.ours.Name)
			lab.WaitFor(t, "another attempt", lab.Patience, func() string {
				if got := r.status("127.1.0.1").Attempts; got < 3 {
					return fmt.Sprintf("%d so far", got)
				}
				return ""
			})
			if got := strings.Count(r.log.String(), "is the password the same"); got != 1 {
				t.Errorf("the log says it %d times:\n%s", got, r.log.String())
			}
			at.Close()
			good := md5(family.local, n.Password)
			echoes(t, accept(t, listen(t, c.theirs, family.theirs, good)), "127.1.0.1")

			n.PassiveOnly = true
			r.set(n)
			session(t, c.theirs, "", family.ours, good, "127.1.0.1")
		})
	}
}
