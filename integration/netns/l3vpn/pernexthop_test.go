package l3vpn_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// perNexthop is FRR as PE 2, whose tenant red has a label for each nexthop, with two customers, and
// vrfredist as PE 1, of another AS.
type perNexthop struct {
	*network
	one, two  *edge.PE
	customers []*lab.BIRD
}

// What the customers announce, what static routes lead to by the first one and by the host of the LAN,
// and what moves from one customer to the other: addresses of those, but for the recursive route's.
var ofFirst, ofSecond = []string{"2001:db8:31::11", "2001:db8:31::111"}, []string{"2001:db8:31::12"}

const (
	throughHost, recursive, moving = "2001:db8:31::14", "2001:db8:31::30", "2001:db8:31::50"
	theLabel                       = 222
)

// TestVPNv6PerNexthopLabel is what FRR's topotest bgp_vpnv6_per_nexthop_label asserts, with FRR as r1, and
// vrfredist as r2. Each holds:
//
//   - protocols_convergence: r2 has what r1's customers have, what static routes lead to, and what is
//     connected, each nexthop's by a label of its own, and in r1's label table that leads there;
//   - flapping_bgp_vrf_down, _up: what a customer announced goes with its session, and is back with it;
//   - recursive_route: what leads to a customer's prefix has that one's label, and goes;
//   - prefix_changes_interface: a prefix moves from one customer to the other, and has that one's label;
//   - changing_default_label_value: the VRF gets another label, and what is connected has that one;
//   - unconfigure_, reconfigure_allocation_mode_nexthop: all have the VRF's label, and each nexthop's
//     again.
//
// Beside them r2's host reaches each prefix by its label at every step, r2 has a nexthop object for each
// label and no more, and a route that moves is never gone. What is left out: r1's network command, of
// which r2 sees what it sees of static routes. It is otherwise that the core is of IPv4 (RFC 4659).
func TestVPNv6PerNexthopLabel(t *testing.T) {
	t.Parallel()
	if lab.FRRMajor(t) < 10 {
		t.Skip("this needs FRR 10, which has a label for each nexthop: `make test-peers` runs this test")
	}
	s := newPerNexthop(t)
	all := s.groups()
	s.labelled(all, len(all))

	t.Log("without the first customer's session")
	s.customers[0].Reconfigure(s.config(0, "disabled;"))
	lab.WaitEqual(t, "what is left of the first customer", nil, func() []string { return s.has(ofFirst...) })
	s.labelled(all[1:], len(all)-1)
	s.customers[0].Reconfigure(s.config(0, ""))
	s.labelled(all, len(all))

	t.Log("what leads to a customer's prefix")
	s.two.FRR.ConfigureAll("vrf red", fmt.Sprintf("ipv6 route %s/128 %s", recursive, ofFirst[0]))
	all[0] = append(slices.Clip(ofFirst), recursive)
	s.labelled(all, len(all))
	s.two.FRR.ConfigureAll("vrf red", fmt.Sprintf("no ipv6 route %s/128 %s", recursive, ofFirst[0]))
	lab.WaitEqual(t, "what is left of the static route", nil, func() []string { return s.has(recursive) })

	t.Log("a prefix moves")
	mark := s.one.Core.Mark()
	for i := range 2 {
		all = s.groups()
		all[i] = append(slices.Clip(all[i]), moving)
		s.customers[i].Reconfigure(s.config(i, "", moving))
		if i == 1 {
			s.customers[0].Reconfigure(s.config(0, ""))
		}
		s.labelled(all, len(all))
	}
	for _, e := range s.one.Core.Since(mark) {
		if e.Deleted {
			t.Errorf("while a prefix moved: %+v", e)
		}
	}

	t.Log("another label of the VRF, which is then all nexthops'")
	s.two.FRR.Configure("router bgp 65501 vrf red", "address-family ipv6 unicast", fmt.Sprintf("label vpn export %d", theLabel))
	labels := s.labelled(all, len(all))
	if got := labels[edge.Host(2, true)]; got != theLabel {
		t.Errorf("what is connected has the label %d", got)
	}
	s.two.FRR.Configure("router bgp 65501 vrf red", "address-family ipv6 unicast", "no label vpn export allocation-mode per-nexthop")
	labels = s.labelled([][]string{slices.Concat(all...)}, 1)
	for prefix, label := range labels {
		if label != theLabel {
			t.Errorf("%s has the label %d", prefix, label)
		}
	}
	s.two.FRR.Configure("router bgp 65501 vrf red", "address-family ipv6 unicast", "label vpn export allocation-mode per-nexthop")
	s.labelled(all, len(all))
}

