package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

	tenantsRate = "tenants that come or go a second"
	tenantsP99  = "p99 ms of one that comes or goes"
)

// orchestrators is how many calls are under way at a time, and comings for how long tenants come and go.
const (
	orchestrators = 100
	comings       = 10 * time.Second
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
	applyAll(v, n)
	w.note(g.scenario(), g.subject(n), "s until the last answer", time.Since(began).Seconds())
	measured(w, g, n, v, began, awaitReady(v, n, each), cpu)
	if w.cpuProfile != "" {
		return
	}
	tenantsComeAndGo(w, v, g, n)
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

// applyAll makes n tenants, some at a time.
func applyAll(v *receiver, n int) {
	var next atomic.Int64
	v.atOnce(func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= n || v.t.ctx.Err() != nil {
				return v.t.ctx.Err()
			}
			if err := v.applyTenant(i); err != nil {
				return err
			}
		}
	})
}

// tenantsComeAndGo has each orchestrator make a tenant and remove it, again and again.
func tenantsComeAndGo(w *work, v *receiver, g *growth, n int) {
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
	v.atOnce(func(which int) error {
		for i := n + which; time.Since(began) < comings; {
			if err := timed(func() error { return v.applyTenant(i) }); err != nil {
				return err
			}
			if err := timed(func() error { return v.deleteTenant(i) }); err != nil {
				return err
			}
		}
		return nil
	})
	w.note(g.scenario(), g.subject(n), tenantsRate, float64(len(took))/time.Since(began).Seconds())
	w.note(g.scenario(), g.subject(n), tenantsP99, percentile(took, 99))
}

// atOnce has all orchestrators do something, and waits for them.
func (r *receiver) atOnce(do func(which int) error) {
	var all sync.WaitGroup
	failures := make([]error, orchestrators)
	for which := range orchestrators {
		all.Go(func() { failures[which] = do(which) })
	}
	all.Wait()
	for _, err := range failures {
		r.t.must(err)
	}
}

// applyTenant makes the tenant of a number, in a table of its own.
func (r *receiver) applyTenant(i int) error {
	ctx, cancel := context.WithTimeout(r.t.ctx, tenantPatience)
	defer cancel()
	rt := fmt.Sprintf("%d:%d", as, i+1)
	answer, err := r.api.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Vrf: &vrfredistv1.VrfSpec{
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

func (r *receiver) deleteTenant(i int) error {
	ctx, cancel := context.WithTimeout(r.t.ctx, tenantPatience)
	defer cancel()
	answer, err := r.api.DeleteVrf(ctx, &vrfredistv1.DeleteVrfRequest{Vrf: fmt.Sprintf("v%d", i)})
	if err == nil && !answer.GetGone() {
		err = errors.New(answer.GetReason())
	}
	if err != nil {
		return fmt.Errorf("remove tenant %d: %w", i, err)
	}
	return nil
}

// tenantPatience is how long one call may take.
const tenantPatience = 2 * time.Minute
