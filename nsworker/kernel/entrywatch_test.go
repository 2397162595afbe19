package kernel

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// entriesQuiet fails where c has events.
func entriesQuiet(t testing.TB, c *Conn, ns string) {
	t.Helper()
	if e := entryEvents(t, c, ns); e.Resync || e.Came || len(e.Routes) > 0 {
		t.Fatalf("unexpected %+v", e)
	}
}

// entryEvents are the events of c when all that happened to entries before has arrived. It has a
// probe on p0 follow an entry there, and changes that, to know.
func entryEvents(t testing.TB, c *Conn, ns string) rib.KernelEvents {
	t.Helper()
	p0 := ifindex(t, read(t, c), "p0")
	probe := fakeConn(c.mon, rib.Binding{Netns: ns})
	probe.endpoints.inbox = &probe.inbox
	marker := netip.MustParseAddr("fe80::77")
	probe.endpoints.neighbors = map[neighborKey]rib.MAC{{p0, marker}: {}}
	if err := c.mon.entries.follow(c.mon.ns, &probe.endpoints, []int{p0}); err != nil {
		t.Fatal(err)
	}
	ip(t, ns, "neigh add fe80::77 dev p0 lladdr 02:00:00:00:00:77 nud permanent")
	ip(t, ns, "neigh del fe80::77 dev p0")
	awaitResync(t, probe, rib.ResyncEndpoint)
	if err := c.mon.entries.follow(c.mon.ns, &probe.endpoints, nil); err != nil {
		t.Fatal(err)
	}
	return c.Events()
}

// TestEventsOfEntries: what others do to ours leads to a reading, and nothing else does.
func TestEventsOfEntries(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	ip(t, ns, "link add bridge0 type bridge")
	ip(t, ns, "link add vy type vxlan id 9 dstport 4790 remote 192.0.2.9")
	ip(t, ns, "link set vy master bridge0") // so that c has no endpoints of it
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	var all []rib.Change
	for i := range 200 {
		all = append(all, set(endpoint(tb, byte(i+1), fmt.Sprintf("10.255.0.%d", i+2))))
	}
	c.Events()
	apply(t, c, all...)
	entriesQuiet(t, c, ns)
	apply(t, c, all...)
	entriesQuiet(t, c, ns)
	a := all[0].Endpoint
	gateway, address := a.Gateway.String(), a.MAC.String()
	for _, line := range []string{
		"ip neigh del " + gateway + " dev vx100",
		"ip neigh replace " + gateway + " dev vx100 lladdr 02:00:00:00:02:fe nud permanent",
		"ip neigh replace " + gateway + " dev vx100 lladdr " + address + " nud stale",
		"bridge fdb del " + address + " dev vx100 self",
		"bridge fdb replace " + address + " dev vx100 dst 10.255.9.9 self permanent",
		"bridge fdb replace " + address + " dev vx100 dst 10.255.0.2 vni 77 self permanent",
		"bridge fdb replace " + address + " dev vx100 dst 10.255.0.2 port 5000 self permanent",
		"ip neigh add fe80::aff:909:0:2fd dev vx100 lladdr 02:00:00:00:02:fd nud permanent protocol 179", // a surplus
	} {
		name, rest, _ := strings.Cut(line, " ")
		run(t, name, append([]string{"-n", ns}, strings.Fields(rest)...)...)
		awaitResync(t, c, rib.ResyncEndpoint)
		for _, to := range read(t, c).Endpoints {
			apply(t, c, unset(to))
		}
		for _, line := range stand(t, ns, "vx100") { // what is not ours any more
			fields := strings.Fields(line)
			if fields[1] == "dst" {
				bridge(t, ns, "fdb del "+fields[0]+" dev vx100 self")
			} else {
				ip(t, ns, "neigh del "+fields[0]+" dev vx100")
			}
		}
		apply(t, c, all...)
		entryEvents(t, c, ns) // of the deletions too, which came behind
	}
	entriesQuiet(t, c, ns)
	// Of others: entries of their own, and on other links.
	for _, line := range []string{
		"ip neigh add fe80::9 dev vx100 lladdr 02:00:00:00:02:fc nud permanent",
		"ip neigh del fe80::9 dev vx100",
		"ip neigh add " + gateway + " dev p0 lladdr " + address + " nud permanent protocol 179",
		"ip neigh del " + gateway + " dev p0",
		"bridge fdb add 02:00:00:00:02:fc dev vx100 dst 10.255.9.9 self permanent",
		"bridge fdb del 02:00:00:00:02:fc dev vx100 self",
		"bridge fdb add " + address + " dev vy dst 10.255.9.9 self permanent",
		"bridge fdb del " + address + " dev vy self",
	} {
		name, rest, _ := strings.Cut(line, " ")
		run(t, name, append([]string{"-n", ns}, strings.Fields(rest)...)...)
		entriesQuiet(t, c, ns)
	}
	apply(t, c, deletionsOf(all)...)
	entriesQuiet(t, c, ns)
}

