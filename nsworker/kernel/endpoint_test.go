package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestReadOfVXLANDevice(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	ip(t, ns, "link set vx100 alias vrfredist:red")
	k, _ := read(t, open(t, startHost(t), rib.Binding{Netns: ns})).Links.ByName("vx100")
	want := rib.VXLAN{
		VNI: 100, Local: netip.MustParseAddr("10.255.0.1"), Port: 4789, MAC: rib.MAC{2, 0, 0, 0, 1, 1}, MTU: 1450,
		Underlay: k.VXLAN.Underlay, Alias: "vrfredist:red",
	}
	if d := cmp.Diff(want, k.VXLAN, vxlanComparer); d != "" {
		t.Error(d)
	}
	if !strings.Contains(ip(t, ns, "-o link show vx100"), "link-netns "+core) || k.VXLAN.Underlay < 0 {
		t.Errorf("the underlay has the number %d", k.VXLAN.Underlay)
	}
	ip(t, core, "link add vx200 type vxlan id 200 local fd00:255::1 dstport 4790")
	k, _ = read(t, open(t, startHost(t), rib.Binding{Netns: core})).Links.ByName("vx200")
	if k.VXLAN.Underlay != -1 || k.VXLAN.Local != netip.MustParseAddr("fd00:255::1") || k.VXLAN.Port != 4790 || !k.VXLAN.Learning {
		t.Errorf("vx200 is %+v", k.VXLAN)
	}
}

// TestReadOfEndpoints: those of which a neighbour entry is ours, and nothing else.
func TestReadOfEndpoints(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	ip(t, ns, "link add bridge0 type bridge")
	addVXLAN(t, core, ns, 200)
	ip(t, ns, "link set vx200 master bridge0")
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	whole, elsewhere, bare := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 2, "10.255.0.3"), endpoint(tb, 3, "10.255.0.4")
	six := endpoint(tb, 4, "fd00:255::2")
	elsewhere.VNI = 300
	for _, to := range []rib.Endpoint{whole, elsewhere, bare, six} {
		for _, dev := range []string{"vx100", "vx200"} {
			ip(t, ns, fmt.Sprintf("neigh add %v dev %s lladdr %v nud permanent protocol 179", to.Gateway, dev, to.MAC))
		}
	}
	bridge(t, ns, "fdb add 02:00:00:00:02:01 dev vx100 dst 10.255.0.2 self permanent")
	bridge(t, ns, "fdb add 02:00:00:00:02:02 dev vx100 dst 10.255.0.3 vni 300 self permanent")
	bare.VTEP, six.VTEP = netip.Addr{}, netip.Addr{}
	for i, line := range []string{ // of others
		"nud permanent", "nud permanent protocol static", "nud reachable protocol 179", "nud stale", "nud noarp",
	} {
		gateway := rib.VTEPGateway(netip.MustParseAddr("10.255.1.1"), mac(byte(i)))
		ip(t, ns, fmt.Sprintf("neigh add %v dev vx100 lladdr %v %s", gateway, mac(byte(i)), line))
	}
	ip(t, ns, "neigh add 2001:db8::9 dev vx100 lladdr 02:00:00:00:02:09 nud permanent protocol 179")
	ip(t, ns, "neigh add 192.0.2.9 dev vx100 lladdr 02:00:00:00:02:09 nud permanent protocol 179")
	bridge(t, ns, "fdb add 02:00:00:00:02:77 dev vx100 dst 10.255.0.9 self permanent")
	wantEndpoints(t, c, whole, elsewhere, bare, six)
}

// TestOwnEntries: whose a neighbour entry is, where the kernel keeps protocols and where it does not.
func TestOwnEntries(t *testing.T) {
	vtep := netip.MustParseAddr("10.255.0.2")
	e := entry{addr: rib.VTEPGateway(vtep, mac(1)), mac: mac(1), state: unix.NUD_PERMANENT, protocol: 179}
	but := func(change func(*entry)) entry {
		o := e
		change(&o)
		return o
	}
	for _, tt := range []struct {
		name            string
		e               entry
		keeping, before bool
	}{
		{"ours", e, true, true},
		{"without a protocol", but(func(e *entry) { e.protocol = 0 }), false, true},
		{"of another protocol", but(func(e *entry) { e.protocol = 4 }), false, true},
		{"with another MAC", but(func(e *entry) { e.mac = mac(2) }), true, false},
		{"a global address", but(func(e *entry) { e.addr = netip.MustParseAddr("2001:db8::200:201") }), false, false},
		{"another link-local one", but(func(e *entry) { e.addr = netip.MustParseAddr("fe80:1::200:201") }), false, false},
		{"not permanent", but(func(e *entry) { e.state = unix.NUD_REACHABLE }), false, false},
		{"a forwarding entry", but(func(e *entry) { e.forwards = true }), false, false},
	} {
		if keeping, before := tt.e.own(179, true), tt.e.own(179, false); keeping != tt.keeping || before != tt.before {
			t.Errorf("%s: %v and %v, want %v and %v", tt.name, keeping, before, tt.keeping, tt.before)
		}
	}
}

