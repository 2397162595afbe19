package kernel

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// hostIn returns a Host whose own namespace is ns.
func hostIn(t *testing.T, ns string) *Host {
	t.Helper()
	space, err := openNamespace(ns)
	if err != nil {
		t.Fatal(err)
	}
	space.own = true
	h := NewHost(quietLog)
	// The sockets of a host's own namespace are made on any thread, so these are made
	// through another one's.
	elsewhere := *space
	elsewhere.own = false
	h.own = &elsewhere
	return h
}

// TestAdjacent: who was heard on which interface, the one that was heard last first.
func TestAdjacent(t *testing.T) {
	ns := lab(t)
	h := hostIn(t, ns)
	look := func() rib.Adjacencies {
		t.Helper()
		a, err := h.Adjacent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	peers := func(device string) (list []string) {
		for _, p := range look()[device].Peers {
			list = append(list, p.String())
		}
		return list
	}
	const mac = "lladdr 02:00:00:00:00:01"
	ip(t, ns, "addr add fe80::1/64 dev v0 nodad")
	for _, line := range []string{
		"neigh add fe80::2 dev v0 nud stale " + mac,
		"neigh add fe80::1 dev v0 nud stale " + mac, // our own
		"neigh add fe80::4 dev v0 nud failed",
		"neigh add 2001:db8::9 dev v0 nud stale " + mac,
		"neigh add 192.0.2.9 dev v0 nud stale " + mac,
		"neigh add fe80::5 dev w0 nud permanent " + mac,
	} {
		ip(t, ns, line)
	}
	for device, want := range map[string][]string{"v0": {"fe80::2"}, "w0": {"fe80::5"}, "v1": nil, "none": nil} {
		if got := peers(device); !slices.Equal(got, want) {
			t.Errorf("on %s are %v, want %v", device, got, want)
		}
	}
	// A tick of the kernel's clock is 10 ms.
	waitUntil(t, "another is heard later", func() bool {
		ip(t, ns, "neigh replace fe80::3 dev v0 nud stale "+mac)
		got := peers("v0")
		ip(t, ns, "neigh del fe80::3 dev v0")
		return slices.Equal(got, []string{"fe80::3", "fe80::2"})
	})
	ip(t, ns, "neigh add fe80::6 dev v0 nud permanent "+mac)
	if got := peers("v0"); got[0] != "fe80::6" {
		t.Errorf("what somebody wrote is not first: %v", got)
	}
	ip(t, ns, "link set v0 down")
	waitUntil(t, "the other end has no carrier", func() bool { return look().Waits("v1") == "the interface v1 has no carrier" })
	if a := look()["v0"]; a.Admin || a.Up {
		t.Errorf("a link that is down is %+v", a)
	}
	for device, want := range map[string]string{
		"none": "the interface none is not there", "v0": "the interface v0 is down", "w0": "",
		"w1": "no link-local address has been heard on the interface w1",
	} {
		if got := look().Waits(device); got != want {
			t.Errorf("%s waits: %q, want %q", device, got, want)
		}
	}
}

func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !is(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", soon, what)
		}
	}
}

// TestWatchAdjacent: whatever changes an answer is signalled.
func TestWatchAdjacent(t *testing.T) {
	ns := lab(t)
	h := hostIn(t, ns)
	ctx, cancel := context.WithCancel(context.Background())
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- h.WatchAdjacent(ctx, changed) }()
	signalled(t, changed, "the beginning")
	for _, line := range []string{
		"neigh add fe80::2 dev v0 nud reachable lladdr 02:00:00:00:00:01",
		"neigh del fe80::2 dev v0",
		"addr add fe80::1/64 dev v0 nodad",
		"link set v0 down",
		"link set v0 name renamed",
		"link del renamed",
	} {
		drainSignal(changed)
		ip(t, ns, line)
		signalled(t, changed, line)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(soon):
		t.Error("it does not end")
	}
}

// TestConcernsAdjacent: what IPv4's neighbours and bridges do is no news.
func TestConcernsAdjacent(t *testing.T) {
	event := func(typ uint16, family byte) []byte {
		b := beginMessage(nil, typ, 0, 0)
		return endMessage(append(b, append([]byte{family}, make([]byte, sizeofNdmsg-1)...)...), 0)
	}
	for want, all := range map[bool][][]byte{
		true: {event(unix.RTM_NEWNEIGH, unix.AF_INET6), event(unix.RTM_NEWLINK, 0), {1, 2, 3},
			append(event(unix.RTM_DELNEIGH, unix.AF_INET), event(unix.RTM_DELNEIGH, unix.AF_INET6)...)},
		false: {nil, event(unix.RTM_NEWNEIGH, unix.AF_INET), event(unix.RTM_DELNEIGH, unix.AF_BRIDGE)},
	} {
		for _, b := range all {
			if concernsAdjacent(b) != want {
				t.Errorf("%v: not %v", b, want)
			}
		}
	}
}

// TestDecodeNeighbor: who does not answer is nobody, and what is cut short is an error.
func TestDecodeNeighbor(t *testing.T) {
	entry := func(state uint16, addr string) message {
		b := make([]byte, sizeofNdmsg)
		b[0] = unix.AF_INET6
		native.PutUint32(b[4:], 7)
		native.PutUint16(b[8:], state)
		a := netip.MustParseAddr(addr).As16()
		return message{typ: unix.RTM_NEWNEIGH, body: appendAttr(b, unix.NDA_DST, a[:])}
	}
	for state, want := range map[uint16]bool{
		unix.NUD_REACHABLE: true, unix.NUD_STALE: true, unix.NUD_DELAY: true, unix.NUD_PROBE: true, unix.NUD_PERMANENT: true, unix.NUD_NOARP: true,
		unix.NUD_FAILED: false, unix.NUD_INCOMPLETE: false, unix.NUD_NONE: false,
	} {
		e, ok, err := decodeNeighbor(entry(state, "fe80::2"))
		if err != nil || ok != want || ok && (e.link != 7 || e.addr.String() != "fe80::2") {
			t.Errorf("state %#x: %+v, %v, %v", state, e, ok, err)
		}
		if _, ok, err := decodeNeighbor(entry(state, "2001:db8::2")); ok || err != nil {
			t.Errorf("state %#x: an address of no link is a neighbour (%v)", state, err)
		}
	}
	for n := range sizeofNdmsg - 1 {
		m := entry(unix.NUD_STALE, "fe80::2")
		m.body = m.body[:n+1]
		if _, _, err := decodeNeighbor(m); err == nil {
			t.Errorf("%d bytes are an entry", n+1)
		}
	}
}
