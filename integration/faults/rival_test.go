package faults_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// rivals are two tenants with the same addresses. The customer of a is a raw speaker,
// that of b a BIRD.
//
//	a, b  cust0 192.0.2.1/24  2001:db8:c::1/64 ── home-a, home-b eth0 .2 ::2
//	      lan0  10.50.0.1/24  2001:db8:50::1/64
type rivals struct {
	*lab.Lab
	daemon      *lab.Daemon
	a, b        *lab.Namespace
	there       *oracle.Oracle // of b
	foreign     oracle.Foreign // of b
	customer    *lab.BIRD      // of b
	hostile     raw.Speaker    // of a
	session     *raw.Session
	before, own []string // b's routes and a's lawful ones
}

const rivalCustomer = `
router id 192.0.2.2;
protocol device {}
protocol static four { ipv4; route 172.16.2.0/24 unreachable; route 172.16.3.0/24 unreachable; }
protocol static six { ipv6; route 2001:db8:2::/48 unreachable; }
protocol bgp v4 {
  local 192.0.2.2 as 65102; neighbor 192.0.2.1 as 65000; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export where proto = "four"; };
  ipv6 { import all; export where proto = "six"; next hop address 2001:db8:c::2; };
}
`

// rivalConfig imports into b by route targets of every form.
func rivalConfig(a, b *lab.Namespace, more string) string {
	t := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	for i, ns := range []*lab.Namespace{a, b} {
		name := map[int]string{0: "a", 1: "b"}[i]
		extra := map[int]string{0: more, 1: ""}[i]
		// GoBGP has one neighbour for an address; in a namespace it is known by an alias.
		t += fmt.Sprintf(`
[[vrfs]]
  [vrfs.config]
    name = %[1]q
    rd = "65000:%[2]d"
    import-rt-list = ["65000:%[2]d", "10.0.0.1:%[2]d", "70000:%[2]d"]
    export-rt-list = ["65000:%[2]d"]
[[netlink.vrfs]]
  name = %[1]q
  netns = %[3]q
  [netlink.vrfs.export]
    enabled = true
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = %[4]d
    vrf = %[1]q
    netns = %[3]q
    %[5]s
  [neighbors.transport.config]
    local-address = "192.0.2.1"
    passive-mode = true
%[6]s`, name, 10+10*i, ns.Name, 65101+i, extra, unicast)
	}
	return t
}

func newRivals(t *testing.T, more string) *rivals {
	t.Helper()
	l := newLab(t, "bird", "birdc")
	r := &rivals{Lab: l, a: l.Namespace("a"), b: l.Namespace("b")}
	homes := []*lab.Namespace{l.Namespace("home-a"), l.Namespace("home-b")}
	for i, ns := range []*lab.Namespace{r.a, r.b} {
		l.Subnet(ns, "cust0", homes[i], "eth0", "192.0.2.1/24", "2001:db8:c::1/64")
		l.Link(ns, "lan0", homes[i], "lan0")
		ns.Address("lan0", "10.50.0.1/24", "2001:db8:50::1/64")
		ns.Batch("route add blackhole 198.18.0.0/15 proto static metric 4000")
	}
	r.there = oracle.New(t, r.b, run.Protocol)
	r.foreign = r.there.Foreign()
	r.customer = homes[1].BIRD(rivalCustomer)
	r.daemon = l.Namespace("rtr").Daemon(rivalConfig(r.a, r.b, more))
	r.before = []string{"172.16.2.0/24 via 192.0.2.2 dev cust0 metric 20", "172.16.3.0/24 via 192.0.2.2 dev cust0 metric 20", "2001:db8:2::/48 via 2001:db8:c::2 dev cust0 metric 20"}
	r.there.Wait(lab.Main, r.before, limit())
	r.hostile = raw.Speaker{AS: 65101, ID: netip.MustParseAddr("192.0.2.2"), Nexthop: netip.MustParseAddr("192.0.2.2"), Nexthop6: netip.MustParseAddr("2001:db8:c::2")}
	d := &door{kind: &kind{}, enter: homes[0].Enter, local: r.hostile.ID, remote: netip.MustParseAddr("192.0.2.1")}
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Establish(r.hostile.Open()); err != nil {
		t.Fatal(err)
	}
	r.session = s
	return r
}

// send has a's customer say something, and then a lawful route that is seen in a.
func (r *rivals) send(messages ...[]byte) {
	r.T.Helper()
	marker := fmt.Sprintf("172.20.%d.0/24", len(r.own))
	if err := r.session.Send(append(messages, r.hostile.Announce(marker))...); err != nil {
		r.T.Fatalf("%v (%s)", err, r.session.Ended())
	}
	r.own = append(r.own, marker+" via 192.0.2.2 dev cust0 metric 20")
}

// wait waits until a has exactly its customer's lawful routes and these, and holds what
// is of b against what it was.
func (r *rivals) wait(more ...string) {
	r.T.Helper()
	r.a.WaitOwn(lab.Main, append(more, r.own...)...)
	lab.Equal(r.T, "the routes of b", r.before, r.there.Own(lab.Main))
	r.there.WaitForeign(r.foreign)
	lab.Equal(r.T, "what b's customer hears", []string{}, r.customer.Received("v4"))
	if out := r.daemon.Do("route", "export", "--vrf", "b"); strings.Contains(out, "172.16.66.") || strings.Contains(out, "2001:db8:66") {
		r.T.Errorf("b has a's routes: %s", out)
	}
	if !r.daemon.Running() || r.session.Ended() != "" {
		r.T.Fatalf("the daemon runs: %v; the session ended: %q", r.daemon.Running(), r.session.Ended())
	}
}

