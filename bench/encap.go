package main

import (
	"cmp"
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

const (
	encapScenario    = "encap"
	underlayScenario = "underlay"
)

// encapsulated has the same table go into a tenant's table plainly and by each encapsulation, and
// measures both the whole and, in a process of GoBGP alone, what of it is GoBGP's.
func encapsulated(w *work, t *stage) {
	table := pick(w.v4, w.importSize)
	n := float64(len(table))
	for _, by := range ways() {
		kind := by.kind
		live, cpu := map[string]float64{}, map[string]float64{}
		for _, name := range []string{alone, ours} {
			if err := run(t.ctx, func(t *stage) { live[name], cpu[name] = (&encapRun{w: w, way: by, table: table}).play(t, name) }); err != nil {
				t.Fatalf("%s, %s: %w", kind, name, err)
			}
		}
		w.note(encapScenario, kind, "CPU s", cpu[ours])
		w.note(encapScenario, kind, "CPU s, GoBGP alone", cpu[alone])
		w.note(encapScenario, kind, "CPU s beyond GoBGP", cpu[ours]-cpu[alone])
		w.note(encapScenario, kind, "bytes a route, GoBGP's too", live[ours]/n)
		w.note(encapScenario, kind, "bytes a route beyond GoBGP", (live[ours]-live[alone])/n)
	}
}

// encapRun is one table into one tenant.
type encapRun struct {
	w     *work
	way   way
	table []netip.Prefix
	r     *router
	ns    *lab.Namespace // the tenant's; of a VRF device the router's
	sock  *probe.Socket  // there
	look  *lab.Process   // a process there
	stood int            // routes that were there before
}

// play fills the tenant's table from a session, and returns how much of the receiver's heap is
// alive then, and what the session cost it until it was quiet.
func (e *encapRun) play(t *stage, name string) (live, cpu float64) {
	w, kind, n := e.w, e.way.kind, float64(len(e.table))
	v := e.receive(t, name)
	slabs := unreclaimable(t)
	spent, begin := cpuTime(t, v.pids()), e.announce(v)
	if name == ours {
		took := e.arrived(v).Sub(begin).Seconds()
		w.note(encapScenario, kind, "routes/s", n/took)
	}
	v.quiet(w)
	cpu = (cpuTime(t, v.pids()) - spent).Seconds()
	live = liveHeap(v)
	if name == ours && w.cpuProfile != "" {
		v.profiled(e.profile())
		return live, cpu
	}
	if name == ours {
		w.note(encapScenario, kind, "kernel's slabs, bytes a route", (unreclaimable(t)-slabs)/n)
	}
	v.stop()
	return live, cpu
}

// labelledFailover has the full table go into a VRF device by labels, and moves the route of the
// other PE to another link of the core.
func labelledFailover(w *work, t *stage) {
	e := &encapRun{w: w, way: mplsWay, table: w.v4}
	v := e.receive(t, ours)
	e.announce(v)
	e.arrived(v)
	v.quiet(w)
	v.failover(w, underlayScenario, e.sock, e.table)
	v.stop()
}

// receive makes the network and starts a receiver.
func (e *encapRun) receive(t *stage, name string) *receiver {
	l := newLab(t, e.w)
	e.r = newRouter(t, e.w, unwatched(l, "far"))
	e.tenant(l)
	t.Cleanup(func() { t.must(e.sock.Close()) })
	o := options{export: true, config: gobgpConfig(e.way.family()), args: []string{}}
	if name == ours {
		o.config += e.config()
		o.args = append(o.args, "--pprof", pprofAddr)
		if e.w.cpuProfile != "" {
			o.args = append(o.args, "--cpuprofile", e.profile())
		}
	}
	return e.w.receive(e.r, name, o)
}

// profile is the file for a CPU profile of this way.
func (e *encapRun) profile() string {
	return fmt.Sprintf("%s.%s", e.w.cpuProfile, cmp.Or(e.way.encap, "plain"))
}

// announce has the other PE announce the table, and returns when the first of it arrived.
func (e *encapRun) announce(v *receiver) time.Time {
	t := e.r.t
	c := "vpn"
	if e.way.evpn() {
		c = "evpn"
	}
	stream, before := e.stream(e.way.from(0)), received(t, v.pid())
	speaks(t, e.r.far, fmt.Sprintf("%v %v %d %s %s", peerAddr, routerAddr, as, stream, c))
	return t.until("the first routes arrive", 30*time.Second, time.Millisecond, func() bool {
		return received(t, v.pid()) > before+4096
	})
}

// arrived waits until the table is in the kernel, and returns when it was.
func (e *encapRun) arrived(v *receiver) time.Time {
	t := e.r.t
	v.has = func(p netip.Prefix) bool {
		there, err := e.sock.Has(p)
		t.must(err)
		return there
	}
	return later(arrival(v, sampled(e.table, samples)), t.until("the last route arrives", e.w.limit, 10*time.Millisecond, func() bool {
		return routes(t, e.look.PID(), false) >= e.stood+len(e.table)
	}))
}

// tenant makes the tenant, and opens what looks at its routes.
func (e *encapRun) tenant(l *lab.Lab) {
	t := e.r.t
	e.way.prepare(e.r)
	e.ns = e.r.ns
	if !e.way.device {
		e.ns = unwatched(l, "tenant")
		e.ns.Sysctl("ipv4.nexthop_compat_mode", "0") // as every router of the benchmarks has it
	}
	e.way.tenant(e.r, 0, e.ns)
	var err error
	e.sock, err = probe.Open(e.ns.Enter)
	t.must(err)
	if name, _ := deviceOf(0); e.way.device {
		e.sock.VRF = e.r.index(name)
	}
	e.look = e.ns.Start("a process to look through", "sleep", "600")
	e.stood = routes(t, e.look.PID(), false)
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
	b.WriteString(e.way.core())
	e.way.vrf(&b, 0, e.ns.Name)
	return b.String()
}
