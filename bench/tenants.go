package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/bench/peer"
)

// What is measured of tenants that are made over the API, beside what is of each growth.
const (
	tenantsRestart = "s from a restart to all ready"
	tenantsRate    = "tenants that come or go a second"
	tenantsP99     = "p99 ms of one that comes or goes"
)

// oneReload is measured of each number of VRFs that a file has.
const oneReload = "s of a reload, one VRF changed"

// tenantsGrowth is the name of the growth of tenants, and tablesGrowth of that of VRFs of a file.
const (
	tenantsGrowth = "tenants by API"
	tablesGrowth  = "VRFs in tables"
)

// tenantAims are about as many tenants as there may be.
func tenantAims() []aim {
	tenants := func(quantity string) func(*results) (float64, bool) {
		return valueOf(growthScenario+tenantsGrowth, fmt.Sprintf("%d tenants", growthVRFs), quantity)
	}
	return []aim{
		{"4,000 tenants by API, with their routes, s", 60, false, tenants(growthTime)},
		{"of 4,000 tenants, that come or go a second", 50, true, tenants(tenantsRate)},
		{"restart with 4,000 tenants, s", 60, false, tenants(tenantsRestart)},
		{"reload of a file with 4,000 VRFs of which one changed, s", 1, false, valueOf(growthScenario+tablesGrowth, fmt.Sprintf("%d VRFs", growthVRFs), oneReload)},
	}
}

const (
	orchestrators        = 100              // calls that are under way at a time
	orchestraConnections = 4                // by which they come
	comings              = 20 * time.Second // for how long tenants come and go
)

// growTenants has n tenants made over the API, with so many prefixes each, which wait for them; then some
// come and go, and the daemon is started anew.
func growTenants(w *work, t *stage, g *growth, n, each int) {
	r := newRouter(t, w, unwatched(newLab(t, w), "far"))
	var lines []string
	for i := range n + orchestrators {
		lines = append(lines, coverIn(firstTable+i))
	}
	r.ns.Batch(lines...)
	o := options{export: true, args: w.profile(ours), config: gobgpConfig("l3vpn-ipv4-unicast")}
	v := w.receive(r, ours, o)
	p := vpnRoutes(r, n+orchestrators, each)
	cpu, began := cpuTime(t, v.pids()), time.Now()
	many := newOrchestra(v)
	many.applyAll(n)
	w.note(g.scenario(), g.subject(n), "s until the last answer", time.Since(began).Seconds())
	measured(w, g, n, v, began, awaitReady(v, n, each), cpu)
	if w.cpuProfile != "" {
		return
	}
	many.comeAndGo(w, g, n)
	t.must(p.Close())
	v.stop()

	began = time.Now()
	v = w.receive(r, ours, o)
	vpnRoutes(r, n, each)
	w.note(g.scenario(), g.subject(n), tenantsRestart, awaitReady(v, n, each).Sub(began).Seconds())
	v.stop()
}

// vpnRoutes sends the routes of tenants from another PE.
func vpnRoutes(r *router, tenants, each int) *peer.Peer {
	p := r.dial(true)
	table := tenantTable(each)
	for i := range tenants {
		for some := range slices.Chunk(table, 100) {
			r.t.must(p.AnnounceVPN(as, uint16(i+1), some, nexthop))
		}
	}
	r.t.must(p.EndOfRIB(true))
	return p
}

// orchestra are clients that make and remove tenants, each with one call under way at a time.
type orchestra struct {
	t           *stage
	connections []*api
}

func newOrchestra(v *receiver) *orchestra {
	o := &orchestra{t: v.t}
	for range orchestraConnections {
		o.connections = append(o.connections, newAPI(v.t, filepath.Join(v.lab.Dir, "api.sock")))
	}
	return o
}

// applyAll makes n tenants, some at a time.
func (o *orchestra) applyAll(n int) {
	var next atomic.Int64
	o.atOnce(func(_ int, a *api) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= n || o.t.ctx.Err() != nil {
				return o.t.ctx.Err()
			}
			if err := o.apply(a, i); err != nil {
				return err
			}
		}
	})
}