// rivalTargets are b's route targets in every form that there is, as attributes.
func rivalTargets() [][]byte {
	of := func(kind byte, value ...byte) []byte { return append([]byte{kind, 2}, value...) }
	two, four, ip := of(0, 0xfd, 0xe8, 0, 0, 0, 20), of(2, 0, 1, 0x11, 0x70, 0, 20), of(1, 10, 0, 0, 1, 0, 20)
	six := append([]byte{0, 2, 0x20, 1, 0xd, 0xb8}, make([]byte, 14)...)
	colour := []byte{3, 0x0b, 0, 0, 0, 0, 0, 7}
	var list [][]byte
	for _, rt := range [][]byte{two, four, ip} {
		still := slices.Clone(rt)
		still[0] |= 0x40 // not transitive
		list = append(list, raw.Communities(rt), raw.Communities(colour, rt), raw.Communities(still),
			raw.Attr(raw.Transitive|0x20, 16, rt...),                                           // partial
			raw.Attr(raw.Transitive|0x0f, 16, rt...),                                           // bits that mean nothing
			binary.BigEndian.AppendUint64([]byte{0xd0, 16, 0, 8}, binary.BigEndian.Uint64(rt)), // a length of two bytes
			slices.Concat(raw.Communities(colour), raw.Communities(rt)),
			slices.Concat(raw.Communities(rt), raw.Communities(rt)))
	}
	return append(list, raw.Communities(two, four, ip), raw.Attr(raw.Transitive, 25, six...))
}

// A customer of a says what is b's: b's route targets in every form, on prefixes of its
// own and of b's customer, with a LOCAL_PREF that would win.
func TestFault44AnotherVRFsTargets(t *testing.T) {
	r := newRivals(t, "")
	prefer := raw.Number(raw.WellKnown, 5, 4_000_000_000)
	var lawful []string
	for i, rt := range rivalTargets() {
		for _, prefix := range []string{fmt.Sprintf("172.16.66.%d/32", i), "172.16.2.0/24", "172.16.3.0/24"} {
			r.send(r.hostile.Announce(prefix, rt), r.hostile.Announce(prefix, prefer, rt))
		}
		// In a itself it is an address like any other.
		lawful = append(lawful, fmt.Sprintf("172.16.66.%d via 192.0.2.2 dev cust0 metric 20", i))
		for _, prefix := range []string{fmt.Sprintf("2001:db8:66:%x::/64", i+1), "2001:db8:2::/48"} {
			r.send(r.hostile.Announce(prefix, rt, prefer))
		}
		lawful = append(lawful, fmt.Sprintf("2001:db8:66:%x::/64 via 2001:db8:c::2 dev cust0 metric 20", i+1))
	}
	lawful = append(lawful, "172.16.2.0/24 via 192.0.2.2 dev cust0 metric 20", "172.16.3.0/24 via 192.0.2.2 dev cust0 metric 20", "2001:db8:2::/48 via 2001:db8:c::2 dev cust0 metric 20")
	r.wait(lawful...)
	measured(t, "b's route targets in %d forms, on prefixes of a and of b's customer: nothing of it in b, its table, its customers", len(rivalTargets()))
}

// A customer announces what no table should have, and what is the tenant's own.
func TestFault44MartiansAndOwnPrefixes(t *testing.T) {
	r := newRivals(t, `accept_martians = ["240.0.0.0/4"]`)
	bad := []string{
		"0.0.0.0/8", "0.1.2.0/24", "127.0.0.0/8", "127.0.0.1/32", "224.0.0.0/4", "224.0.0.5/32", "224.0.0.0/3",
		"::/128", "::1/128", "::/127", "fe80::/10", "fe80::/64", "ff00::/8", "ff02::5/128", "::ffff:10.0.0.0/104",
		"192.0.2.0/24", "192.0.2.1/32", "10.50.0.0/24", "10.50.0.1/32", "2001:db8:c::/64", "2001:db8:c::1/128", "2001:db8:50::/64", "2001:db8:50::1/128",
	}
	for _, prefix := range bad {
		r.send(r.hostile.Announce(prefix))
	}
	r.send(raw.Update(nil, r.hostile.Attrs(), raw.NLRI("172.16.9.0/24", "127.1.0.0/16", "172.16.10.0/24", "192.0.2.0/24")))
	r.send(r.hostile.Announce("240.1.0.0/16"), r.hostile.Announce("10.50.0.77/32"))
	lawful := []string{}
	for _, p := range []string{"172.16.9.0/24", "172.16.10.0/24", "240.1.0.0/16", "10.50.0.77"} {
		lawful = append(lawful, p+" via 192.0.2.2 dev cust0 metric 20")
	}
	r.wait(lawful...)
	measured(t, "%d martians and own prefixes of both families: none installed; what accept_martians lets in, and a service's address, are", len(bad))
}
