package peer

import (
	"maps"
	"net"
	"net/netip"
	"testing"
	"time"
)

// What Send and Take write of VPN routes, update reads.
func TestVPNRoutesThroughASession(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	from := &Peer{conn: here, as: 65000}
	to := &Peer{conn: there, done: make(chan struct{}), heard: make(map[netip.Prefix]time.Time)}
	to.parts.Add(1)
	go to.read()
	route := func(prefix, nexthop string, rd uint16, med uint32) Route {
		return Route{Prefix: netip.MustParsePrefix(prefix), Nexthop: netip.MustParseAddr(nexthop), RD: rd, MED: med, Targets: []uint16{rd}}
	}
	gone := route("20.0.0.0/8", "192.0.2.1", 10, 0)
	for _, r := range []Route{gone, route("20.1.2.3/32", "192.0.2.1", 10, 1), route("20.1.2.3/32", "192.0.2.1", 11, 500),
		route("2001:db8::/47", "2001:db8::1", 10, 256), route("0.0.0.0/0", "192.0.2.1", 12, 0)} {
		if err := from.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Take(gone); err != nil {
		t.Fatal(err)
	}
	if err := from.EndAll(); err != nil { // read whole, so all before it is taken in
		t.Fatal(err)
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	to.parts.Wait()
	want := map[string]uint32{"65000:10 20.1.2.3/32": 1, "65000:11 20.1.2.3/32": 500, "65000:10 2001:db8::/47": 256, "65000:12 0.0.0.0/0": 0}
	if got := to.HeardVPN(); !maps.Equal(got, want) {
		t.Errorf("heard %v, want %v", got, want)
	}
}

func TestVPNRoutesThatAreCutOff(t *testing.T) {
	t.Parallel()
	nlri := []byte{88 + 24, 0, 1, 1, 0, 0, 0xfd, 0xe8, 0, 0, 0, 10, 20, 1, 2}
	for n := range nlri {
		if got := parseVPN(nlri[:n], false); len(got) > 0 {
			t.Errorf("%d bytes of a route pass for %q", n, got)
		}
	}
	if got := parseVPN(append([]byte{255}, make([]byte, 64)...), false); len(got) > 0 {
		t.Errorf("an IPv4 prefix of 167 bits passes for %q", got)
	}
}