func deletionsOf(sets []rib.Change) (list []rib.Change) {
	for _, c := range sets {
		list = append(list, unset(c.Endpoint))
	}
	return list
}

// TestEndOfAConflictIsNews: who was refused because of another's entry hears when that goes.
func TestEndOfAConflictIsNews(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	for _, there := range []string{
		"ip neigh %s fe80::aff:2:0:201 dev vx100 lladdr 02:00:00:00:02:99 nud permanent",
		"bridge fdb %s 02:00:00:00:02:01 dev vx100 dst 10.255.0.9 self permanent",
	} {
		do := func(verb string) {
			name, rest, _ := strings.Cut(fmt.Sprintf(there, verb), " ")
			run(t, name, append([]string{"-n", ns}, strings.Fields(rest)...)...)
		}
		do("add")
		c := open(t, startHost(t), rib.Binding{Netns: ns})
		to := endpoint(read(t, c), 1, "10.255.0.2")
		if errs, err := c.Apply(t.Context(), []rib.Change{set(to)}); err != nil || errs[0] == nil {
			t.Fatal(errs, err)
		}
		entriesQuiet(t, c, ns)
		if errs, err := c.Apply(t.Context(), []rib.Change{set(to)}); err != nil || errs[0] == nil {
			t.Fatal(errs, err)
		}
		do("del")
		awaitResync(t, c, rib.ResyncEndpoint)
		apply(t, c, set(to))
		wantStand(t, ns, "vx100", lines(to)...)
		apply(t, c, unset(to))
	}
}

// TestFlapOfTheDevice: down, it takes the neighbour entries along and leaves the forwarding
// entries; with another MAC address too. Each leads to a reading that says so.
func TestFlapOfTheDevice(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	tb := read(t, c)
	a, b := endpoint(tb, 1, "10.255.0.2"), endpoint(tb, 2, "10.255.0.3")
	for _, flap := range [][]string{
		{"link set vx100 down", "link set vx100 up"},
		{"link set vx100 address 02:00:00:00:01:02"},
		{"link set vx100 mtu 1200", "link set vx100 mtu 1450"}, // IPv6 goes where it has less than 1280 bytes
	} {
		apply(t, c, set(a), set(b))
		wantEndpoints(t, c, a, b)
		c.Events()
		for _, line := range flap {
			ip(t, ns, line)
			// Newer kernels say of the neighbour entries too that they went.
			awaitEvents(t, c, "reading", func(e rib.KernelEvents) bool { return e.Resync && e.Links != nil })
			wantEndpoints(t, c)
		}
		wantStand(t, ns, "vx100", lines(a)[1], lines(b)[1])
		ip(t, ns, "link set vx100 addrgenmode none") // which goes with IPv6
		apply(t, c, set(a), set(b))
		wantStand(t, ns, "vx100", append(lines(a), lines(b)...)...)
	}
}

func TestEntryFilterProgram(t *testing.T) {
	devices := map[int][]*endpointBook{7: nil, 70000: nil, 1: nil}
	vm, err := bpf.NewVM(indexFilter(devices))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		index int
		pass  bool
	}{{7, true}, {70000, true}, {1, true}, {0, false}, {8, false}, {7 << 8, false}, {7 << 24, false}, {-1, false}} {
		e := entryChange{unix.RTM_NEWNEIGH, 0, true, rib.Endpoint{Ifindex: tt.index, MAC: mac(1), VTEP: netip.MustParseAddr("10.255.0.2")}}
		if n, err := vm.Run(appendEntryChange(nil, &e, 179, 1)); err != nil || n > 0 != tt.pass {
			t.Errorf("interface %d: %d bytes pass, %v", tt.index, n, err)
		}
	}
	for i := range filterMost + 1 {
		if devices[i] = nil; len(devices) == filterMost {
			if raw, err := bpf.Assemble(indexFilter(devices)); err != nil || len(raw) > 4096 {
				t.Errorf("%d instructions for %d devices, %v", len(raw), filterMost, err)
			}
		}
	}
	if indexFilter(devices) != nil {
		t.Error("a filter for more devices than one can tell apart")
	}
}

// TestEntriesOfOthersDoNotWake: the filter keeps from us what happens on other links.
func TestEntriesOfOthersDoNotWake(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	read(t, c)
	s := c.mon.entries.sock
	if err := s.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "neigh add fe80::1:%x dev p0 lladdr 02:00:00:00:02:01 nud permanent protocol 179\n", i+1)
	}
	cmd := exec.Command("ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(b.String())
	func() {
		c.mon.entries.mu.Lock() // it stands still, with the first event in its hands, where there is one
		defer c.mon.entries.mu.Unlock()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}()
	entriesQuiet(t, c, ns)
}

