package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestEchoFilterProgram(t *testing.T) {
	p := &ports{base: portMark | 0x2a5<<portBits}
	vm, err := bpf.NewVM(p.echoes(rib.ProtoOwn))
	if err != nil {
		t.Fatal(err)
	}
	event := func(typ uint16, port uint32, protocol uint8) []byte {
		b := beginMessage(nil, typ, 0, 7)
		native.PutUint32(b[12:], port)
		r := route("10.0.0.0/8", via("192.0.2.1"))
		r.Protocol = protocol
		return endMessage(appendRoute(b, &r, 70000, false), 0)
	}
	tests := []struct {
		name string
		b    []byte
		pass bool
	}{
		{"our addition", event(unix.RTM_NEWROUTE, p.base, 179), false},
		{"our deletion, by the last port", event(unix.RTM_DELROUTE, p.base|portMask, 179), false},
		{"the port before", event(unix.RTM_NEWROUTE, p.base-1, 179), true},
		{"the port after", event(unix.RTM_NEWROUTE, p.base+portMask+1, 179), true},
		{"the same without the mark", event(unix.RTM_NEWROUTE, p.base&^portMark, 179), true},
		{"the kernel's own", event(unix.RTM_DELROUTE, 0, 179), true},
		{"another program's", event(unix.RTM_NEWROUTE, 4711, 179), true},
		{"another protocol", event(unix.RTM_NEWROUTE, p.base, 4), true},
		{"a protocol with one bit more", event(unix.RTM_NEWROUTE, p.base, 179|4), true},
		{"a nexthop object", event(unix.RTM_NEWNEXTHOP, p.base, 179), true},
		{"a deleted nexthop object", event(unix.RTM_DELNEXTHOP, p.base, 179), true},
		{"a link", event(unix.RTM_NEWLINK, p.base, 179), true},
		{"an address", event(unix.RTM_DELADDR, p.base, 179), true},
		{"a rule", event(unix.RTM_NEWRULE, p.base, 179), true},
		{"a bare header of another type", endMessage(beginMessage(nil, unix.NLMSG_DONE, 0, 1), 0), true},
	}
	for _, tt := range tests {
		if n, err := vm.Run(tt.b); err != nil || (n > 0) != tt.pass {
			t.Errorf("%s: %d bytes pass, %v", tt.name, n, err)
		}
	}
}

// unread makes h use a monitor that nobody reads, so that a test sees every
// datagram that would wake it. The lab's own news are over.
func unread(t *testing.T, h *Host, ns string) *monitor {
	t.Helper()
	for deadline := time.Now().Add(soon); ; {
		local := ip(t, ns, "-6 route show table local")
		if strings.Contains(local, "local 2001:db8::1 ") && strings.Contains(local, "local 2001:db8:1::1 ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the addresses are not in use within %v:\n%s", soon, local)
		}
	}
	space, err := openNamespace(ns)
	if err != nil {
		t.Fatal(err)
	}
	m := newMonitor(space, h.ports, h.monitors.log)
	m.start.Do(func() { m.failed = m.open(t.Context()) })
	if m.failed != nil {
		t.Fatal(m.failed)
	}
	h.monitors.mu.Lock()
	m.refs++
	h.monitors.all[space.id] = m
	h.monitors.mu.Unlock()
	t.Cleanup(func() {
		close(m.done)
		h.monitors.release(m)
	})
	return m
}