func newPerNexthop(t *testing.T) *perNexthop {
	t.Helper()
	n := newNetwork(t, edge.MPLS, 2, slices.Concat([]string{"bird", "birdc"}, frrPrograms)...)
	s := &perNexthop{network: n, one: n.PEs[0], two: n.PEs[1]}
	s.two.AS = 65501
	n.devices(n.PEs...)
	n.frr(s.two)
	red := s.two.Tenants["red"]
	lines := []string{"router bgp 65501 vrf red", "no bgp ebgp-requires-policy"}
	for i, has := range [][]string{ofFirst, ofSecond} {
		ce, dev := n.Namespace(fmt.Sprintf("ce%d", i)), fmt.Sprintf("cust%d", i)
		n.Link(red.NS, dev, ce, "eth0")
		red.Enslave(dev)
		red.NS.Address(dev, s.near(i)+"/64")
		ce.Address("eth0", s.far(i)+"/64")
		for _, a := range append(slices.Clip(has), moving) {
			ce.Address("lo", a+"/128")
		}
		ce.IP("-6", "route", "add", "default", "via", s.near(i))
		s.customers = append(s.customers, ce.BIRD(s.config(i, "")))
		lines = append(lines, fmt.Sprintf("neighbor %s remote-as %d", s.far(i), 65101+i))
	}
	red.Host.Address("lo", throughHost+"/128")
	lines = append(lines, "address-family ipv6 unicast", "redistribute static", "label vpn export allocation-mode per-nexthop")
	for i := range s.customers {
		lines = append(lines, "neighbor "+s.far(i)+" activate")
	}
	s.two.FRR.Configure(lines...)
	s.two.FRR.ConfigureAll("vrf red", fmt.Sprintf("ipv6 route %s/128 %s", throughHost, edge.Host(2, true)))
	n.ours(s.one)
	n.given(s.two, s.one.Tenants["red"])
	return s
}

// near and far are the addresses of the i-th customer's link, of which near is the PE's.
func (*perNexthop) near(i int) string { return fmt.Sprintf("2001:db8:a%d::1", i) }
func (*perNexthop) far(i int) string  { return fmt.Sprintf("2001:db8:a%d::2", i) }

// config is what the i-th customer's BIRD is configured with, with a line about its session, and with
// what it has beside its own.
func (s *perNexthop) config(i int, session string, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "router id 192.0.2.%d;\nlog stderr all;\nprotocol device {}\nprotocol static own {\n  ipv6;\n", i+1)
	for _, a := range append(slices.Clip([][]string{ofFirst, ofSecond}[i]), more...) {
		fmt.Fprintf(&b, "  route %s/128 unreachable;\n", a)
	}
	fmt.Fprintf(&b, `}
protocol bgp upstream {
  %s
  local %s as %d;
  neighbor %s as 65501;
  connect retry time 1;
  error wait time 1, 2;
  ipv6 { import all; export where proto = "own"; };
}
`, session, s.far(i), 65101+i, s.near(i))
	return b.String()
}

// groups are the addresses behind FRR's red that share a label each: by nexthop, and what is connected.
func (*perNexthop) groups() [][]string {
	return [][]string{ofFirst, ofSecond, {throughHost}, {edge.Host(2, true)}}
}