func TestLostEntryEventsMeanReadAgain(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	read(t, c)
	if err := c.mon.entries.sock.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "neigh add fe80::%x dev vx100 lladdr 02:00:00:00:02:01 nud permanent\n", i+1)
	}
	cmd := exec.Command("ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(b.String())
	func() {
		c.mon.entries.mu.Lock()
		defer c.mon.entries.mu.Unlock()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}()
	awaitResync(t, c, rib.ResyncOverflow)
}

// TestEntryWatchEndsWithItsDevices: no socket is left where no Conn has a device.
func TestEntryWatchEndsWithItsDevices(t *testing.T) {
	core := coreLab(t)
	ns := tenantOf(t, core)
	h := startHost(t)
	keep, err := h.Open(t.Context(), rib.Binding{Netns: ns}, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, h, rib.Binding{Netns: ns})
	w := &c.mon.entries
	is := func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.sock != nil }
	read(t, c)
	if !is() {
		t.Fatal("nobody listens")
	}
	ip(t, ns, "link del vx100")
	awaitResync(t, c, rib.ResyncLink)
	read(t, c)
	if is() {
		t.Error("it is listened to without a device")
	}
	addVXLAN(t, core, ns, 100)
	read(t, c)
	read(t, keep)
	if !is() {
		t.Error("nobody listens to the new device")
	}
	if err := keep.Close(); err != nil {
		t.Fatal(err)
	}
	if !is() {
		t.Error("nobody listens after another Conn's end")
	}
}

// TestEventsDuringAReading: they are judged by what it finds.
func TestEventsDuringAReading(t *testing.T) {
	a := rib.Endpoint{Ifindex: 5, Gateway: rib.VTEPGateway(netip.MustParseAddr("10.255.0.2"), mac(1)), MAC: mac(1), VTEP: netip.MustParseAddr("10.255.0.2")}
	neighbor := entry{ifindex: 5, addr: a.Gateway, mac: a.MAC, protocol: 179, state: unix.NUD_PERMANENT}
	forward := entry{ifindex: 5, forwards: true, addr: a.VTEP, mac: a.MAC, state: unix.NUD_PERMANENT}
	elsewhere := forward
	elsewhere.addr = netip.MustParseAddr("10.255.0.9")
	for _, tt := range []struct {
		name   string
		events []entryEvent
		doubt  bool
	}{
		{"nothing", nil, false},
		{"what was found came", []entryEvent{{neighbor, false}, {forward, false}}, false},
		{"what was found went", []entryEvent{{neighbor, true}}, true},
		{"its forwarding entry went", []entryEvent{{forward, true}}, true},
		{"leads elsewhere", []entryEvent{{elsewhere, false}}, true},
		{"another one went", []entryEvent{{entry{ifindex: 6, addr: a.Gateway, state: unix.NUD_FAILED}, true}}, false},
		{"more than wait", make([]entryEvent, backlog+1), true},
	} {
		in := newInbox()
		b := &endpointBook{protocol: 179, inbox: &in}
		asked := func() bool { return in.take().Resync }
		b.begin()
		for _, ev := range tt.events {
			b.hear(ev)
		}
		if asked() {
			t.Errorf("%s: a reading is asked for while it runs", tt.name)
		}
		if b.learn([]rib.Endpoint{a}, []*entry{&forward}); asked() != tt.doubt {
			t.Errorf("%s: another reading is asked for: %v", tt.name, !tt.doubt)
		}
		if b.hear(entryEvent{neighbor, false}); asked() {
			t.Errorf("%s: what it has is news behind it", tt.name)
		}
		if b.hear(entryEvent{neighbor, true}); !asked() {
			t.Errorf("%s: what goes behind it is none", tt.name)
		}
	}
}

// TestSecondNoticeOfAnEntry: before Linux 6.13 the kernel tells of a forwarding entry that somebody
// wrote once more, behind the device's own notice, and does not say where it leads.
func TestSecondNoticeOfAnEntry(t *testing.T) {
	body := make([]byte, sizeofNdmsg)
	body[0], body[10] = unix.AF_BRIDGE, unix.NTF_SELF
	native.PutUint32(body[4:], 7)
	native.PutUint16(body[8:], unix.NUD_PERMANENT)
	body = appendAttr(body, unix.NDA_LLADDR, []byte{2, 0, 0, 0, 2, 1})
	for _, typ := range []uint16{unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH} {
		if e, ok, err := decodeEntry(message{typ: typ, body: body}); ok || err != nil {
			t.Errorf("%d: %+v, %v", typ, e, err)
		}
	}
	whole := appendAttr(appendAttr(body, unix.NDA_DST, []byte{10, 255, 0, 2}), unix.NDA_CACHEINFO, make([]byte, 16))
	if e, ok, err := decodeEntry(message{typ: unix.RTM_NEWNEIGH, body: whole}); !ok || err != nil || e.addr != netip.MustParseAddr("10.255.0.2") {
		t.Errorf("%+v, %v, %v", e, ok, err)
	}
}
