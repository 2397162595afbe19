package main

import (
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/bench/prefixes"
)

// The sizes at scale 1.
const (
	size4, size6 = 1_000_000, 200_000
	importSize   = 200_000
	batchSize    = 50_000
	namespaces   = 200
	shared       = 200 // VRFs in one namespace
	vnis         = 1000
	vteps        = 2000
	targets      = 10_000
	announced    = 2000 // routes of a tenant
	tenantsOfPE  = 20
	asked        = 4000 // VRFs, while an operator asks
)

// sizes are how much is measured, and for how long is waited.
type sizes struct {
	v4, v6      []netip.Prefix
	importSize  int
	batchSize   int
	namespaces  int
	shared      int
	vnis        int   // VRFs with a namespace and a VNI each
	vteps       int   // PEs of one VRF
	asked       int   // VRFs while an operator asks
	targets     []int // that a reflector sends
	announced   int
	singles     int // single routes to time
	idleSettles int
	pause       time.Duration // of settle
	rest        time.Duration // after which a receiver to which nothing happened is at rest
	limit       time.Duration // for one change to arrive

	fabricPEs     []int
	fabricTenants int // of each PE
	fabricSingles int // prefixes that come and go
}

// sizesAt scales the sizes, and makes the tables.
func sizesAt(scale float64, seed uint64) sizes {
	scaled := func(n, least int) int { return max(least, int(float64(n)*scale)) }
	o := sizes{
		v4:         prefixes.IPv4(scaled(size4, 2000), seed),
		v6:         prefixes.IPv6(scaled(size6, 1000), seed),
		importSize: scaled(importSize, 1000), batchSize: scaled(batchSize, 1000),
		namespaces: scaled(namespaces, 2), shared: scaled(shared, 5),
		vnis: scaled(vnis, 10), vteps: scaled(vteps, 20), asked: scaled(asked, 20),
		targets: []int{1, scaled(targets, 100) / 10, scaled(targets, 100)}, announced: scaled(announced, 100), fabricPEs: []int{2, 4, 6, 8, 10}, fabricTenants: scaled(tenantsOfPE, 2), fabricSingles: 20,
		singles: 300, idleSettles: 5, pause: 2 * time.Second, rest: 10 * time.Second, limit: 4 * time.Minute,
	}
	if scale < 0.5 {
		o.fabricPEs, o.fabricSingles = []int{2, 4}, 5
		o.singles, o.idleSettles, o.pause, o.rest, o.limit = 50, 4, 500*time.Millisecond, time.Second, time.Minute
	}
	return o
}

// settle gives every program time for work that no measurement waits for.
func (o *sizes) settle(t *stage) {
	select {
	case <-t.ctx.Done():
	case <-time.After(o.pause):
	}
}
