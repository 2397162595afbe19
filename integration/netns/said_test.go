package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// desk is two tenants, a and b, with customers that are BIRDs: the first two are a's,
// the third is b's. b imports what has its route target.
//
//	a  cust1 192.0.1.1/24  2001:db8:1::1/64 ── c1 eth0 .2 ::2
//	   cust2 192.0.2.1/24  2001:db8:2::1/64 ── c2 eth0 .2 ::2
//	b  cust3 192.0.3.1/24  2001:db8:3::1/64 ── c3 eth0 .2 ::2
type desk struct {
	*lab.Lab
	a, b      *lab.Namespace
	customers [3]*lab.BIRD
	daemon    *lab.Daemon
}

// says is what a customer of the desk has to say.
type says struct {
	four, six []string // prefixes, with what is set on them: "10.1.0.0/16 bgp_med = 5;"
	session   string   // more of its session's configuration
}

func (s says) config(number int) string {
	statics := func(list []string) (out string) {
		for _, line := range list {
			prefix, set, _ := strings.Cut(line, " ")
			out += fmt.Sprintf(" route %s blackhole { %s };\n", prefix, set)
		}
		return out
	}
	return fmt.Sprintf(`
router id 192.0.%[1]d.2;
protocol device {}
protocol static four { ipv4; %[2]s }
protocol static six { ipv6; %[3]s }
protocol bgp up {
  local 192.0.%[1]d.2 as 6510%[1]d;
  neighbor 192.0.%[1]d.1 as 65000;
  connect retry time 1;
  error wait time 1, 2;
  %[4]s
  ipv4 { import all; export where proto = "four"; };
  ipv6 { import all; export where proto = "six"; next hop address 2001:db8:%[1]d::2; };
}
`, number, statics(s.four), statics(s.six), s.session)
}

// newDesk builds it, with the daemon running and these keys of a VRF's and of each
// neighbour's.
func newDesk(t *testing.T, vrf string, neighbours [3]string, customers ...says) *desk {
	t.Helper()
	l := newLab(t, bird, "birdc")
	k := &desk{Lab: l, a: l.Namespace("a"), b: l.Namespace("b")}
	for i := range k.customers {
		n, at := i+1, k.a
		if n == 3 {
			at = k.b
		}
		home := l.Namespace(fmt.Sprintf("c%d", n))
		l.Subnet(at, fmt.Sprintf("cust%d", n), home, "eth0", fmt.Sprintf("192.0.%d.1/24", n), fmt.Sprintf("2001:db8:%d::1/64", n))
		k.customers[i] = home.BIRD(append(customers, says{}, says{}, says{})[i].config(n))
	}
	k.daemon = l.Namespace("rtr").Daemon(k.config(vrf, neighbours))
	return k
}

