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
)

// sizes are how much is measured, and for how long is waited.
type sizes struct {
	v4, v6      []netip.Prefix
	importSize  int
	batchSize   int
	namespaces  int
	shared      int
	singles     int // single routes to time
	idleSettles int
	pause       time.Duration // of settle
	limit       time.Duration // for one change to arrive
}

// sizesAt scales the sizes, and makes the tables.
func sizesAt(scale float64, seed uint64) sizes {
	scaled := func(n, least int) int { return max(least, int(float64(n)*scale)) }
	o := sizes{
		v4:         prefixes.IPv4(scaled(size4, 2000), seed),
		v6:         prefixes.IPv6(scaled(size6, 1000), seed),
		importSize: scaled(importSize, 1000), batchSize: scaled(batchSize, 1000),
		namespaces: scaled(namespaces, 2), shared: scaled(shared, 5),
		singles: 300, idleSettles: 5, pause: 2 * time.Second, limit: 4 * time.Minute,
	}
	if scale < 0.5 {
		o.singles, o.idleSettles, o.pause, o.limit = 50, 4, 500*time.Millisecond, time.Minute
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
