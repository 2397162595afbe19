package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// numberedScenario is many VRFs with a VNI, SIDs or a label each.
func numberedScenario(by way) string {
	return map[string]string{"vxlan": "VNIs", "srv6": "SIDs", "mpls": "labels"}[by.encap]
}

// numberedEach is how many routes each of those VRFs gets.
const numberedEach = 10

// manyNumbered has many tenants with a VNI, SIDs or a label each: from a cold start, and after a
// restart over what is there.
func manyNumbered(w *work, t *stage, by way) {
	scenario := numberedScenario(by)
	l := newLab(t, w)
	r := newRouter(t, w, unwatched(l, "far"))
	by.prepare(r)
	spaces := make([]*lab.Namespace, w.vnis)
	if !by.device {
		spaces = bareNamespaces(l, w.vnis)
	}
	var b strings.Builder
	b.WriteString(gobgpConfig(by.family()) + by.core())
	for i, ns := range spaces {
		netns := ""
		if ns != nil {
			netns = ns.Name
		}
		by.tenant(r, i, ns)
		by.vrf(&b, i, netns)
	}
	n := len(spaces)
	empty, slabs := emptyRSS(w, r), unreclaimable(t)
	began := time.Now()
	v := w.receive(r, ours, options{export: true, config: b.String()})
	listens := time.Since(began).Seconds()
	ready := awaitReady(v, n, 0)
	made, all := own(by, r, spaces)
	ready = later(ready, all)
	w.note(scenario, ours, "VRFs", float64(n))
	w.note(scenario, ours, "s to the first session", listens)
	w.note(scenario, ours, "s to all ready, cold", ready.Sub(began).Seconds())
	w.note(scenario, ours, "CPU s until then", cpuTime(t, v.pids()).Seconds())
	w.settle(t)
	w.note(scenario, ours, "KiB a VRF, without routes", (status(t, v.pids(), "VmRSS")-empty)/1024/float64(n))
	w.note(scenario, ours, "KiB a VRF in the kernel's slabs", (unreclaimable(t)-slabs)/1024/float64(n))
	w.note(scenario, ours, "threads", status(t, v.pids(), "Threads"))
	w.note(scenario, ours, "idle CPU, % of a core", idle(w, v))
	announced := time.Now()
	session := announceNumbered(r, n, by)
	w.note(scenario, ours, fmt.Sprintf("s from the session until each has %d routes", numberedEach), awaitReady(v, n, numberedEach).Sub(announced).Seconds())
	v.stop()
	t.must(session.Close())

	began = time.Now()
	v = w.receive(r, ours, options{export: true, config: b.String()})
	announceNumbered(r, n, by)
	w.note(scenario, ours, "s to all ready, restarted, with routes", awaitReady(v, n, numberedEach).Sub(began).Seconds())
	if again, _ := own(by, r, spaces); again != made {
		t.Errorf("after the restart the VRFs have others: %s", scenario)
	}
	v.stop()
}

// own waits until each VRF has what other PEs send to it by, and returns all of that as text, and
// when the last one was there.
func own(by way, r *router, spaces []*lab.Namespace) (text string, all time.Time) {
	switch by.encap {
	case "vxlan":
		return devices(r.t, spaces)
	case "srv6":
		return entrances(r, 2*len(spaces), "-6")
	}
	return entrances(r, len(spaces), "-f", "mpls")
}

// entrances waits for the routes of SIDs or labels in the core.
func entrances(r *router, n int, family ...string) (text string, all time.Time) {
	args := append(family, "route", "show", "proto", fmt.Sprint(protocol))
	all = r.t.until(fmt.Sprintf("there are %d SIDs or labels", n), 3*time.Minute, 100*time.Millisecond, func() bool {
		var lines []string
		for _, line := range strings.Split(r.ns.IP(args...), "\n") {
			if line != "" && !strings.HasPrefix(line, "unreachable") {
				lines = append(lines, strings.Fields(line)[0])
			}
		}
		slices.Sort(lines)
		text = strings.Join(lines, "\n")
		return len(lines) == n
	})
	return text, all
}

// announceNumbered is a PE that has the same routes in every VRF.
func announceNumbered(r *router, n int, by way) *peer.Peer {
	p := r.dialAs(peer.Config{EVPN: by.evpn(), VPN: !by.evpn()})
	var table []netip.Prefix
	for i := range numberedEach {
		table = append(table, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24))
	}
	var o peer.Tenant
	for i := range n {
		o = by.from(i)
		r.t.must(o.Announce(p, table))
	}
	r.t.must(o.End(p))
	return p
}

// bareNamespaces makes many namespaces in a few commands.
func bareNamespaces(l *lab.Lab, n int) []*lab.Namespace {
	spaces := make([]*lab.Namespace, n)
	var add, del strings.Builder
	for i := range spaces {
		spaces[i] = l.Bare(fmt.Sprintf("v%d", i))
		fmt.Fprintf(&add, "netns add %s\n", spaces[i].Name)
		fmt.Fprintf(&del, "netns del %s\n", spaces[i].Name)
	}
	batch := func(lines string) {
		cmd := exec.Command("ip", "-force", "-batch", "-")
		cmd.Stdin = strings.NewReader(lines)
		if out, err := cmd.CombinedOutput(); err != nil {
			l.T.Errorf("make or delete namespaces: %v: %.300s", err, out)
		}
	}
	l.T.Cleanup(func() { batch(del.String()) })
	batch(add.String())
	return spaces
}

// devices waits for the VXLAN devices of all VRFs, and returns their indexes, and when the last
// one was there.
func devices(t *stage, spaces []*lab.Namespace) (indexes string, all time.Time) {
	list := make([]int, len(spaces))
	for i, ns := range spaces {
		all = t.until(fmt.Sprintf("v%d has its device", i), 3*time.Minute, 10*time.Millisecond, func() bool {
			return ns.Enter(func() error {
				link, err := net.InterfaceByName(fmt.Sprintf("vx%d", encapVNI+i))
				if err == nil && link.Flags&net.FlagUp == 0 {
					err = errors.New("it is down")
				}
				if err == nil {
					list[i] = link.Index
				}
				return err
			}) == nil
		})
	}
	return fmt.Sprint(list), all
}