// labelAt is the label of a route, or of a nexthop object, to PE 2.
var labelAt = regexp.MustCompile(fmt.Sprintf(`encap mpls\s+%d/(\d+) `, edge.Transport(2)))

// label is the one that PE 1's red has for an address, as text; "": it has no route by one.
func (s *perNexthop) label(address string) string {
	s.T.Helper()
	// An unreachable one is an error.
	out, err := s.one.Core.TryIP("route", "get", "vrf", "red", address, "fibmatch")
	if m := labelAt.FindStringSubmatch(out); err == nil && m != nil {
		return m[1]
	}
	return ""
}

// has are those of some addresses that PE 1's red has a route to.
func (s *perNexthop) has(addrs ...string) (list []string) {
	s.T.Helper()
	for _, a := range addrs {
		if s.label(a) != "" {
			list = append(list, a)
		}
	}
	return list
}

// labelled waits until the addresses of each group have one label, and there are so many; each is in
// FRR's label table, each has its nexthop object, and a packet to each address that somebody has is on
// the wire with it. It returns the labels.
func (s *perNexthop) labelled(groups [][]string, count int) map[string]int {
	s.T.Helper()
	var labels map[string]int
	lab.WaitFor(s.T, fmt.Sprintf("%v are by %d labels", groups, count), 2*lab.Patience, func() (why string) {
		labels, why = s.byGroup(groups, count)
		return why
	})
	for address, label := range labels {
		if address == recursive {
			continue
		}
		packet := lab.Labelled{Labels: fmt.Sprintf("%d/%d", edge.Transport(2), label), Plain: lab.Plain{From: addr(edge.Host(1, true)), To: addr(address)}}
		before := s.one.Labels()[packet]
		s.one.Tenants["red"].Host.WaitPing("", address)
		lab.WaitFor(s.T, fmt.Sprintf("a packet to %s has the label %d", address, label), lab.Patience, func() string {
			if s.one.Labels()[packet] == before {
				return "none has"
			}
			return ""
		})
	}
	return labels
}

// byGroup says why addresses do not share labels as they should.
func (s *perNexthop) byGroup(groups [][]string, count int) (labels map[string]int, why string) {
	s.T.Helper()
	labels = map[string]int{}
	different := map[int]bool{}
	table := "\n" + s.two.Core.IP("-f", "mpls", "route", "show")
	for _, group := range groups {
		for _, a := range group {
			label, err := strconv.Atoi(s.label(a))
			if err != nil {
				return nil, "no label leads to " + a
			}
			labels[a], different[label] = label, true
			if first := labels[group[0]]; label != first {
				return nil, fmt.Sprintf("%s has the label %d, and %s has %d", group[0], first, a, label)
			}
			if !strings.Contains(table, fmt.Sprintf("\n%d ", label)) {
				return nil, fmt.Sprintf("the label %d of %s is not in FRR's table:%s", label, a, table)
			}
		}
	}
	if len(different) != count {
		return nil, fmt.Sprintf("there are %v", labels)
	}
	return labels, s.objects()
}

// objects says why PE 1 has not exactly the nexthop objects whose labels its routes have.
func (s *perNexthop) objects() string {
	s.T.Helper()
	in := func(looks ...string) string {
		found := map[string]bool{}
		for _, look := range looks {
			for _, m := range labelAt.FindAllStringSubmatch(s.one.Core.IP(strings.Fields(look)...), -1) {
				found[m[1]] = true
			}
		}
		return fmt.Sprint(slices.Sorted(maps.Keys(found)))
	}
	proto := fmt.Sprint(s.Run.Protocol)
	if objects, routes := in("nexthop show proto "+proto), in("route show table all proto "+proto, "-6 route show table all proto "+proto); objects != routes {
		return fmt.Sprintf("there are nexthop objects with the labels %s, and routes with %s", objects, routes)
	}
	return ""
}