// arrivals are the datagrams that reach m, up to one that is last.
func arrivals(t *testing.T, m *monitor, last string) (all []string) {
	t.Helper()
	if err := m.sock.c.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	for !slices.Contains(all, last) {
		err := m.sock.receive(func(b []byte) error {
			for len(b) > 0 {
				msg, rest, err := nextMessage(b)
				if err != nil {
					return err
				}
				b = rest
				all = append(all, eventText(t, msg))
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%v; looked for %q in %q", err, last, all)
		}
	}
	return all
}

func eventText(t *testing.T, msg message) string {
	t.Helper()
	verb := map[bool]string{true: "add ", false: "del "}[msg.typ%4 == 0]
	switch msg.typ {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		var d decoder
		r, err := d.route(msg.body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s%v proto %d table %d", verb, r.Prefix, r.Protocol, r.table)
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return verb + "link"
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return verb + "address"
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		return verb + "nexthop"
	}
	return fmt.Sprint("type ", msg.typ)
}

// silent fails where anything but the marker wakes m.
func silent(t *testing.T, m *monitor, ns, after string) {
	t.Helper()
	ip(t, ns, "route add blackhole 203.0.113.113/32 table 7")
	ip(t, ns, "route del blackhole 203.0.113.113/32 table 7")
	want := []string{"add 203.0.113.113/32 proto 3 table 7", "del 203.0.113.113/32 proto 3 table 7"}
	if got := arrivals(t, m, want[1]); !slices.Equal(got, want) {
		t.Fatalf("after %s, %d datagrams woke the monitor, want 2: %.300q", after, len(got), got)
	}
}

func TestOwnWritesWakeNobody(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	m := unread(t, h, ns)
	ip(t, ns, "route add blackhole 203.0.113.113/32 table 7")
	arrivals(t, m, "add 203.0.113.113/32 proto 3 table 7")
	ip(t, ns, "route del blackhole 203.0.113.113/32 table 7")
	arrivals(t, m, "del 203.0.113.113/32 proto 3 table 7")
	over := open(t, h, rib.Binding{Netns: ns, Table: 70000})
	main := open(t, h, rib.Binding{Netns: ns})
	if n := over.sock.port - h.ports.base; n > portMask || main.sock.port == over.sock.port {
		t.Errorf("ports %#x and %#x, of the range from %#x", over.sock.port, main.sock.port, h.ports.base)
	}
	for c, n := range map[*Conn]int{over: 10_000, main: 1_000} {
		for _, ipv6 := range []bool{false, true} {
			for _, op := range []rib.Op{rib.OpAdd, rib.OpReplace, rib.OpDelete} {
				apply(t, c, manyChanges(op, n, ipv6, inline)...)
				silent(t, m, ns, fmt.Sprintf("%v of %d in %s", op, n, c.text))
			}
		}
	}
	// Everything else comes: of others, of our protocol by others, of other
	// kinds by us.
	apply(t, over, rib.Change{Op: rib.OpAdd, Route: route("10.9.0.0/16", via("192.0.2.2"))})
	for _, step := range []struct{ line, event string }{
		{"route add 10.0.0.0/8 via 192.0.2.2 table 70000", "add 10.0.0.0/8 proto 3 table 70000"},
		{"route del 10.0.0.0/8 via 192.0.2.2 table 70000", "del 10.0.0.0/8 proto 3 table 70000"},
		{"route add 10.0.0.0/8 via 192.0.2.2 proto 179 table 70000", "add 10.0.0.0/8 proto 179 table 70000"},
		{"route del 10.9.0.0/16 metric 20 table 70000", "del 10.9.0.0/16 proto 179 table 70000"},
		{"route add 10.0.0.0/8 via 192.0.2.2 proto 179 metric 20", "add 10.0.0.0/8 proto 179 table 254"},
		{"-6 route add 2001:db8:a::/48 via 2001:db8::2 proto 179 table 70000", "add 2001:db8:a::/48 proto 179 table 70000"},
		{"-6 route add 2001:db8:b::/48 via 2001:db8::2 proto static", "add 2001:db8:b::/48 proto 4 table 254"},
		{"nexthop add id 7 via 192.0.2.2 dev v0 protocol 179", "add nexthop"},
		{"nexthop del id 7", "del nexthop"},
		{"addr add 192.0.2.9/24 dev v0", "add address"},
		{"addr del 192.0.2.9/24 dev v0", "del address"},
		{"link add d0 type veth peer name d1", "add link"},
		{"link del d0", "del link"},
	} {
		ip(t, ns, step.line)
		arrivals(t, m, step.event)
	}
	addObjects(t, over)
	arrivals(t, m, "add nexthop")
}

// TestSharedTableHearsBoth: the filter goes while two Conns have one table, and
// comes back.
func TestSharedTableHearsBoth(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	m := unread(t, h, ns)
	a := open(t, h, rib.Binding{Netns: ns, Table: table})
	change := func(op rib.Op) rib.Change { return rib.Change{Op: op, Route: route("10.0.0.0/8", via("192.0.2.2"))} }
	for _, other := range []struct {
		b        rib.Binding
		protocol uint8
	}{
		{rib.Binding{Netns: ns, Table: table}, rib.ProtoOwn},
		{rib.Binding{Netns: ns}, 180}, // or the range would speak for another's protocol
	} {
		b, err := h.Open(t.Context(), other.b, other.protocol)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, a, change(rib.OpAdd))
		arrivals(t, m, fmt.Sprintf("add 10.0.0.0/8 proto 179 table %d", table))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		apply(t, a, change(rib.OpDelete))
		silent(t, m, ns, "the other's close")
	}
}

// TestRefusedFilter: where the kernel takes no filter, Conns tell their echoes
// apart.
func TestRefusedFilter(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	c := open(t, h, rib.Binding{Netns: ns, Table: table})
	if err := c.mon.sock.c.RemoveBPF(); err != nil {
		t.Fatal(err)
	}
	if err := c.mon.sock.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1); err != nil {
		t.Fatal(err)
	}
	c.mon.filter.on = false
	refused, err := c.mon.filter.fit(c.mon.sock, c.protocol, true)
	if !errors.Is(refused, unix.EPERM) || err != nil || c.mon.filter.on {
		t.Fatalf("refused %v, %v", refused, err)
	}
	apply(t, c, manyChanges(rib.OpAdd, 100, false, inline)...)
	quiet(t, c, ns)
	ip(t, ns, "route add 10.0.0.0/8 via 192.0.2.2 proto 179 table 1001")
	awaitEvents(t, c, "another's", hasRoute("10.0.0.0/8", false))
}

func TestPortsThatAreTaken(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	a := open(t, h, rib.Binding{Netns: ns, Table: table})
	h.ports.next.Add(^uint32(0)) // the next is a's
	b := open(t, h, rib.Binding{Netns: ns, Table: 1002})
	if b.sock.port != a.sock.port+1 {
		t.Errorf("ports %#x and %#x", a.sock.port, b.sock.port)
	}
}