func TestNoVXLANDeviceCostsNothing(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	before := c.sock.seq
	read(t, c)
	if asked := c.sock.seq - before; asked != 6 { // links, addresses and routes of both families, nexthop objects
		t.Errorf("a reading took %d requests", asked)
	}
	if c.mon.entries.sock != nil {
		t.Error("neighbours are listened to")
	}
}

func TestSetAndDeleteEndpoints(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	a, b, other := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 2, "10.255.0.3"), endpoint(tb, 3, "10.255.0.2")
	b.VNI = 300
	viaA := rib.Hop{Gateway: a.Gateway, Ifindex: a.Ifindex}
	apply(t, c, set(a), rib.Change{Op: rib.OpAdd, Route: route("10.2.0.0/24", viaA)}, set(b), set(other), rib.Change{Op: rib.OpAdd, Route: route("2001:db8:2::/64", viaA)})
	wantStand(t, ns, "vx100", slices.Concat(lines(a), lines(b), lines(other))...)
	wantEndpoints(t, c, a, b, other)
	if got := slices.Concat(ipRoutes(t, ns, "-4", 254), ipRoutes(t, ns, "-6", 254)); len(got) != 2 {
		t.Errorf("routes %q", got)
	}
	// What stands is not written again.
	plans, err := planEndpoints(t.Context(), c.sock, &c.endpoints, []rib.Change{set(a), set(b)}, make([]error, 2))
	if err != nil || len(plans[0])+len(plans[1]) != 0 {
		t.Errorf("messages %+v, %v", plans, err)
	}
	b.VNI = 301
	apply(t, c, set(b))
	wantStand(t, ns, "vx100", slices.Concat(lines(a), lines(b), lines(other))...)
	// In place, where somebody sends the packets to another port, or by a link.
	for _, more := range []string{"port 5000", "via p0"} {
		bridge(t, ns, fmt.Sprintf("fdb replace %v dev vx100 dst %v %s self permanent", a.MAC, a.VTEP, more))
		half := a
		half.VTEP = netip.Addr{}
		wantEndpoints(t, c, half, b, other)
		apply(t, c, set(a))
		wantStand(t, ns, "vx100", slices.Concat(lines(a), lines(b), lines(other))...)
	}
	// In place, where somebody put another address, or another state, into ours.
	ip(t, ns, fmt.Sprintf("neigh replace %v dev vx100 lladdr 02:00:00:00:02:99 nud permanent", a.Gateway))
	ip(t, ns, fmt.Sprintf("neigh replace %v dev vx100 lladdr %v nud stale", other.Gateway, other.MAC))
	if e := entryEvents(t, c, ns); !e.Resync {
		t.Error("what others did is no news")
	}
	apply(t, c, set(a), set(other))
	wantStand(t, ns, "vx100", slices.Concat(lines(a), lines(b), lines(other))...)
	apply(t, c, unset(b), unset(other))
	wantStand(t, ns, "vx100", lines(a)...)
	apply(t, c, unset(b), unset(a), unset(a))
	wantStand(t, ns, "vx100")
	wantEndpoints(t, c)
	entriesQuiet(t, c, ns)
}

// TestEndpointsOverIPv6: the core is IPv6, and a VTEP is a hash in its gateway.
func TestEndpointsOverIPv6(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	ip(t, ns, "link del vx100")
	ip(t, core, "link add vx100 type vxlan id 100 local fd00:255::1 dstport 4789 nolearning")
	ip(t, core, "link set vx100 netns "+ns)
	ip(t, ns, "link set vx100 addrgenmode none")
	ip(t, ns, "link set vx100 up") // as in addVXLAN
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	a := endpoint(read(t, c), 1, "fd00:255::2")
	b := endpoint(read(t, c), 1, "fd00:255::3") // it moved there
	apply(t, c, set(a))
	wantStand(t, ns, "vx100", lines(a)...)
	wantEndpoints(t, c, a)
	apply(t, c, set(b), unset(a))
	wantStand(t, ns, "vx100", lines(b)...)
	apply(t, c, unset(b))
	wantStand(t, ns, "vx100")
}

// TestRouterThatMoves: its MAC address comes to another VTEP. The forwarding entry is ours, and
// goes there at once; what is deleted of the old place takes nothing of the new one.
func TestRouterThatMoves(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	before, after := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 1, "10.255.0.3")
	apply(t, c, set(before))
	again := open(t, startHost(t), rib.Binding{Netns: ns}) // which knows nothing of what c wrote
	wantEndpoints(t, again, before)
	apply(t, again, set(after), unset(before))
	wantStand(t, ns, "vx100", lines(after)...)
	// The link goes down and takes the neighbour entry along: who wrote the forwarding entry knows it.
	ip(t, ns, "link set vx100 down")
	ip(t, ns, "link set vx100 up")
	wantEndpoints(t, again)
	apply(t, again, set(before))
	wantStand(t, ns, "vx100", lines(before)...)
}

