package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const vnisScenario = "VNIs"

// vniEach is how many routes each of the VRFs with a VNI gets.
const vniEach = 10

// manyVNIs has many tenants, a namespace and a VNI each, whose devices the daemon makes: from a
// cold start, and after a restart over what is there.
func manyVNIs(w *work, t *stage) {
	l := newLab(t, w)
	r := newRouter(t, w, unwatched(l, "far"))
	spaces := bareNamespaces(l, w.vnis)
	var b strings.Builder
	b.WriteString(gobgpConfig("l2vpn-evpn") + coreConfig)
	for i, ns := range spaces {
		tenantConfig(&b, i, ns.Name, true)
	}
	n := len(spaces)
	empty, slabs := emptyRSS(w, r), unreclaimable(t)
	began := time.Now()
	v := w.receive(r, ours, options{export: true, config: b.String()})
	listens := time.Since(began).Seconds()
	ready := awaitReady(v, n, 0)
	made, all := devices(t, spaces)
	ready = later(ready, all)
	w.note(vnisScenario, ours, "VRFs", float64(n))
	w.note(vnisScenario, ours, "s to the first session", listens)
	w.note(vnisScenario, ours, "s to all ready, cold", ready.Sub(began).Seconds())
	w.note(vnisScenario, ours, "CPU s until then", cpuTime(t, v.pids()).Seconds())
	w.settle(t)
	w.note(vnisScenario, ours, "KiB a VRF, without routes", (status(t, v.pids(), "VmRSS")-empty)/1024/float64(n))
	w.note(vnisScenario, ours, "KiB a VRF in the kernel's slabs", (unreclaimable(t)-slabs)/1024/float64(n))
	w.note(vnisScenario, ours, "threads", status(t, v.pids(), "Threads"))
	w.note(vnisScenario, ours, "idle CPU, % of a core", idle(w, v))
	announced := time.Now()
	session := announceVNIs(r, n)
	w.note(vnisScenario, ours, fmt.Sprintf("s from the session until each has %d routes", vniEach), awaitReady(v, n, vniEach).Sub(announced).Seconds())
	v.stop()
	t.must(session.Close())

	began = time.Now()
	v = w.receive(r, ours, options{export: true, config: b.String()})
	announceVNIs(r, n)
	w.note(vnisScenario, ours, "s to all ready, restarted, with routes", awaitReady(v, n, vniEach).Sub(began).Seconds())
	again, _ := devices(t, spaces)
	for i, index := range again {
		if index != made[i] {
			t.Errorf("after the restart the device of v%d is another one", i)
		}
	}
	v.stop()
}

// announceVNIs is a PE that has the same routes in every VRF.
func announceVNIs(r *router, n int) *peer.Peer {
	p := r.dialAs(peer.Config{EVPN: true})
	var table []netip.Prefix
	for i := range vniEach {
		table = append(table, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24))
	}
	var o peer.Tenant
	for i := range n {
		o = peer.Tenant{AS: as, Number: uint16(i + 1), Nexthop: vtep, MAC: [6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}, VNI: uint32(encapVNI + i)}
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
func devices(t *stage, spaces []*lab.Namespace) (indexes []int, all time.Time) {
	indexes = make([]int, len(spaces))
	for i, ns := range spaces {
		all = t.until(fmt.Sprintf("v%d has its device", i), 3*time.Minute, 10*time.Millisecond, func() bool {
			return ns.Enter(func() error {
				link, err := net.InterfaceByName(fmt.Sprintf("vx%d", encapVNI+i))
				if err == nil && link.Flags&net.FlagUp == 0 {
					err = errors.New("it is down")
				}
				if err == nil {
					indexes[i] = link.Index
				}
				return err
			}) == nil
		})
	}
	return indexes, all
}
