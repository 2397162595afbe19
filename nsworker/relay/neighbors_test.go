package relay_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

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
	good := rib.Neighbor{Netns: "a", Peer: peer4, Local: local4, Alias: netip.MustParseAddr("127.1.0.1")}
	change := func(f func(*rib.Neighbor)) rib.Neighbor {
		n := good
		f(&n)
		return n
	}
	for want, set := range map[string][]rib.Neighbor{
		"is not the address of a peer": {change(func(n *rib.Neighbor) { n.Peer = netip.Addr{} })},
		"give our address towards it":  {change(func(n *rib.Neighbor) { n.Local = netip.Addr{} })},
		"is of another family":         {change(func(n *rib.Neighbor) { n.Local = local6 })},
		"needs its interface":          {change(func(n *rib.Neighbor) { n.Peer, n.Local = peerL, localL })},
		"link-local local address":     {change(func(n *rib.Neighbor) { n.Peer, n.Local = peerL.WithZone("eth0"), local6 })},
		"the peer is not":              {change(func(n *rib.Neighbor) { n.Peer, n.Local = peer6, localL })},
		"is the peer's":                {change(func(n *rib.Neighbor) { n.Local = n.Peer })},
		"is not in 127.0.0.0/8":        {change(func(n *rib.Neighbor) { n.Alias = local4 })},
		"more than 80 bytes":           {change(func(n *rib.Neighbor) { n.Password = strings.Repeat("k", 81) })},
		"is negative":                  {change(func(n *rib.Neighbor) { n.HoldTime = -1 })},
		"is that of 10.0.0.2":          {good, change(func(n *rib.Neighbor) { n.Netns = "b" })},
		"is there twice":               {good, change(func(n *rib.Neighbor) { n.Alias = netip.MustParseAddr("127.1.0.2") })},
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
	n := rib.Neighbor{Netns: "a", Peer: peer4, Password: "hunter2", Secret: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, n); got != "10.0.0.2 in netns a" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
