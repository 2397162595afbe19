package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// TestErrorsOfEndpoints: each is of its change, though one change is two messages.
func TestErrorsOfEndpoints(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	fine, six, gone, noRouter := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 2, "fd00:255::2"), endpoint(tb, 3, "10.255.0.3"), endpoint(tb, 4, "10.255.0.4")
	gone.Ifindex = 4242
	noRouter.MAC[0] = 1
	changes := []rib.Change{
		set(six), {Op: rib.OpAdd, Route: route("10.1.0.0/16", via("203.0.113.9"))}, set(fine), set(gone), set(noRouter),
		{Op: rib.OpAdd, Route: route("10.2.0.0/16")}, unset(gone), set(six),
	}
	for range 40 { // several batches, which end between the messages of a change or not
		changes = append(changes, set(endpoint(tb, 100, "10.255.0.100")), set(endpoint(tb, 101, "10.255.0.101")), set(six), unset(endpoint(tb, 100, "10.255.0.100")))
	}
	errs, err := c.Apply(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range errs {
		var refused *Error
		var want error
		switch ch := changes[i]; {
		case ch.Endpoint == six:
			want = unix.EAFNOSUPPORT
		case ch.Endpoint == gone && ch.Op == rib.OpSetEndpoint:
			want = unix.ENODEV
		case ch.Endpoint == noRouter:
			if e == nil || errors.As(e, &refused) {
				t.Errorf("%d: %v", i, e)
			}
			continue
		case ch.Route.Prefix == netip.MustParsePrefix("10.1.0.0/16"):
			want = unix.ENETUNREACH
		}
		if !errors.Is(e, want) || want != nil && (!errors.As(e, &refused) || refused.Endpoint != changes[i].Endpoint) {
			t.Errorf("%d, %v %+v: %v, want %v", i, changes[i].Op, changes[i].Endpoint, e, want)
		}
	}
	for _, line := range slices.Concat(lines(fine), lines(endpoint(tb, 101, "10.255.0.101"))) {
		if !slices.Contains(stand(t, ns, "vx100"), line) {
			t.Errorf("no %s", line)
		}
	}
}

// TestNoIPv6OnTheDevice: no neighbour entry can be there, and the kernel says why.
func TestNoIPv6OnTheDevice(t *testing.T) {
	ns := tenantOf(t, coreLab(t))
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	to := endpoint(read(t, c), 1, "10.255.0.2")
	run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.vx100.disable_ipv6=1")
	errs, err := c.Apply(t.Context(), []rib.Change{set(to)})
	want := `the kernel refused to set endpoint 02:00:00:00:02:01 at 10.255.0.2: invalid argument ("IPv6 is disabled on this device")`
	if err != nil || errs[0] == nil || errs[0].Error() != want {
		t.Errorf("%v, %v\nwant %s", errs, err, want)
	}
	run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.vx100.disable_ipv6=0")
	apply(t, c, set(to))
	wantStand(t, ns, "vx100", lines(to)...)
}

// BenchmarkEndpoints sets, reads and deletes 1,000 endpoints of one device.
func BenchmarkEndpoints(b *testing.B) {
	const n = 1000
	ns := tenantOf(b, coreLab(b))
	c := open(b, startHost(b), rib.Binding{Netns: ns})
	tb := read(b, c)
	sets, unsets := make([]rib.Change, n), make([]rib.Change, n)
	for i := range n {
		to := endpoint(tb, 1, fmt.Sprintf("10.254.%d.%d", i/256, i%256))
		to.MAC[4], to.MAC[5] = byte(i>>8), byte(i)
		to.Gateway = rib.VTEPGateway(to.VTEP, to.MAC)
		sets[i], unsets[i] = set(to), unset(to)
	}
	for _, bench := range []struct {
		name          string
		before, after []rib.Change
		do            func()
	}{
		{"set", nil, unsets, func() { apply(b, c, sets...) }},
		{"set again", sets, unsets, func() { apply(b, c, sets...) }},
		{"set one of 1000", sets, unsets, func() { apply(b, c, sets[7]) }},
		{"read", sets, unsets, func() { read(b, c) }},
		{"delete", sets, nil, func() { apply(b, c, unsets...) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				apply(b, c, bench.before...)
				b.StartTimer()
				bench.do()
				b.StopTimer()
				apply(b, c, bench.after...)
				b.StartTimer()
			}
		})
	}
}
