package faults_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// passed is what became of tenants that came and went.
type passed struct {
	came int
	took time.Duration
	open string // what the daemon had open before and after, for a person
}

// pass has some of the tenants come and go in each of so many rounds, in random order, and all go at the
// end, when ended is called. It fails where the daemon has more open then than before.
func (o *tenancy) pass(t *testing.T, rounds int, turn func([]*tenant) (came int), there map[*tenant]bool, ended func()) (p passed) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	turn(o.tenants) // once there and gone, so that what stays for all of them is there
	turn(o.tenants)
	before, threads := o.open()
	goroutines := o.daemon.Goroutines()
	began := time.Now()
	for range rounds {
		some := slices.DeleteFunc(slices.Clone(o.tenants), func(*tenant) bool { return random.IntN(2) == 0 })
		random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		p.came += turn(some)
	}
	p.took = time.Since(began)
	turn(slices.DeleteFunc(slices.Clone(o.tenants), func(n *tenant) bool { return !there[n] }))
	ended()
	o.waitClosed(before)
	left := o.daemon.GoroutinesBack(goroutines, limit())
	after, threadsAfter := o.open()
	if threadsAfter > threads+len(o.tenants)/2 {
		t.Errorf("%d threads before, %d after", threads, threadsAfter)
	}
	p.open = fmt.Sprintf("%d descriptors before, %d after; %d threads before, %d after; %d goroutines before, %d after",
		before, after, threads, threadsAfter, goroutines.Total, left.Total)
	return p
}
