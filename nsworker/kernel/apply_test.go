package kernel

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// outcome is how one change of a random batch must end.
type outcome struct {
	name string
	// make returns the change with number n and what must come of it.
	make func(n int) (c rib.Change, text string, want error)
}

var errLocal = errors.New("refused before the kernel is asked")

// outcomes of which random batches are made. Numbers keep prefixes apart.
func outcomes() []outcome {
	add := func(r rib.Route) rib.Change { return rib.Change{Op: rib.OpAdd, Route: r} }
	prefix := func(n int) string { return nthPrefix(n, n%2 == 1).String() }
	gateway := func(n int) rib.Hop { return via([]string{"192.0.2.2", "2001:db8::2"}[n%2]) }
	return []outcome{
		{"done", func(n int) (rib.Change, string, error) { return add(route(prefix(n), gateway(n))), "", nil }},
		{"bad gateway", func(n int) (rib.Change, string, error) {
			if n%2 == 1 {
				return add(route(prefix(n), via("2001:dead::1"))), "", unix.EHOSTUNREACH
			}
			return add(route(prefix(n), via("203.0.113.9"))), "Nexthop has invalid gateway", unix.ENETUNREACH
		}},
		{"taken", func(n int) (rib.Change, string, error) { return add(route("10.99.0.0/16")), "", rib.ErrExists }},
		{"no such object", func(n int) (rib.Change, string, error) {
			r := route(prefix(n))
			r.Kind, r.NexthopID = rib.KindUnicast, 0x4fffffff
			return add(r), "Nexthop id does not exist", unix.EINVAL
		}},
		{"gone already", func(n int) (rib.Change, string, error) {
			return rib.Change{Op: rib.OpDelete, Route: route(prefix(n))}, "", nil
		}},
		{"no metric", func(n int) (rib.Change, string, error) {
			r := route(prefix(n))
			r.Metric = 0
			return add(r), "the metric is 0", errLocal
		}},
		{"many hops", func(n int) (rib.Change, string, error) {
			r := route(nthPrefix(n, false).String())
			r.Kind = rib.KindUnicast
			for i := range 200 { // 3 KiB: a batch of these is split by its size
				r.Hops = append(r.Hops, via(fmt.Sprintf("192.0.2.%d", 2+i)))
			}
			return add(r), "", nil
		}},
	}
}

// checkBatch applies the outcomes picked, and compares every answer.
func checkBatch(t *testing.T, c *Conn, ns string, all []outcome, picked []int) {
	t.Helper()
	changes := make([]rib.Change, len(picked))
	wants := make([]error, len(picked))
	texts := make([]string, len(picked))
	var in []rib.Change
	for n, k := range picked {
		changes[n], texts[n], wants[n] = all[k].make(n)
		if changes[n].Op == rib.OpAdd && wants[n] == nil {
			in = append(in, rib.Change{Op: rib.OpDelete, Route: changes[n].Route})
		}
	}
	errs, err := c.Apply(t.Context(), changes)
	if err != nil || len(errs) != len(changes) {
		t.Fatalf("%d errors for %d changes, %v", len(errs), len(changes), err)
	}
	for n, got := range errs {
		var e *Error
		bad := (got == nil) != (wants[n] == nil)
		if !bad && got != nil {
			fromKernel := errors.As(got, &e)
			bad = fromKernel == errors.Is(wants[n], errLocal) || fromKernel && !errors.Is(got, wants[n]) ||
				fromKernel && e.Route.Prefix != changes[n].Route.Prefix || !strings.Contains(got.Error(), texts[n])
		}
		if bad {
			t.Errorf("change %d of %d, %s: %v; want %v %q", n, len(changes), all[picked[n]].name, got, wants[n], texts[n])
		}
	}
	want := map[netip.Prefix]bool{netip.MustParsePrefix("10.99.0.0/16"): true}
	for _, ch := range in {
		want[ch.Route.Prefix] = true
	}
	got := map[netip.Prefix]bool{}
	for _, r := range read(t, c).Routes {
		got[r.Prefix] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d routes are in the table, want %d", len(got), len(want))
	}
	apply(t, c, in...)
}

// TestErrorsFindTheirChanges: one acknowledgement a batch, and still exactly
// the right errors, wherever they fall.
func TestErrorsFindTheirChanges(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	apply(t, c, rib.Change{Op: rib.OpAdd, Route: route("10.99.0.0/16")})
	all := outcomes()
	fixed := map[string][]int{
		"none":                     {},
		"one that is done":         {0},
		"one that fails":           {1},
		"one that is not sent":     {5},
		"the last fails":           append(make([]int, batchSize-1), 1),
		"the first fails":          append([]int{2}, make([]int, batchSize-1)...),
		"the last is gone already": append(make([]int, 10), 4),
		"the last is not sent":     append(slices.Repeat([]int{1, 0}, 40), 5),
		"all fail":                 slices.Repeat([]int{1}, 3*batchSize+1),
		"none is sent":             slices.Repeat([]int{5}, 2*batchSize),
		"split by size":            append(slices.Repeat([]int{6}, 2*batchSize), 1, 6),
	}
	for name, picked := range fixed {
		t.Run(name, func(t *testing.T) { checkBatch(t, c, ns, all, picked) })
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		picked := make([]int, 1+rng.IntN(3*batchSize))
		rare := 1 + rng.IntN(40)
		for n := range picked {
			if rng.IntN(rare) == 0 {
				picked[n] = rng.IntN(len(all))
			}
		}
		checkBatch(t, c, ns, all, picked)
	}
	if t.Failed() {
		t.Logf("the seed was %d", seed)
	}
}

