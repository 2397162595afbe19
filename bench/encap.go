package main

import (
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

// What an export by VXLAN is compared with.
const (
	encapScenario = "encap"
	plainExport   = "plain VPN routes"
	encapExport   = "EVPN routes by VXLAN"
)

// vtep is another PE; its router for a tenant has peMAC.
var (
	vtep  = nexthop
	peMAC = [6]byte{2, 0, 0, 0, 2, 1}
)

// encapVNI is the VNI of the first VRF.
const encapVNI = 1001

// encapsulated has the same table go into a tenant's namespace plainly and by VXLAN, and
// measures both the whole and, in a process of GoBGP alone, what of it is GoBGP's.
func encapsulated(w *work, t *stage) {
	table := pick(w.v4, w.importSize)
	n := float64(len(table))
	for _, kind := range []string{plainExport, encapExport} {
		live := map[string]float64{}
		for _, name := range []string{alone, ours} {
			if err := run(t.ctx, func(t *stage) { live[name] = (&encapRun{w: w, kind: kind, table: table}).play(t, name) }); err != nil {
				t.Fatalf("%s, %s: %w", kind, name, err)
			}
		}
		w.note(encapScenario, kind, "bytes a route, GoBGP's too", live[ours]/n)
		w.note(encapScenario, kind, "bytes a route beyond GoBGP", (live[ours]-live[alone])/n)
	}
}

// encapRun is one table into one tenant.
type encapRun struct {
	w     *work
	kind  string
	table []netip.Prefix
	r     *router
	ns    *lab.Namespace // the tenant's
	sock  *probe.Socket  // there
	look  *lab.Process   // a process there
}

// play fills the tenant's table from a session, and returns how much of the receiver's heap is
// alive then.
func (e *encapRun) play(t *stage, name string) float64 {
	w := e.w
	l := newLab(t, w)
	far := unwatched(l, "far")
	e.r = newRouter(t, w, far)
	e.tenant(l)
	t.Cleanup(func() { t.must(e.sock.Close()) })
	from := peer.Tenant{AS: as, Number: 1, Nexthop: vtep}
	c, family := "vpn", "l3vpn-ipv4-unicast"
	if e.kind == encapExport {
		from.MAC, from.VNI, c, family = peMAC, encapVNI, "evpn", "l2vpn-evpn"
	}
	stream := e.stream(from)
	o := options{export: true, config: gobgpConfig(family), args: []string{}}
	if name == ours {
		o.config += e.config()
		o.args = append(o.args, "--pprof", pprofAddr)
	}
	slabs := unreclaimable(t)
	v := w.receive(e.r, name, o)
	cpu, before := cpuTime(t, v.pids()), received(t, v.pid())
	speaks(t, e.r.far, fmt.Sprintf("%v %v %d %s %s", peerAddr, routerAddr, as, stream, c))
	begin := t.until("the first routes arrive", 30*time.Second, time.Millisecond, func() bool {
		return received(t, v.pid()) > before+4096
	})
	if name == ours {
		v.has = func(p netip.Prefix) bool {
			there, err := e.sock.Has(p)
			t.must(err)
			return there
		}
		end := arrival(v, sampled(e.table, samples))
		end = later(end, t.until("the last route arrives", w.limit, 10*time.Millisecond, func() bool {
			return routes(t, e.look.PID(), false) >= len(e.table)
		}))
		took := end.Sub(begin).Seconds()
		w.note(encapScenario, e.kind, "routes/s", float64(len(e.table))/took)
		w.note(encapScenario, e.kind, "CPU s", (cpuTime(t, v.pids()) - cpu).Seconds())
	}
	v.quiet(w)
	live := liveHeap(v)
	if name == ours {
		w.note(encapScenario, e.kind, "kernel's slabs, bytes a route", (unreclaimable(t)-slabs)/float64(len(e.table)))
	}
	v.stop()
	return live
}

// tenant makes the tenant's namespace. Plainly, the nexthop is behind a route of its own.
func (e *encapRun) tenant(l *lab.Lab) {
	t := e.r.t
	e.ns = unwatched(l, "tenant")
	e.ns.Sysctl("ipv4.nexthop_compat_mode", "0") // as every router of the benchmarks has it
	if e.kind == plainExport {
		e.ns.Batch("link add tenant0 type veth peer name tenant1", "link set tenant0 up", "link set tenant1 up",
			"addr add 10.9.0.1/24 dev tenant0", fmt.Sprintf("route add %v dev tenant0 proto static", covering))
	}
	var err error
	e.sock, err = probe.Open(e.ns.Enter)
	t.must(err)
	e.look = e.ns.Start("a process to look through", "sleep", "600")
}

// stream writes what the neighbour sends.
func (e *encapRun) stream(from peer.Tenant) string {
	t := e.r.t
	name := filepath.Join(e.r.lab.Dir, "tenant.bgp")
	file, err := os.Create(name)
	t.must(err)
	t.must(errors.Join(from.WriteStream(file, e.table), file.Close()))
	return name
}

func (e *encapRun) config() string {
	var b strings.Builder
	if e.kind == encapExport {
		b.WriteString(coreConfig)
	}
	tenantConfig(&b, 0, e.ns.Name, e.kind == encapExport)
	return b.String()
}

// coreConfig has the daemon make the devices of its VRFs.
const coreConfig = "[netlink]\n  manage_links = true\n[netlink.core]\n  source = \"10.0.0.1\"\n  interfaces = [\"eth*\"]\n"

// tenantConfig adds a VRF that is a namespace to a configuration.
func tenantConfig(b *strings.Builder, i int, netns string, encap bool) {
	fmt.Fprintf(b, "[[vrfs]]\n  [vrfs.config]\n    name = \"v%d\"\n    rd = \"%d:%d\"\n    both-rt-list = [\"%d:%d\"]\n", i, as, i+1, as, i+1)
	fmt.Fprintf(b, "[[netlink.vrfs]]\n  name = \"v%d\"\n  netns = %q\n", i, netns)
	if encap {
		fmt.Fprintf(b, "  encap = \"vxlan\"\n  vni = %d\n", encapVNI+i)
	}
	b.WriteString("  [netlink.vrfs.export]\n    enabled = true\n")
}
