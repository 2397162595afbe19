package netns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// appliedNet has a neighbour of each kind, a BIRD each: in no VRF, in a VRF, and in the
// namespace that the VRF is. The first and the last have the same addresses.
//
//	up (BIRD)    10.0.0.2  2001:db8::2    ── eth0 10.0.0.1  rtr (vrfredist, AS 65000)
//	side (BIRD)  10.0.1.2  2001:db8:1::2  ── eth1 10.0.1.1  rtr, and its VRF is red
//	cust (BIRD)  10.0.0.2  2001:db8::2    ── eth0 10.0.0.1  red, lan0 192.168.1.1
type appliedNet struct {
	*lab.Lab
	rtr, red       *lab.Namespace
	up, side, cust *lab.BIRD
	daemon         *lab.Daemon
}

func newAppliedNet(t *testing.T) *appliedNet {
	t.Helper()
	l := newLab(t, bird, "birdc")
	lab.Need(t, gobgp)
	n := &appliedNet{Lab: l, rtr: l.Namespace("rtr"), red: l.Namespace("red")}
	up, side, cust, host := l.Namespace("up"), l.Namespace("side"), l.Namespace("cust"), l.Namespace("host")
	l.Subnet(n.rtr, "eth0", up, "eth0", "10.0.0.1/24", "2001:db8::1/64")
	l.Subnet(n.rtr, "eth1", side, "eth0", "10.0.1.1/24", "2001:db8:1::1/64")
	l.Subnet(n.red, "eth0", cust, "eth0", "10.0.0.1/24", "2001:db8::1/64")
	l.Subnet(n.red, "lan0", host, "eth0", "192.168.1.1/24", "2001:db8:77::1/64")
	routes := func(numbers ...int) string {
		var four, six []string
		for _, i := range numbers {
			four, six = append(four, sent4(i, "")), append(six, sent6(i, ""))
		}
		return birdConfig(statics(four, six))
	}
	n.up, n.cust = up.BIRD(routes(1, 2)), cust.BIRD(routes(1, 2))
	n.side = side.BIRD(strings.NewReplacer("10.0.0.", "10.0.1.", "2001:db8::", "2001:db8:1::", "as 65100", "as 65101").Replace(routes(3, 4)))
	return n
}

// appliedConfig is a configuration in which each neighbour has policies, or none: lines of
// its apply-policy by "up", "side" and "cust", and more sections.
func (n *appliedNet) config(applied map[string]string, more string) string {
	var b strings.Builder
	b.WriteString("[global.config]\n as = 65000\n router-id = \"10.0.0.1\"\n")
	for _, x := range []struct{ who, four, six, more, ours4, ours6 string }{
		{"up", "10.0.0.2", "2001:db8::2", " peer-as = 65100\n", "", ""},
		{"side", "10.0.1.2", "2001:db8:1::2", " peer-as = 65101\n vrf = \"red\"\n", "", ""},
		{"cust", "10.0.0.2", "2001:db8::2", fmt.Sprintf(" peer-as = 65100\n vrf = \"red\"\n netns = %q\n", n.red.Name), "10.0.0.1", "2001:db8::1"},
	} {
		for family, addrs := range map[string][2]string{"ipv4-unicast": {x.four, x.ours4}, "ipv6-unicast": {x.six, x.ours6}} {
			fmt.Fprintf(&b, "[[neighbors]]\n[neighbors.config]\n neighbor-address = %q\n%s", addrs[0], x.more)
			fmt.Fprintf(&b, "[neighbors.timers.config]\n connect-retry = 1\n idle-hold-time-after-reset = 1\n[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\n afi-safi-name = %q\n", family)
			if addrs[1] != "" {
				fmt.Fprintf(&b, "[neighbors.transport.config]\n local-address = %q\n", addrs[1])
			}
			if lines := applied[x.who]; lines != "" {
				fmt.Fprintf(&b, "[neighbors.apply-policy.config]\n%s\n", lines)
			}
		}
	}
	for name, i := range map[string]int{"not1": 1, "not2": 2, "not4": 4, "notLAN": 0} {
		four, six := fmt.Sprintf("172.16.%d.0/24", i), fmt.Sprintf("2001:db8:%x::/48", 0x1000+i)
		if i == 0 {
			four, six = "192.168.1.0/24", "2001:db8:77::/64"
		}
		fmt.Fprintf(&b, "[[policy-definitions]]\nname = %q\n", name)
		for f, p := range map[string]string{"4": four, "6": six} {
			fmt.Fprintf(&b, "[[policy-definitions.statements]]\nname = \"%s-%s\"\nconditions = {match-prefix-set = {prefix-set = \"%s-%s\"}}\nactions = {route-disposition = \"reject-route\"}\n", name, f, name, f)
			fmt.Fprintf(&b, "[[defined-sets.prefix-sets]]\nprefix-set-name = \"%s-%s\"\nprefix-list = [{ip-prefix = %q}]\n", name, f, p)
		}
	}
	fmt.Fprintf(&b, "[[vrfs]]\n[vrfs.config]\n name = \"red\"\n rd = \"65000:1\"\n both-rt-list = [\"65000:1\"]\n")
	fmt.Fprintf(&b, "[[netlink.vrfs]]\n name = \"default\"\n export = {enabled = true}\n[[netlink.vrfs]]\n name = \"red\"\n netns = %q\n export = {enabled = true}\n import = {enabled = true, interface_list = [\"lan0\"]}\n", n.red.Name)
	return b.String() + more
}