// TestRouterThatMovedIsReadAsItStands: a reading between the two changes of a router that moves to
// another VTEP finds two gateways for its MAC address, and deleting what was read of the first one
// leaves what the second one needs.
func TestRouterThatMovedIsReadAsItStands(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	was, is := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 1, "10.255.0.22")
	apply(t, c, set(was))
	apply(t, c, set(is))
	for _, to := range read(t, c).Endpoints {
		if to.Gateway == was.Gateway {
			apply(t, c, unset(to))
		}
	}
	wantStand(t, ns, "vx100", lines(is)...)
	wantEndpoints(t, c, is)
}

// TestForeignEntriesAreLeft: they are never replaced or deleted, and nothing of ours comes beside them.
func TestForeignEntriesAreLeft(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string // run as `ip` or `bridge`, or as `ip` in the core
		want  string
	}{
		{"a neighbour entry", []string{"ip neigh add fe80::aff:2:0:201 dev vx100 lladdr 02:00:00:00:02:99 nud permanent"},
			"another program's neighbour entry on vx100 has fe80::aff:2:0:201 at 02:00:00:00:02:99; remove it: ip neigh del fe80::aff:2:0:201 dev vx100"},
		{"one that says what ours would", []string{"ip neigh add fe80::aff:2:0:201 dev vx100 lladdr 02:00:00:00:02:01 nud permanent"},
			"another program's neighbour entry on vx100"},
		{"one of a daemon that resolves by itself", []string{"ip neigh add fe80::aff:2:0:201 dev vx100 lladdr 02:00:00:00:02:01 nud reachable extern_learn"},
			"another program's neighbour entry on vx100"},
		{"a forwarding entry", []string{"bridge fdb add 02:00:00:00:02:01 dev vx100 dst 10.255.0.9 self permanent"},
			"another program's forwarding entry on vx100 leads 02:00:00:00:02:01 to 10.255.0.9; remove it: bridge fdb del 02:00:00:00:02:01 dev vx100 self"},
		{"a forwarding entry with a VNI", []string{"bridge fdb add 02:00:00:00:02:01 dev vx100 dst 10.255.0.2 vni 9 self permanent"},
			"leads 02:00:00:00:02:01 to 10.255.0.2 with the VNI 9"},
		{"a forwarding entry by a nexthop object", []string{"core nexthop add id 12 via 10.255.0.9 fdb", "core nexthop add id 13 group 12 fdb", "bridge fdb add 02:00:00:00:02:01 dev vx100 nhid 13 self permanent"},
			"leads 02:00:00:00:02:01 to nexthop object 13"},
		{"one of a controller", []string{"bridge fdb add 02:00:00:00:02:01 dev vx100 dst 10.255.0.9 self dynamic extern_learn"},
			"another program's forwarding entry on vx100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core := coreLab(t)
			ns := tenantOf(t, core)
			c := open(t, startHost(t), rib.Binding{Netns: ns})
			to := endpoint(read(t, c), 1, "10.255.0.2")
			for _, line := range tt.lines {
				name, rest, _ := strings.Cut(line, " ")
				if name == "core" {
					ip(t, core, rest)
					continue
				}
				run(t, name, append([]string{"-n", ns}, strings.Fields(rest)...)...)
			}
			theirs := stand(t, ns, "vx100")
			for range 2 {
				errs, err := c.Apply(t.Context(), []rib.Change{set(to)})
				if err != nil || !errors.Is(errs[0], rib.ErrExists) || !strings.Contains(errs[0].Error(), tt.want) {
					t.Fatalf("%v, %v\nwant %s", errs, err, tt.want)
				}
				wantStand(t, ns, "vx100", theirs...)
			}
			apply(t, c, unset(to))
			wantStand(t, ns, "vx100", theirs...)
			wantEndpoints(t, c)
		})
	}
}

// TestEntriesThatNobodyPutThere: the kernel resolves gateways, and learns addresses, by itself.
func TestEntriesThatNobodyPutThere(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	stale, failed := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 2, "10.255.0.3")
	ip(t, ns, fmt.Sprintf("neigh add %v dev vx100 lladdr 02:00:00:00:02:99 nud stale", stale.Gateway))
	// A packet to a gateway makes an entry for it, which stays when nobody answers.
	ip(t, ns, fmt.Sprintf("-6 route add 2001:db8:9::/64 via %v dev vx100", failed.Gateway))
	ip(t, ns, "addr add 2001:db8:8::1/64 dev p0 nodad")
	out, _ := exec.Command("ip", "netns", "exec", ns, "ping", "-c1", "-W1", "2001:db8:9::1").CombinedOutput()
	if !strings.Contains(ip(t, ns, "-6 neigh show dev vx100"), failed.Gateway.String()) {
		t.Fatalf("the packet made no entry: %s", out)
	}
	bridge(t, ns, fmt.Sprintf("fdb add %v dev vx100 dst 10.255.0.9 self dynamic", stale.MAC))
	apply(t, c, set(stale), set(failed))
	for _, line := range slices.Concat(lines(stale), lines(failed)) {
		if !slices.Contains(stand(t, ns, "vx100"), line) {
			t.Errorf("no %s in\n%s", line, strings.Join(stand(t, ns, "vx100"), "\n"))
		}
	}
}
