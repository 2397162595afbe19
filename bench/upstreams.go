package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/bench/probe"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// upstreams are two neighbours of one router, each over a link and an AS of its own, which
// announce the same table over eBGP, the first with the shorter paths; and a client behind
// the router, whose packets go to one of them.
//
//	                                ┌─eth0 10.1.0.1 ── eth0 10.1.0.2 first   AS 65001
//	client 10.9.0.2 eth0 ── eth2 router
//	                                └─eth1 10.2.0.1 ── eth0 10.2.0.2 second  AS 65002
//
// A neighbour is a process of its own that sends a file: the two hold no table.
type upstreams struct {
	*router
	w      *work
	client *lab.Namespace
	side   [2]upstream
}

type upstream struct {
	ns     *lab.Namespace
	stream string // the file of its messages
	proc   *lab.Process
}

// upstreamAS is the AS of a neighbour; upstreamAddr its address, and the router's to it.
func upstreamAS(i int) int { return 65001 + i }

func upstreamAddr(i int) (its, ours netip.Addr) {
	return netip.AddrFrom4([4]byte{10, byte(1 + i), 0, 2}), netip.AddrFrom4([4]byte{10, byte(1 + i), 0, 1})
}

func newUpstreams(t *stage, w *work) *upstreams {
	l := lab.New(t, w.run)
	u := &upstreams{router: &router{t: t, lab: l, ns: unwatched(l, "router")}, w: w, client: unwatched(l, "client")}
	u.ns.Sysctl("ipv4.ip_forward", "1")
	u.ns.Sysctl("ipv4.nexthop_compat_mode", "0") // as every router of the benchmarks has it
	for i := range u.side {
		its, _ := upstreamAddr(i)
		s := &u.side[i]
		s.ns = unwatched(l, [2]string{"first", "second"}[i])
		s.ns.Sysctl("ipv4.ip_forward", "0")
		name := fmt.Sprintf("eth%d", i)
		l.Subnet(u.ns, name, s.ns, "eth0", fmt.Sprintf("10.%d.0.1/24", 1+i))
		u.eth[i] = u.index(name)
		s.stream = filepath.Join(l.Dir, name+".bgp")
		file, err := os.Create(s.stream)
		t.must(err)
		t.must(errors.Join(peer.WriteStream(file, w.v4, peer.Origin{AS: uint32(upstreamAS(i)), Times: 1 + i, Nexthop: its}), file.Close()))
	}
	l.Subnet(u.ns, "eth2", u.client, "eth0", "10.9.0.1/24")
	u.client.IP("route", "add", "default", "via", "10.9.0.1")
	var err error
	u.sock, err = probe.Open(u.ns.Enter)
	t.must(err)
	t.Cleanup(func() { t.must(u.sock.Close()) })
	return u
}

// speaks starts a neighbour, which dials the router, and sends its table.
func (u *upstreams) speaks(i int) {
	its, router := upstreamAddr(i)
	u.side[i].proc = speaks(u.t, u.side[i].ns, fmt.Sprintf("%v %v %d %s ipv4", its, router, upstreamAS(i), u.side[i].stream))
}

// speaks starts a neighbour in a namespace, as an order of speak says.
func speaks(t *stage, ns *lab.Namespace, order string) *lab.Process {
	self, err := os.Executable()
	t.must(err)
	return ns.Start("a neighbour", self, "-speak", order)
}

const spoken = "all is sent"

// awaitSpoken waits until a neighbour has handed its whole table to its kernel.
func (u *upstreams) awaitSpoken(i int) {
	p := u.side[i].proc
	u.t.until("a neighbour sends its table", u.w.limit, 20*time.Millisecond, func() bool {
		if !p.Running() {
			u.t.Fatalf("a neighbour ended: %s", p.Output())
		}
		return strings.Contains(p.Output(), spoken)
	})
}

// speak is a process of its own: a neighbour that sends a file of messages and listens,
// until it is killed or its session ends. order is its address, the router's, its AS, the
// file, and the family: ipv4, vpn or evpn.
func speak(ctx context.Context, order string) error {
	var local, remote, file, family string
	var number uint16
	if _, err := fmt.Sscan(order, &local, &remote, &number, &file, &family); err != nil {
		return fmt.Errorf("-speak %q: %w", order, err)
	}
	c := peer.Config{AS: number, VPN: family == "vpn", EVPN: family == "evpn"}
	var err error
	if c.Local, err = netip.ParseAddr(local); err == nil {
		c.Remote, err = netip.ParseAddr(remote)
	}
	if err != nil {
		return fmt.Errorf("-speak %q: %w", order, err)
	}
	stream, err := os.Open(file)
	if err != nil {
		return err
	}
	defer stream.Close()
	var p *peer.Peer
	here := func(do func() error) error { return do() }
	for {
		if p, err = peer.Dial(here, c); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := peer.Play(p, stream); err != nil {
		return errors.Join(err, p.Close())
	}
	fmt.Println(spoken)
	select {
	case <-ctx.Done():
		return p.Close()
	case <-p.Ended():
		_, err := p.Heard()
		return err
	}
}

// config is the configuration of a receiver for the two neighbours, to whom nothing is
// announced. more is for vrfredist's export.
func (u *upstreams) config(name, more string) string {
	var b strings.Builder
	switch language(name) {
	case ours, alone:
		fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = \"10.9.0.1\"\n[global.apply-policy.config]\n  default-export-policy = \"reject-route\"\n", as)
		u.each(func(its, _ netip.Addr, number int) {
			fmt.Fprintf(&b, "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n  [neighbors.transport.config]\n    passive-mode = true\n"+
				"  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"ipv4-unicast\"\n", its.String(), number)
		})
		if name == ours {
			fmt.Fprintf(&b, "[netlink.export]\n  enabled = true\n%s", more)
		}
	case bird:
		b.WriteString("router id 10.9.0.1;\nprotocol device { }\nprotocol direct { ipv4; }\nprotocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }\n")
		u.each(func(its, router netip.Addr, number int) {
			fmt.Fprintf(&b, "protocol bgp { local %v as %d; neighbor %v as %d; passive; ipv4 { import all; export none; }; }\n", router, as, its, number)
		})
	case frr:
		fmt.Fprintf(&b, "route-map NOTHING deny 1\nrouter bgp %d\n bgp router-id 10.9.0.1\n no bgp ebgp-requires-policy\n", as)
		u.each(func(its, _ netip.Addr, number int) {
			fmt.Fprintf(&b, " neighbor %[1]v remote-as %[2]d\n neighbor %[1]v passive\n", its, number)
		})
		b.WriteString(" address-family ipv4 unicast\n")
		u.each(func(its, _ netip.Addr, _ int) { fmt.Fprintf(&b, "  neighbor %v route-map NOTHING out\n", its) })
		b.WriteString(" exit-address-family\n")
	}
	return b.String()
}

func (u *upstreams) each(do func(its, router netip.Addr, number int)) {
	for i := range u.side {
		its, router := upstreamAddr(i)
		do(its, router, upstreamAS(i))
	}
}