// comeAndGo has each orchestrator make a tenant and remove it, again and again.
func (o *orchestra) comeAndGo(w *work, g *growth, n int) {
	var mu sync.Mutex
	var took []float64
	began := time.Now()
	timed := func(call func() error) error {
		began := time.Now()
		err := call()
		mu.Lock()
		defer mu.Unlock()
		took = append(took, milliseconds(time.Since(began)))
		return err
	}
	o.atOnce(func(which int, a *api) error {
		for i := n + which; time.Since(began) < comings; {
			if err := timed(func() error { return o.apply(a, i) }); err != nil {
				return err
			}
			if err := timed(func() error { return o.remove(a, i) }); err != nil {
				return err
			}
		}
		return nil
	})
	w.note(g.scenario(), g.subject(n), tenantsRate, float64(len(took))/time.Since(began).Seconds())
	w.note(g.scenario(), g.subject(n), tenantsP99, percentile(took, 99))
}

// atOnce has all orchestrators do something, and waits for them.
func (o *orchestra) atOnce(do func(which int, a *api) error) { o.t.must(o.together(do)) }

// together is atOnce for any goroutine.
func (o *orchestra) together(do func(which int, a *api) error) error {
	var all sync.WaitGroup
	failures := make([]error, orchestrators)
	for which := range orchestrators {
		all.Go(func() { failures[which] = do(which, o.connections[which%len(o.connections)]) })
	}
	all.Wait()
	return errors.Join(failures...)
}

// apply makes the tenant of a number, in a table of its own.
func (o *orchestra) apply(a *api, i int) error {
	ctx, cancel := context.WithTimeout(o.t.ctx, tenantPatience)
	defer cancel()
	rt := fmt.Sprintf("%d:%d", as, i+1)
	answer, err := a.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Vrf: &vrfredistv1.VrfSpec{
		Name: fmt.Sprintf("v%d", i), Rd: rt, BothRtList: []string{rt}, Table: uint32(firstTable + i),
		Export: &vrfredistv1.ExportSpec{Enabled: proto.Bool(true)},
	}})
	if err != nil {
		return fmt.Errorf("make tenant %d: %w", i, err)
	}
	if state := answer.GetVrf().GetState(); state != "ready" {
		return fmt.Errorf("tenant %d is %q: %s", i, state, answer.GetVrf().GetReason())
	}
	return nil
}

func (o *orchestra) remove(a *api, i int) error {
	ctx, cancel := context.WithTimeout(o.t.ctx, tenantPatience)
	defer cancel()
	answer, err := a.DeleteVrf(ctx, &vrfredistv1.DeleteVrfRequest{Vrf: fmt.Sprintf("v%d", i)})
	if err == nil && !answer.GetGone() {
		err = errors.New(answer.GetReason())
	}
	if err != nil {
		return fmt.Errorf("remove tenant %d: %w", i, err)
	}
	return nil
}

// reloadsOne notes how long a reload takes in which one VRF of the file has changed.
func reloadsOne(w *work, g *growth, v *receiver, size int) {
	file := filepath.Join(v.lab.Dir, "vrfredist.toml")
	text, err := os.ReadFile(file)
	v.t.must(err)
	const first = "  [netlink.vrfs.export]\n"
	changed := strings.Replace(string(text), first, first+"    metric = 30\n", 1)
	v.t.must(os.WriteFile(file, []byte(changed), 0o600))
	ctx, cancel := context.WithTimeout(v.t.ctx, tenantPatience)
	defer cancel()
	cpu, began := cpuTime(v.t, v.pids()), time.Now()
	answer, err := v.api.Reload(ctx, &vrfredistv1.ReloadRequest{})
	v.t.must(err)
	w.note(g.scenario(), g.subject(size), oneReload, time.Since(began).Seconds())
	w.note(g.scenario(), g.subject(size), oneReload+", CPU", (cpuTime(v.t, v.pids()) - cpu).Seconds())
	if n := len(answer.GetChanges()); n != 1 {
		v.t.Errorf("a reload in which one VRF has changed changed %d things: %q", n, answer.GetChanges())
	}
}

// tenantPatience is how long one call may take.
const tenantPatience = 2 * time.Minute
