package faults_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// upstreams are two neighbours that announce the same routes of both families, the better
// one with nexthops on a link beside its session's, and a third one that listens.
//
//	rtr  eth0 10.0.0.1 ── better AS 65001     eth5 10.0.5.1  2001:db8:5::1 ── better
//	     eth1 10.0.1.1  2001:db8:1::1 ── worse AS 65002, its nexthops as well
//	     eth2 10.0.2.1  2001:db8:2::1 ── listener AS 65003
type upstreams struct {
	*lab.Lab
	rtr, better, worse, listener *lab.Namespace
	second, third                *lab.BIRD
	daemon                       *lab.Daemon
	oracle                       *oracle.Oracle
	objects                      *oracle.ObjectWatch
	n                            int
}

// lost is a way in which the better neighbour's paths come to lead nowhere. Its session
// stays.
type lost struct {
	name   string
	four   string   // the nexthops of its paths
	six    string   // ""; no IPv6 routes
	before []string // of ip in the router
	cause  []string
	undo   []string
	// moves: the kernel leaves the routes where they are, so that the nexthop objects move
	// them all.
	moves  bool
	backup bool // backup_routes
}

var lostWays = []lost{
	// The kernel takes out, in silence, what hangs on the link: each route is written again.
	{name: "its link is down", four: "10.0.5.2", six: "2001:db8:5::2",
		cause: []string{"link set eth5 down"}, undo: []string{"link set eth5 up"}},
	// And then it goes by what stands beside them, before anybody has written a route.
	{name: "its link is down, with backup_routes", four: "10.0.5.2", six: "2001:db8:5::2", backup: true,
		cause: []string{"link set eth5 down"}, undo: []string{"link set eth5 up"}},
	{name: "its nexthop is unreachable", four: "10.9.1.3", six: "2001:db8:91::3", moves: true,
		before: []string{"route add 10.9.1.0/24 via 10.0.5.2 dev eth5 proto static", "route add 2001:db8:91::/64 via 2001:db8:5::2 dev eth5 proto static"},
		cause:  []string{"route del 10.9.1.0/24", "route del 2001:db8:91::/64"},
		undo:   []string{"route add 10.9.1.0/24 via 10.0.5.2 dev eth5 proto static", "route add 2001:db8:91::/64 via 2001:db8:5::2 dev eth5 proto static"}},
	{name: "it is behind a blackhole", four: "10.9.1.3", six: "2001:db8:91::3", moves: true,
		before: []string{"route add 10.9.1.0/24 via 10.0.5.2 dev eth5 proto static", "route add 2001:db8:91::/64 via 2001:db8:5::2 dev eth5 proto static"},
		cause:  []string{"route add blackhole 10.9.1.3/32 proto static", "route add unreachable 2001:db8:91::3/128 proto static"},
		undo:   []string{"route del blackhole 10.9.1.3/32 proto static", "route del unreachable 2001:db8:91::3/128 proto static"}},
	// The broadcast address of a subnet is on its link by every route, and the kernel takes
	// it for no gateway (fib_check_nh). In IPv6 no address is so: what the kernel refuses as
	// a gateway there, one's own address on another link, is not reached here either.
	{name: "the kernel refuses its nexthop", four: "10.9.1.3", moves: true,
		before: []string{"route add 10.9.1.0/24 via 10.0.5.2 dev eth5 proto static"},
		cause:  []string{"addr add 10.9.1.1/30 broadcast 10.9.1.3 dev eth5"},
		undo:   []string{"addr del 10.9.1.1/30 dev eth5"}},
}

// neighbourConfig is a BIRD with a session to the router, which gives its routes these
// nexthops and announces nothing where they are "".
func neighbourConfig(i int, four, six, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "router id 10.0.%d.2;\nlog stderr all;\nprotocol device {}\n", i)
	channels := ""
	for _, f := range []struct{ family, file, nexthop string }{{"ipv4", "four.conf", four}, {"ipv6", "six.conf", six}} {
		out := "none"
		if f.nexthop != "" {
			fmt.Fprintf(&b, "protocol static { %s;\ninclude %q;\n}\n", f.family, f.file)
			out = fmt.Sprintf("filter { if source != RTS_STATIC then reject; bgp_next_hop = %s; %s accept; }", f.nexthop, more)
		}
		channels += fmt.Sprintf("  %s { import all; export %s; };\n", f.family, out)
	}
	fmt.Fprintf(&b, "protocol bgp rtr {\n  local 10.0.%d.2 as %d;\n  neighbor 10.0.%[1]d.1 as 65000;\n  connect retry time 1;\n  error wait time 1, 2;\n%[3]s}\n", i, 65001+i, channels)
	return b.String()
}