func (k *desk) config(vrf string, neighbours [3]string) string {
	t := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	for i, more := range neighbours {
		n, name, ns := i+1, "a", k.a.Name
		if n == 3 {
			name, ns = "b", k.b.Name
		}
		t += fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.%[1]d.2"
    peer-as = 6510%[1]d
    vrf = %[2]q
    netns = %[3]q
    %[4]s
  [neighbors.transport.config]
    local-address = "192.0.%[1]d.1"
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`, n, name, ns, more)
	}
	for name, ns := range map[string]string{"a": k.a.Name, "b": k.b.Name} {
		number, more := 10, vrf
		if name == "b" {
			number, more = 20, ""
		}
		t += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %[1]q\n    rd = \"65000:%[2]d\"\n    both-rt-list = [\"65000:%[2]d\"]\n"+
			"[[netlink.vrfs]]\n  name = %[1]q\n  netns = %[3]q\n  %[4]s\n  [netlink.vrfs.export]\n    enabled = true\n", name, number, ns, more)
	}
	return t
}

// by are routes of a customer as a table shows them.
func (k *desk) by(customer int, prefixes ...string) []string {
	var list []string
	for _, p := range prefixes {
		via := fmt.Sprintf("192.0.%d.2", customer)
		if strings.Contains(p, ":") {
			via = fmt.Sprintf("2001:db8:%d::2", customer)
		}
		list = append(list, fmt.Sprintf("%s via %s dev cust%d metric 20", p, via, customer))
	}
	return list
}

// sessions are those of the customers, once all of them are up, and since when they are.
func (k *desk) sessions() (list []string) {
	k.T.Helper()
	for _, c := range k.customers {
		var line string
		lab.WaitFor(k.T, "a customer's session", lab.Patience, func() string {
			if line = c.Show("show protocols up"); !strings.Contains(line, "Established") {
				return line
			}
			return ""
		})
		list = append(list, line)
	}
	return list
}

// A customer sets another tenant's route target: it is removed, unless the
// configuration has the customer set it.
func TestRouteTargetsOfACustomer(t *testing.T) {
	t.Parallel()
	rt := "bgp_ext_community.add((rt, 65000, 20)); bgp_ext_community.add((rt, 65000, 77)); bgp_ext_community.add((ro, 65000, 5));"
	four, six := []string{"10.1.0.0/16 " + rt, "10.2.0.0/16"}, []string{"2001:db8:a1::/48 " + rt}
	own := says{four: []string{"10.3.0.0/16"}}
	k := newDesk(t, "", [3]string{}, says{four: four, six: six}, says{}, own)
	k.a.WaitOwn(lab.Main, k.by(1, "10.1.0.0/16", "10.2.0.0/16", "2001:db8:a1::/48")...)
	k.b.WaitOwn(lab.Main, k.by(3, "10.3.0.0/16")...)
	up := k.sessions()
	hears := func(want ...string) {
		lab.WaitEqual(t, "what b's customer hears", want, func() []string { return k.customers[2].Received("up") })
	}
	hears()
	for _, tc := range []struct {
		keys string
		in   bool
	}{
		{`accept_route_targets = ["65000:21"]`, false},
		{`accept_route_targets = ["65000:20"]`, true},
		{"", false},
		{`accept_route_targets = ["*"]`, true},
	} {
		k.daemon.Reload(k.config("", [3]string{tc.keys}))
		for _, p := range []string{"10.1.0.0/16", "2001:db8:a1::/48"} { // their nexthops are in another namespace
			waitVRFState(t, k.daemon, "b", p, map[bool]string{true: "unresolved", false: "none"}[tc.in])
		}
		// The IPv6 route on an IPv4 session comes with our address of that link, or BIRD
		// would not take it.
		hears(map[bool][]string{true: {"10.1.0.0/16", "2001:db8:a1::/48"}}[tc.in]...)
	}
	k.a.WaitOwn(lab.Main, k.by(1, "10.1.0.0/16", "10.2.0.0/16", "2001:db8:a1::/48")...)
	k.b.WaitOwn(lab.Main, k.by(3, "10.3.0.0/16")...)
	lab.Equal(t, "the customers' sessions", up, k.sessions())
}

// A customer's LOCAL_PREF decides nothing: the shorter path is the best.
func TestLocalPrefOfACustomer(t *testing.T) {
	t.Parallel()
	long := says{
		four: []string{"10.1.0.0/16 bgp_path.prepend(65102); bgp_local_pref = 4000;"}, six: []string{"2001:db8:a1::/48 bgp_path.prepend(65102); bgp_local_pref = 4000;"},
		session: "allow bgp_local_pref on;",
	}
	long.four = append(long.four, "10.2.0.0/16") // says that the rest has come
	k := newDesk(t, "", [3]string{}, says{four: []string{"10.1.0.0/16"}, six: []string{"2001:db8:a1::/48"}}, long)
	k.a.WaitOwn(lab.Main, append(k.by(1, "10.1.0.0/16", "2001:db8:a1::/48"), k.by(2, "10.2.0.0/16")...)...)
	k.customers[0].Reconfigure(says{}.config(1)) // the other path was there all the time
	k.a.WaitOwn(lab.Main, k.by(2, "10.1.0.0/16", "10.2.0.0/16", "2001:db8:a1::/48")...)
}

// A path whose first AS is not the neighbour's, or that has AS 0 or our own in it, is
// taken for a withdrawal. A route server's are let in by enforce_first_as = false.
func TestPathsOfACustomer(t *testing.T) {
	t.Parallel()
	paths := []string{"10.1.0.0/16 bgp_path.prepend(65123);", "10.2.0.0/16 bgp_path.prepend(65000); bgp_path.prepend(65123);", "10.3.0.0/16 bgp_path.prepend(0); bgp_path.prepend(65123);"}
	six := []string{"2001:db8:a1::/48 bgp_path.prepend(65123);"}
	server := says{four: paths, six: six, session: "rs client;"}
	k := newDesk(t, "", [3]string{}, server, says{four: append([]string{"10.4.0.0/16"}, paths[1:]...)})
	k.a.WaitOwn(lab.Main, k.by(2, "10.4.0.0/16")...)
	if out := k.daemon.Do("neighbor", "192.0.1.2"); !strings.Contains(out, "enforce_first_as = false") {
		t.Errorf("nothing says what a route server needs: %s", out)
	}
	up := k.sessions()
	k.daemon.Reload(k.config("", [3]string{"enforce_first_as = false"}))
	k.a.WaitOwn(lab.Main, append(k.by(1, "10.1.0.0/16", "2001:db8:a1::/48"), k.by(2, "10.4.0.0/16")...)...)
	k.daemon.Reload(k.config("", [3]string{}))
	k.a.WaitOwn(lab.Main, k.by(2, "10.4.0.0/16")...)
	lab.Equal(t, "the customers' sessions", up, k.sessions())

	t.Log("a route that was in comes back with our own AS in its path")
	k.customers[1].Reconfigure(says{four: []string{"10.4.0.0/16 bgp_path.prepend(65000);", "10.5.0.0/16"}}.config(2))
	k.a.WaitOwn(lab.Main, k.by(2, "10.5.0.0/16")...)
	k.customers[1].Reconfigure(says{four: []string{"10.4.0.0/16", "10.5.0.0/16"}}.config(2))
	k.a.WaitOwn(lab.Main, k.by(2, "10.4.0.0/16", "10.5.0.0/16")...)
}

// Martians are let in where the configuration says so, on a session that is up, and go
// again.
func TestMartiansOfACustomer(t *testing.T) {
	t.Parallel()
	k := newDesk(t, "", [3]string{}, says{four: []string{"240.1.0.0/16", "0.1.0.0/16", "10.1.0.0/16"}, six: []string{"fec0:1::/32", "2001:db8:a1::/48"}})
	lawful := k.by(1, "10.1.0.0/16", "2001:db8:a1::/48", "fec0:1::/32")
	k.a.WaitOwn(lab.Main, lawful...)
	up := k.sessions()
	k.daemon.Reload(k.config("", [3]string{`accept_martians = ["240.0.0.0/4"]`}))
	k.a.WaitOwn(lab.Main, append(k.by(1, "240.1.0.0/16"), lawful...)...)
	k.daemon.Reload(k.config("", [3]string{}))
	k.a.WaitOwn(lab.Main, lawful...)
	lab.Equal(t, "the customers' sessions", up, k.sessions())
}

// Over max_prefixes of a VRF prefixes are taken for withdrawn; everything else stays, and
// what was left out comes in when there is room.
func TestMaxPrefixesOfATenant(t *testing.T) {
	t.Parallel()
	many := func(net, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("10.%d.%d.0/24", net, i))
		}
		return list
	}
	limit := "max_prefixes = 10"
	k := newDesk(t, "[netlink.vrfs.bgp]\n    "+limit, [3]string{}, says{four: many(1, 8)}, says{}, says{four: many(3, 30)})
	k.a.WaitOwn(lab.Main, k.by(1, many(1, 8)...)...)
	k.customers[1].Reconfigure(says{four: many(2, 8)}.config(2))
	count := func() []int {
		c := []int{0, 0}
		for _, r := range k.a.Own(lab.Main) {
			c[strings.Count(r, "cust2")]++
		}
		return c
	}
	lab.WaitEqual(t, "routes of the two customers", []int{8, 2}, count)
	if out := k.daemon.Do("neighbor", "192.0.2.2"); !strings.Contains(out, "6 over_limit") {
		t.Errorf("nothing says why routes are missing: %s", out)
	}
	k.b.WaitOwn(lab.Main, k.by(3, many(3, 30)...)...)
	up := k.sessions()
	k.customers[0].Reconfigure(says{four: many(1, 2)}.config(1))
	k.a.WaitOwn(lab.Main, append(k.by(1, many(1, 2)...), k.by(2, many(2, 8)...)...)...)
	lab.Equal(t, "the customers' sessions", up, k.sessions())
}
