package peer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/bench/prefixes"
)

// What Announce writes, update reads; the session's end is told.
func TestRoutesThroughASession(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	from := &Peer{conn: here}
	to := &Peer{conn: there, done: make(chan struct{}), heard: make(map[netip.Prefix]time.Time)}
	to.parts.Add(1)
	go to.read()
	table := []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("20.0.0.0/8"),
		netip.MustParsePrefix("20.1.128.0/17"), netip.MustParsePrefix("20.1.2.3/32"),
	}
	begin := time.Now()
	for _, p := range table {
		if err := from.Announce(p, netip.MustParseAddr("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Withdraw(table[1]); err != nil {
		t.Fatal(err)
	}
	if err := from.EndOfRIB(false); err != nil { // read whole, so all before it is taken in
		t.Fatal(err)
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	to.parts.Wait()
	if n, err := to.Heard(); n != 3 || err == nil {
		t.Errorf("%d prefixes, error %v; want 3, and the end of the session", n, err)
	}
	for i, p := range table {
		if when := to.When(p); (i == 1) != when.IsZero() || i != 1 && when.Before(begin) {
			t.Errorf("%v was heard at %v", p, when)
		}
	}
}

func TestUpdatesThatAreCutOff(t *testing.T) {
	t.Parallel()
	whole := []byte{0, 0, 0, 7, 0x90, attrMPReach, 0, 3, 0, 1, 1}
	for n := range whole {
		p := &Peer{heard: make(map[netip.Prefix]time.Time)}
		if err := p.update(whole[:n], time.Now()); err == nil {
			t.Errorf("%d bytes of an UPDATE pass for a whole one", n)
		}
	}
}

// FuzzUpdate: nothing that a neighbour sends makes it panic.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 24, 20, 0, 0})
	f.Add([]byte{0, 0, 0, 13, 0x80, attrMPReach, 10, 0, 1, 1, 4, 192, 0, 2, 1, 0, 8, 20})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &Peer{heard: make(map[netip.Prefix]time.Time)}
		if err := p.update(b, time.Now()); err == nil && len(b) < 4 {
			t.Errorf("%x passes for an UPDATE", b)
		}
	})
}

// A stream of a table, played into a session, announces the table, a keepalive between its
// messages or not.
func TestAStreamIsTheTable(t *testing.T) {
	t.Parallel()
	table := prefixes.IPv4(3000, 7)
	var stream bytes.Buffer
	if err := WriteStream(&stream, table, Origin{AS: 65001, Times: 2, Nexthop: netip.MustParseAddr("192.0.2.1")}); err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	from := &Peer{conn: here}
	to := &Peer{conn: there, done: make(chan struct{}), heard: make(map[netip.Prefix]time.Time)}
	to.parts.Add(1)
	go to.read()
	var keeping sync.WaitGroup
	keeping.Go(func() {
		for range 50 {
			_ = from.send(msgKeepalive, nil)
		}
	})
	if err := Play(from, &stream); err != nil {
		t.Fatal(err)
	}
	keeping.Wait()
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	<-to.Ended()
	if n, err := to.Heard(); n != len(table) || !errors.Is(err, io.EOF) {
		t.Errorf("%d prefixes of %d, and %v", n, len(table), err)
	}
	for _, p := range table {
		if to.When(p).IsZero() {
			t.Fatalf("%v was not announced", p)
		}
	}
	if err := Play(from, bytes.NewReader(bytes.Repeat([]byte{255}, 18))); err == nil {
		t.Error("half a message passes for a stream")
	}
}

// A tenant's table goes out as VPN routes or as IP prefix routes of EVPN, with the RD and the
// route target, and of EVPN with all that another PE needs to send packets.
func TestTenantsTable(t *testing.T) {
	t.Parallel()
	table := prefixes.IPv4(100, 7)
	o := Tenant{AS: 65000, Number: 7, Nexthop: netip.MustParseAddr("192.0.2.1")}
	to := &Peer{heard: make(map[netip.Prefix]time.Time)}
	attrs := o.attributes([]uint32{65001, 70000}, table)
	if err := to.update(append([]byte{0, 0, byte(len(attrs) >> 8), byte(len(attrs))}, attrs...), time.Now()); err != nil {
		t.Fatal(err)
	}
	o.MAC, o.VNI = [6]byte{2, 0, 0, 0, 0, 7}, 0x010203
	o.Number = 8
	attrs = o.attributes(nil, table)
	if err := to.update(append([]byte{0, 0, byte(len(attrs) >> 8), byte(len(attrs))}, attrs...), time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, p := range table {
		for _, rd := range []string{"65000:7 ", "65000:8 "} {
			if _, heard := to.HeardVPN()[rd+p.String()]; !heard {
				t.Errorf("%s%v was not announced", rd, p)
			}
		}
	}
	o.Number = 7
	got := o.attributes(nil, []netip.Prefix{netip.MustParsePrefix("20.1.2.0/23")})
	want := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, 0, 0x40, attrLocalPref, 4, 0, 0, 0, 100,
		0xc0, attrExtCommunities, 24,
		0, 2, 0xfd, 0xe8, 0, 0, 0, 7, // the route target
		3, 0x0c, 0, 0, 0, 0, 0, 8, // VXLAN
		6, 3, 2, 0, 0, 0, 0, 7, // the router's MAC
		0x90, attrMPReach, 0, 9 + 36, 0, 25, 70, 4, 192, 0, 2, 1, 0,
		5, 34, 0, 0, 0xfd, 0xe8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 20, 1, 2, 0, 0, 0, 0, 0, 1, 2, 3}
	if !bytes.Equal(got, want) {
		t.Errorf("it announces\n%x, want\n%x", got, want)
	}
}