// holds waits until the tables and the neighbours have what they should.
func (n *appliedNet) holds(when string, main, red, up, side, cust []int, lanToSide, lanToCust bool) {
	n.T.Helper()
	shown := func(numbers []int) (list []string) {
		for _, i := range numbers {
			list = append(list, shown4(i), shown6(i))
		}
		return list
	}
	n.rtr.WaitOwn(lab.Main, shown(main)...)
	n.red.WaitOwn(lab.Main, shown(red)...)
	for _, x := range []struct {
		who     string
		of      *lab.BIRD
		numbers []int
		lan     bool
	}{{"up", n.up, up, false}, {"side", n.side, side, lanToSide}, {"cust", n.cust, cust, lanToCust}} {
		four, six := []string{}, []string{}
		for _, i := range x.numbers {
			four, six = append(four, fmt.Sprintf("172.16.%d.0/24", i)), append(six, fmt.Sprintf("2001:db8:%x::/48", 0x1000+i))
		}
		if x.lan {
			four, six = append(four, "192.168.1.0/24"), append(six, "2001:db8:77::/64")
		}
		slices.Sort(four)
		slices.Sort(six)
		for protocol, want := range map[string][]string{"v4": four, "v6": six} {
			lab.WaitEqual(n.T, when+": what "+x.who+" has by "+protocol, want, func() []string {
				got := x.of.Received(protocol)
				slices.Sort(got)
				return got
			})
		}
	}
}

// TestApplied: the policies of neighbours in no VRF, in a VRF and in a namespace, in both
// directions and families, after a start, after reloads, and after a rollback.
func TestApplied(t *testing.T) {
	t.Parallel()
	n := newAppliedNet(t)
	const none = ""
	applied := map[string]string{
		"up":   "import-policy-list = [\"not2\"]",
		"side": "import-policy-list = [\"not4\"]\nexport-policy-list = [\"not1\"]",
		"cust": "import-policy-list = [\"not2\"]\nexport-policy-list = [\"notLAN\"]",
	}
	n.daemon = n.rtr.Daemon(n.config(applied, none))
	with := func(when string) {
		t.Helper()
		n.holds(when, []int{1}, []int{1}, nil, nil, nil, true, false)
		n.unresolved(when, 3)
	}
	without := func(when string) {
		t.Helper()
		n.holds(when, []int{1, 2}, []int{1, 2}, nil, []int{1, 2}, nil, true, true)
		n.unresolved(when, 3, 4)
	}
	with("after the start")
	n.daemon.Reload(n.config(nil, none))
	without("without policies")
	n.daemon.Reload(n.config(applied, none))
	with("with policies again")
	n.daemon.Write(n.config(nil, none))
	n.daemon.Do("reload", "--confirm", "15s")
	without("while it waits to be confirmed")
	with("after it was taken back")

	// A set names the customer in the namespace alone, though another has its address.
	n.daemon.Reload(n.config(nil, `
[global.apply-policy.config]
  import-policy-list = ["cust2"]
[[defined-sets.neighbor-sets]]
  neighbor-set-name = "cust"
  neighbor-info-list = ["10.0.0.2@red", "2001:db8::2@red"]
[[policy-definitions]]
  name = "cust2"
  [[policy-definitions.statements]]
    name = "cust2-4"
    conditions = {match-prefix-set = {prefix-set = "not2-4"}, match-neighbor-set = {neighbor-set = "cust"}}
    actions = {route-disposition = "reject-route"}
  [[policy-definitions.statements]]
    name = "cust2-6"
    conditions = {match-prefix-set = {prefix-set = "not2-6"}, match-neighbor-set = {neighbor-set = "cust"}}
    actions = {route-disposition = "reject-route"}
`))
	n.holds("with a set", []int{1, 2}, []int{1}, nil, []int{1}, nil, true, true)
}

// unresolved waits until the routes of side that came in are these: its nexthop is not in
// the VRF's table.
func (n *appliedNet) unresolved(when string, numbers ...int) {
	n.T.Helper()
	want := []string{}
	for _, i := range numbers {
		want = append(want, fmt.Sprintf("172.16.%d.0/24", i), fmt.Sprintf("2001:db8:%x::/48", 0x1000+i))
	}
	slices.Sort(want)
	lab.WaitEqual(n.T, when+": what came from side", want, func() []string {
		got := []string{}
		for _, r := range n.daemon.RouteStates("export", "--vrf", "red") {
			if r.State == "unresolved" {
				got = append(got, r.Prefix)
			}
		}
		slices.Sort(got)
		return got
	})
}