// newUpstreams starts them all, and waits until the better neighbour's paths are in use.
func newUpstreams(t *testing.T, n int, by lost) *upstreams {
	t.Helper()
	l := newLab(t, "bird", "birdc")
	v := &upstreams{Lab: l, rtr: l.Namespace("rtr"), better: l.Namespace("better"), worse: l.Namespace("worse"), listener: l.Namespace("listener"), n: n}
	v.rtr.Sysctl("ipv6.conf.all.keep_addr_on_down", "1")
	v.rtr.Sysctl("ipv4.nexthop_compat_mode", "0") // or the kernel tells of each route of an object that is replaced
	config := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	for i, to := range []*lab.Namespace{v.better, v.worse, v.listener} {
		dev := fmt.Sprintf("eth%d", i)
		l.Subnet(v.rtr, dev, to, dev, fmt.Sprintf("10.0.%d.1/24", i), fmt.Sprintf("2001:db8:%d::1/64", i))
		config += fmt.Sprintf("[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"10.0.%d.2\"\n    peer-as = %d\n  [neighbors.timers.config]\n    connect-retry = 1\n    hold-time = 180\n", i, 65001+i)
		for _, family := range []string{"ipv4-unicast", "ipv6-unicast"} {
			config += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", family)
		}
	}
	l.Subnet(v.rtr, "eth5", v.better, "eth5", "10.0.5.1/24", "2001:db8:5::1/64")
	v.rtr.Batch(append(by.before, foreignRoutes[4])...)
	var four, six strings.Builder
	for i := range n {
		fmt.Fprintf(&four, "route %s blackhole;\n", prefix4(i))
	}
	for i := range routes6 {
		fmt.Fprintf(&six, "route %s blackhole;\n", prefix6(i))
	}
	l.File("four.conf", four.String())
	l.File("six.conf", six.String())
	v.oracle = oracle.New(t, v.rtr, run.Protocol)
	v.objects = oracle.WatchObjects(t, v.rtr, run.Protocol)
	v.daemon = v.rtr.Daemon(config + fmt.Sprintf("[netlink.export]\n  enabled = true\n  backup_routes = %v\n", by.backup))
	v.third = v.listener.BIRD(neighbourConfig(2, "", "", ""))
	second6 := "2001:db8:1::2"
	if by.six == "" {
		second6 = ""
	}
	v.second = v.worse.BIRD(neighbourConfig(1, "10.0.1.2", second6, "bgp_path.prepend(65002);"))
	v.told(by, 65002)
	v.better.BIRD(neighbourConfig(0, by.four, by.six, ""))
	v.forwards(by, "eth5")
	v.told(by, 65001)
	routes := v.all(by)
	if by.backup {
		routes *= 2
	}
	lab.WaitEqual(t, "routes in the kernel", routes, v.oracle.Count)
	return v
}

// sample are first addresses of the routes, evenly spread.
func (v *upstreams) sample(by lost) (list []netip.Addr) {
	const most = 256
	pick := func(n int, prefix func(int) string) {
		for i := range min(n, most) {
			list = append(list, netip.MustParsePrefix(prefix(i*n/min(n, most))).Addr())
		}
	}
	pick(v.n, prefix4)
	if by.six != "" {
		pick(routes6, prefix6)
	}
	return list
}

// forwards waits until packets for every route of the sample leave by an interface, ""
// by none, and returns how long that took.
func (v *upstreams) forwards(by lost, dev string) time.Duration {
	v.T.Helper()
	began, index, sample := time.Now(), int32(0), v.sample(by)
	if dev != "" {
		index = v.oracle.Link(dev)
	}
	lab.WaitEvery(v.T, fmt.Sprintf("packets leave by %q", dev), time.Millisecond, limit(), func() string {
		for i, a := range sample {
			if now := v.oracle.Leaves(a); now != index {
				return fmt.Sprintf("those for %v leave by interface %d, want %d; %d others do", a, now, index, i)
			}
		}
		return ""
	})
	return time.Since(began)
}