func TestSequenceNumbersWrapAround(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	apply(t, c, rib.Change{Op: rib.OpAdd, Route: route("10.99.0.0/16")})
	c.sock.seq = math.MaxUint32 - 5
	checkBatch(t, c, ns, outcomes(), slices.Repeat([]int{0, 1}, batchSize))
	if c.sock.seq == 0 || c.sock.seq > 4*batchSize {
		t.Errorf("the number is %d afterwards", c.sock.seq)
	}
}

// TestLostRefusalIsAFailureOfTheBatch: where the answers do not fit, nothing is
// known, and what comes next is not disturbed.
func TestLostRefusalIsAFailureOfTheBatch(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	if err := c.sock.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	changes := manyChanges(rib.OpAdd, 100, false, func(r *rib.Route, n int) {
		if r.Hops = []rib.Hop{via("192.0.2.2")}; n >= 50 {
			r.Hops = []rib.Hop{via("203.0.113.9")}
		}
	})
	start := time.Now()
	errs, err := c.Apply(t.Context(), changes)
	if !errors.Is(err, unix.ENOBUFS) || errs != nil {
		t.Fatalf("Apply: %v, %v", errs, err)
	}
	if got := len(ipRoutes(t, ns, "-4", table)); got != 50 {
		t.Errorf("%d routes are in the table", got)
	}
	// Nothing has read the queue: without that, the kernel would drop the
	// acknowledgement too.
	apply(t, c, rib.Change{Op: rib.OpReplace, Route: changes[0].Route})
	if got := len(read(t, c).Routes); got != 50 {
		t.Errorf("%d routes are read", got)
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("it took %v", took)
	}
}

// TestEncodingAllocatesNothing: a batch is encoded into what the one before
// left.
func TestEncodingAllocatesNothing(t *testing.T) {
	c := &Conn{protocol: rib.ProtoOwn, sock: &client{sock: &sock{}}, mon: fakeMonitor(t)}
	c.where.Table = 70000
	var changes []rib.Change
	for _, ipv6 := range []bool{false, true} {
		for _, way := range []shape{inline, alternating, objects} {
			for _, op := range []rib.Op{rib.OpAdd, rib.OpReplace, rib.OpDelete} {
				changes = append(changes, manyChanges(op, 5, ipv6, way)...)
			}
		}
	}
	viaIPv6 := route("10.0.0.0/8", via("2001:db8::2")) // RFC 8950
	group := rib.Nexthop{ID: 7, Members: []rib.NexthopMember{{ID: 8, Weight: 1}, {ID: 9, Weight: 255}}}
	single := rib.Nexthop{ID: 8, Hop: rib.Hop{Gateway: netip.MustParseAddr("192.0.2.2"), Ifindex: 4}}
	changes = append(changes, rib.Change{Op: rib.OpAdd, Route: viaIPv6},
		rib.Change{Op: rib.OpAddNexthop, Nexthop: single}, rib.Change{Op: rib.OpReplaceNexthop, Nexthop: group},
		rib.Change{Op: rib.OpDeleteNexthop, Nexthop: group})
	errs := make([]error, len(changes))
	n := testing.AllocsPerRun(100, func() {
		if done := c.encode(changes, 0, nil, errs); done != len(changes) {
			t.Fatalf("%d of %d changes are encoded", done, len(changes))
		}
	})
	if err := errors.Join(errs...); err != nil || n != 0 {
		t.Errorf("%v allocations for %d changes, %v", n, len(changes), err)
	}
}

// TestApplyAllocatesNothingPerRoute compares many routes with few: what is
// allocated for a batch, and for an answer, must not grow with it.
func TestApplyAllocatesNothingPerRoute(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	addObjects(t, c)
	const few, many = 4 * batchSize, 36 * batchSize
	apply(t, c, manyChanges(rib.OpAdd, many, false, objects)...)
	changes := manyChanges(rib.OpReplace, many, false, objects)
	allocs := func(n int) float64 {
		return testing.AllocsPerRun(10, func() { apply(t, c, changes[:n]...) })
	}
	perBatch := (allocs(many) - allocs(few)) / ((many - few) / batchSize)
	t.Logf("%.1f allocations for a batch of %d", perBatch, batchSize)
	if perBatch > 4 {
		t.Errorf("%.1f allocations for a batch of %d routes", perBatch, batchSize)
	}
}
