package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/bench/prefixes"
	"github.com/vrfredist/vrfredist/bench/probe"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The network of every scenario: the sender's namespace and the router's, joined
// by two links. BGP runs over the first; the nexthop of all routes lies behind a
// static route, by which it can be moved to the second.
//
//	10.0.0.2 sender eth─┬─eth0 10.0.0.1 router   10.255.0.0/24 via 10.0.0.2
//	10.0.0.3  (a peer)  │
//	10.0.1.2        eth─┴─eth1 10.0.1.1
const as = 65000

var (
	routerAddr = netip.MustParseAddr("10.0.0.1")
	peerAddr   = netip.MustParseAddr("10.0.0.3")
	nexthop    = netip.MustParseAddr("10.255.0.1")
	covering   = netip.MustParsePrefix("10.255.0.0/24")
	gateways   = [2]netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.1.2")}
)

const nexthop6 = "fd00:255::1"

// unwatched returns a namespace without the lab's watch over its routes, which
// at a million routes would be what is measured.
func unwatched(l *lab.Lab, role string) *lab.Namespace {
	n := l.Namespace(role)
	n.Delete()
	if out, err := exec.Command("ip", "netns", "add", n.Name).CombinedOutput(); err != nil {
		l.T.Fatalf("make a namespace: %v: %s", err, out)
	}
	n.IP("link", "set", "lo", "up")
	return n
}

// sender is the one BIRD that feeds every receiver of a round.
type sender struct {
	t    *stage
	lab  *lab.Lab
	ns   *lab.Namespace
	bird *lab.BIRD
}

func newSender(t *stage, w *work) *sender {
	l := lab.New(t, w.run)
	s := &sender{t: t, lab: l, ns: unwatched(l, "sender")}
	v4 := l.File("v4.inc", staticRoutes(w.v4))
	v6 := l.File("v6.inc", staticRoutes(w.v6))
	s.bird = s.ns.BIRD(fmt.Sprintf(`router id 10.0.0.2;
protocol device { }
protocol static routes4 {
	ipv4;
include %q;
}
protocol static routes6 {
	ipv6;
include %q;
}
template bgp receiver {
	local as %d;
	disabled;
	connect delay time 1;
	connect retry time 1;
	error wait time 1, 1;
}
protocol bgp full4 from receiver {
	local 10.0.0.2;
	neighbor 10.0.0.1 as %[3]d;
	ipv4 { import none; export filter { bgp_next_hop = %[4]v; accept; }; };
}
protocol bgp full6 from receiver {
	local fd00::2;
	neighbor fd00::1 as %[3]d;
	ipv6 { import none; export filter { bgp_next_hop = %[5]s; accept; }; };
}
`, v4, v6, as, nexthop, nexthop6))
	want := fmt.Sprintf("Total: %d of", len(w.v4)+len(w.v6))
	t.until("the sender loads its routes", time.Minute, 100*time.Millisecond, func() bool {
		return strings.Contains(s.bird.Show("show route count"), want)
	})
	return s
}

// staticRoutes renders a table for BIRD.
func staticRoutes(table []netip.Prefix) string {
	var b strings.Builder
	for path, run := range prefixes.Runs(table) {
		for _, p := range run {
			fmt.Fprintf(&b, "route %v blackhole { bgp_path.prepend(%d); bgp_path.prepend(%d); bgp_path.prepend(%d); };\n", p, path[2], path[1], path[0])
		}
	}
	return b.String()
}

// feed turns the session of a family ("full4", "full6") on or off.
func (s *sender) feed(session string, on bool) {
	verb := "disable"
	if on {
		verb = "enable"
	}
	s.bird.Show(verb + " " + session)
}

// router is a fresh namespace for one receiver.
type router struct {
	t    *stage
	lab  *lab.Lab
	ns   *lab.Namespace
	far  *lab.Namespace // the sender's
	sock *probe.Socket
	eth  [2]int // indexes of eth0 and eth1
	link string // the far end of eth0
}

// newRouter makes a router, joined to far.
func newRouter(t *stage, w *work, far *lab.Namespace) *router {
	l := lab.New(t, w.run)
	r := &router{t: t, lab: l, ns: unwatched(l, "router"), far: far}
	for i := range r.eth {
		w.links++
		farName, name := fmt.Sprintf("s%d", w.links), fmt.Sprintf("eth%d", i)
		l.Link(far, farName, r.ns, name)
		// The namespace's end takes a while, and the addresses are needed again.
		t.Cleanup(func() { far.IP("link", "del", farName) })
		r.ns.Address(name, fmt.Sprintf("10.0.%d.1/24", i), fmt.Sprintf("fd0%d::1/64", i))
		far.Address(farName, fmt.Sprintf("10.0.%d.2/24", i), fmt.Sprintf("fd0%d::2/64", i))
		if i == 0 {
			r.link = farName
			far.Address(farName, peerAddr.String()+"/24")
		}
		r.eth[i] = r.index(name)
	}
	r.ns.IP("route", "add", covering.String(), "via", gateways[0].String(), "dev", "eth0", "proto", "static")
	r.ns.IP("-6", "route", "add", "fd00:255::/64", "via", "fd00::2", "dev", "eth0", "proto", "static")
	// With the default, the kernel announces every route of a nexthop object
	// that is replaced; whoever uses objects turns that off.
	r.inside(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/nexthop_compat_mode", []byte("0"), 0o644)
	})
	var err error
	r.sock, err = probe.Open(r.ns.Enter)
	t.must(err)
	t.Cleanup(func() { t.must(r.sock.Close()) })
	return r
}

func (r *router) inside(do func() error) { r.t.must(r.ns.Enter(do)) }

func (r *router) index(device string) (index int) {
	r.inside(func() error {
		link, err := net.InterfaceByName(device)
		if err == nil {
			index = link.Index
		}
		return err
	})
	return index
}

// dial opens a session of the exact peer with the receiver.
func (r *router) dial(vpn bool) *peer.Peer { return r.dialAs(peer.Config{VPN: vpn}) }

func (r *router) dialAs(c peer.Config) *peer.Peer {
	c.Local, c.Remote = peerAddr, routerAddr
	if c.AS == 0 {
		c.AS = as
	}
	var p *peer.Peer
	r.t.until("the exact peer's session is up", 30*time.Second, 100*time.Millisecond, func() bool {
		var err error
		p, err = peer.Dial(r.far.Enter, c)
		return err == nil
	})
	r.t.Cleanup(func() { _ = p.Close() }) // the other side may have closed it
	return p
}