// forwardAtOnce holds that packets for every route of the sample leave by an interface, each
// time it looks: for none of them there is a moment without a route.
func (v *upstreams) forwardAtOnce(by lost, dev string) {
	v.T.Helper()
	const looks = 10
	index, sample := v.oracle.Link(dev), v.sample(by)
	for range looks {
		for _, a := range sample {
			if now := v.oracle.Leaves(a); now != index {
				v.T.Fatalf("packets for %v leave by interface %d, want %d at once", a, now, index)
			}
		}
	}
}

// told waits until the third neighbour is told all routes through this AS, and none through
// another; 0: no route at all.
func (v *upstreams) told(by lost, as int) {
	v.T.Helper()
	count := func(table, where string) string {
		out := v.third.Show("show route table " + table + where + " count")
		return strings.Fields(out[strings.LastIndexByte(strings.TrimSpace(out), '\n')+1:])[0]
	}
	tables := map[string]int{"master4": v.n, "master6": routes6}
	if by.six == "" {
		delete(tables, "master6")
	}
	lab.WaitEvery(v.T, fmt.Sprintf("the third neighbour is told of AS %d alone", as), 100*time.Millisecond, limit(), func() string {
		for table, want := range tables {
			if as == 0 {
				want = 0
			}
			all, through := count(table, ""), count(table, fmt.Sprintf(" where bgp_path ~ [= 65000 %d * =]", as))
			if all != fmt.Sprint(want) || through != fmt.Sprint(want) {
				return fmt.Sprintf("%s: %s routes, %s of them through AS %d; want %d", table, all, through, as, want)
			}
		}
		return ""
	})
}

// The better of two neighbours' paths come to lead nowhere, while the session that brought
// them stays: the other's forward, and no neighbour is told of the dead ones. Where the
// kernel leaves the routes, no route is written for it. Where nothing forwards, no
// neighbour is told to send here.
func TestFault53OnlyPathsThatForward(t *testing.T) {
	for _, by := range lostWays {
		t.Run(by.name, func(t *testing.T) {
			v := newUpstreams(t, routes, by)
			foreign := v.oracle.Foreign()
			mark := v.rtr.Mark()
			v.objects.Forget()
			v.rtr.Batch(by.cause...)
			if by.backup {
				v.forwardAtOnce(by, "eth1")
			}
			took := v.forwards(by, "eth1")
			messages, objects := len(v.rtr.Since(mark)), v.objects.Count()
			if by.backup {
				measured(t, "%s: %d routes the other way at the first look", by.name, len(v.sample(by)))
			} else {
				promised(t, fmt.Sprintf("%s: %d routes the other way", by.name, len(v.sample(by))), took, v.promise(by))
			}
			measured(t, "%s: %d messages about routes and %d about nexthop objects moved %d routes", by.name, messages, objects, v.all(by))
			if by.moves {
				// One replace for each family, and the objects of the other way.
				if messages > 0 || objects > 8 {
					t.Errorf("%d messages about routes and %d about nexthop objects", messages, objects)
				}
			}
			v.told(by, 65002)

			v.second.Kill() // nothing is left that forwards
			v.oracle.WaitEmpty(limit())
			v.told(by, 0)
			v.rtr.Batch(by.undo...)
			v.forwards(by, "eth5")
			v.told(by, 65001)
			v.oracle.WaitForeign(foreign)
		})
	}
}

// promise is how soon packets leave the other way: at once where the kernel leaves the routes;
// else each of them is written, which the machine that promises are of does in 5 µs, within 1.2
// times that.
func (v *upstreams) promise(by lost) time.Duration {
	const atOnce, written = 10 * time.Millisecond, 6 * time.Microsecond
	if by.moves {
		return atOnce
	}
	return atOnce + time.Duration(v.all(by))*written
}

// all is how many routes there are.
func (v *upstreams) all(by lost) int {
	if by.six == "" {
		return v.n
	}
	return v.n + routes6
}
