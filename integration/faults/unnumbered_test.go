package faults_test

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// farConfig is a BIRD that takes a session from whoever is on its link.
const farConfig = `
router id 10.0.9.2;
log stderr all;
protocol device {}
protocol static six { ipv6; route 2001:db8:9999::/48 blackhole { bgp_next_hop = 2001:db8:99::2; }; }
protocol bgp dyn {
  local as 65200;
  neighbor range fe80::/10 as 65000;
  interface "eth0";
  dynamic name "dyn";
  hold time 30;
  error wait time 1, 2;
  ipv6 { import none; export where proto = "six"; next hop keep; };
}
`

// unnumberedConfig adds a neighbour on eth9 to the others.
const unnumberedConfig = globalConfig + `
[[neighbors]]
  [neighbors.config]
    neighbor-interface = "eth9"
    peer-as = 65200
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 30
`

const exportAll = "\n[netlink.export]\n  enabled = true\n"

// far is the other end of the unnumbered neighbour's link.
type far struct {
	*lab.Namespace
	w *network
}

// heard has the router hear of the far end, which asks for whom it sends to.
func (f far) heard() {
	f.w.T.Helper()
	to := linkLocal(f.w.rtr, "eth9")
	if to == "" {
		return
	}
	err := f.Enter(func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet6{Port: 9, ZoneId: uint32(link.Index), Addr: netip.MustParseAddr(to).As16()})
	})
	if err != nil {
		f.w.T.Logf("a datagram to %s: %v", to, err) // the address may be new: it is tried again
	}
}

var linkLocalLine = regexp.MustCompile(`inet6 (fe80::[0-9a-f:]+)/64`)

// linkLocal is the link-local address of an interface; "": it has none.
func linkLocal(n *lab.Namespace, dev string) string {
	out, _ := n.TryIP("-6", "addr", "show", "dev", dev, "scope", "link")
	if m := linkLocalLine.FindStringSubmatch(out); m != nil && !strings.Contains(out, "tentative") {
		return m[1]
	}
	return ""
}

// waitRoute waits until the far end's route is there by its address of now; "": until
// it is gone.
func (f far) waitRoute(by string) time.Duration {
	f.w.T.Helper()
	began := time.Now()
	lab.WaitFor(f.w.T, "the unnumbered neighbour's route", limit(), func() string {
		out, _ := f.w.rtr.TryIP("-6", "route", "show", "2001:db8:9999::/48")
		v, err := f.w.status("default")
		up := slices.ContainsFunc(v.GetNeighbors(), func(n *vrfredistv1.Neighbor) bool {
			return n.GetAddress() == by+"%eth9" && n.GetState() == "established"
		})
		if by == "" && out == "" || up && strings.Contains(out, "via 2001:db8:99::2 dev eth9") {
			return ""
		}
		if by != "" {
			f.heard()
		}
		why, _ := f.w.daemon.Try("explain", "2001:db8:9999::/48")
		return fmt.Sprintf("%q; %v %v; %s", out, v.GetNeighbors(), err, why)
	})
	return time.Since(began)
}

func (w *network) waitPending(why string) {
	w.T.Helper()
	lab.WaitFor(w.T, "the unnumbered neighbour waits: "+why, limit(), func() string {
		v, err := w.status("default")
		for _, n := range v.GetNeighbors() {
			if n.GetAddress() == "eth9" && n.GetState() == "pending" && strings.Contains(n.GetReason(), why) {
				return ""
			}
		}
		return fmt.Sprint(v.GetNeighbors(), err)
	})
}

// An unnumbered neighbour waits while its interface is missing, and is renamed or
// deleted, and comes back, by its new address too; nobody else's start, session or
// routes are touched.
func TestFault52UnnumberedNeighbour(t *testing.T) {
	n := 500
	w := newNetwork(t, n)
	w.daemon = w.rtr.Daemon(unnumberedConfig + exportAll)
	w.wait(all(n), all(routes6))
	w.waitPending("eth9 is not there")
	if out := w.daemon.Do("reload"); !strings.Contains(out, "Nothing changed") {
		t.Errorf("a reload of the same says %s", out)
	}
	mark := w.rtr.Mark()

	f := far{w.Namespace("far"), w}
	w.Link(w.rtr, "eth9", f.Namespace, "eth0")
	lab.WaitFor(t, "the far end has its address", limit(), func() string {
		if linkLocal(f.Namespace, "eth0") == "" {
			return "it has none"
		}
		return ""
	})
	w.rtr.Address("eth9", "2001:db8:99::1/64") // for a nexthop that is not the link's alone, which BIRD gives as ::
	f.Address("eth0", "2001:db8:99::2/64")
	f.BIRD(farConfig)
	came := f.waitRoute(linkLocal(f.Namespace, "eth0"))

	f.IP("addr", "del", linkLocal(f.Namespace, "eth0")+"/64", "dev", "eth0")
	f.IP("addr", "add", "fe80::77/64", "dev", "eth0", "nodad")
	f.waitRoute("fe80::77")

	w.rtr.IP("link", "set", "eth9", "down")
	w.rtr.IP("link", "set", "eth9", "name", "renamed9")
	w.rtr.IP("link", "set", "renamed9", "up")
	w.waitPending("eth9 is not there")
	f.waitRoute("")
	w.rtr.IP("link", "set", "renamed9", "down")
	w.rtr.IP("link", "set", "renamed9", "name", "eth9")
	w.waitPending("eth9 is down")
	w.rtr.IP("link", "set", "eth9", "up")
	back := f.waitRoute("fe80::77")

	w.rtr.IP("link", "del", "eth9")
	w.waitPending("eth9 is not there")
	w.daemon.Write(exporting())
	w.daemon.Do("reload") // it can be taken out
	w.wait(all(n), all(routes6))
	for _, e := range w.rtr.Since(mark) {
		if e.Prefix != netip.MustParsePrefix("2001:db8:9999::/48") {
			t.Errorf("another route was touched: %+v", e)
		}
	}
	if strings.Count(w.bird.Show("show protocols"), "Established") != 2 {
		t.Error("the other sessions did not stay")
	}
	measured(t, "the start and the others' routes untouched; in use %s after its link came, and %s after it was renamed back", round(came), round(back))
}
