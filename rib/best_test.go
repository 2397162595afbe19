package rib

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// external1 is an eBGP path of AS 65001 that the cases below change.
func external1(change func(*Path, *Attrs)) Path {
	a := &Attrs{
		Via:       &Via{Nexthop: addr("192.0.2.1"), Peer: addr("192.0.2.1"), RouterID: addr("10.0.0.1"), PeerAS: 65001},
		LocalPref: 100, MED: 50, ASPath: []uint32{65001, 65100}, ASPathLen: 2,
	}
	p := Path{Prefix: prefix("10.0.0.0/24"), RD: 1, ID: 1, Age: 1000, Attrs: a}
	if change != nil {
		change(&p, a)
	}
	return p
}

// pairwise tells which of two paths is better, a where the result is negative, and names
// the step that decides, "" where none does. It orders no three paths: MED is not
// transitive.
func pairwise(a, b Path) (int, string) {
	if c, step := (Selection{}).beforeMED(&a, &b); c != 0 {
		return c, step
	}
	if a.Attrs.neighbourAS() == b.Attrs.neighbourAS() {
		if c := cmp.Compare(a.Attrs.MED, b.Attrs.MED); c != 0 {
			return c, "MED"
		}
	}
	if c, step := external(&a, &b); c != 0 {
		return c, step
	}
	return Selection{}.tieBreak(&a, &b)
}

func TestSelectSteps(t *testing.T) {
	for _, tc := range []struct {
		step         string
		better, than func(*Path, *Attrs)
	}{
		{"LLGR-stale", nil, func(_ *Path, a *Attrs) { a.Stale = true; a.LocalPref = 200 }},
		{"local preference", func(_ *Path, a *Attrs) { a.LocalPref = 101; a.ASPathLen = 9 }, nil},
		{"locally originated", func(_ *Path, a *Attrs) { a.Peer = netip.Addr{}; a.Origin = OriginIncomplete }, nil},
		{"AS-path length", nil, func(_ *Path, a *Attrs) { a.ASPathLen = 3; a.MED = 0 }},
		{"origin", func(_ *Path, a *Attrs) { a.MED = 99 }, func(_ *Path, a *Attrs) { a.Origin = OriginEGP }},
		{"MED", func(_ *Path, a *Attrs) { a.MED = 49; a.IBGP = true }, nil},
		{"eBGP over iBGP", func(p *Path, _ *Attrs) { p.Age = 9999 }, func(_ *Path, a *Attrs) { a.IBGP = true; a.RouterID = addr("1.1.1.1") }},
		{"oldest", func(p *Path, a *Attrs) { p.Age = 999; a.RouterID = addr("10.0.0.9") }, nil},
		{"router ID", nil, func(_ *Path, a *Attrs) { a.RouterID = addr("10.0.0.2"); a.ClusterLen = 0 }},
		{"router ID", func(_ *Path, a *Attrs) { a.OriginatorID = addr("9.0.0.1"); a.ClusterLen = 5 }, nil},
		{"cluster list length", nil, func(_ *Path, a *Attrs) { a.ClusterLen = 1; a.Peer = addr("1.0.0.1") }},
		{"neighbour address", func(p *Path, _ *Attrs) { p.RD = 9 }, func(_ *Path, a *Attrs) { a.Peer = addr("192.0.2.2") }},
		{"route distinguisher", func(p *Path, _ *Attrs) { p.ID = 9 }, func(p *Path, _ *Attrs) { p.RD = 2 }},
		{"path ID", nil, func(p *Path, _ *Attrs) { p.ID = 2 }},
	} {
		better, than := external1(tc.better), external1(tc.than)
		if c, step := pairwise(better, than); c >= 0 || step != tc.step {
			t.Errorf("%s: decided by %q, %d", tc.step, step, c)
		}
		if c, step := pairwise(than, better); c <= 0 || step != tc.step {
			t.Errorf("%s, the other way: decided by %q, %d", tc.step, step, c)
		}
		if got := Select(nil, []Path{than, better}, 1); len(got) != 1 || got[0].Attrs != better.Attrs {
			t.Errorf("%s: Select takes the other", tc.step)
		}
		if step := (Selection{}).behind(&better, &than, []Path{than, better}); step != tc.step {
			t.Errorf("%s: behind by %q", tc.step, step)
		}
	}
	if c, step := pairwise(external1(nil), external1(nil)); c != 0 || step != "" {
		t.Errorf("equal paths: %d, %q", c, step)
	}
	// Age says nothing about iBGP paths.
	young := external1(func(p *Path, a *Attrs) { a.IBGP = true; p.Age = 5000 })
	old := external1(func(p *Path, a *Attrs) { a.IBGP = true; a.RouterID = addr("10.0.0.2") })
	if c, step := pairwise(young, old); c >= 0 || step != "router ID" {
		t.Errorf("iBGP: %d, %q", c, step)
	}
	// MED says nothing about paths of different neighbouring ASes.
	high := external1(func(p *Path, a *Attrs) { a.MED = 500; p.Age = 1 })
	low := external1(func(_ *Path, a *Attrs) { a.MED = 1; a.ASPath = []uint32{65002, 65100} })
	if c, step := pairwise(high, low); c >= 0 || step != "oldest" {
		t.Errorf("MED across ASes: %d, %q", c, step)
	}
}

// TestSelectMEDCycle is the classic: each of three paths beats one of the others
// in pairs. c loses to a by MED, so b must win against a alone.
func TestSelectMEDCycle(t *testing.T) {
	mk := func(as, med uint32, age int64, name uint32) Path {
		return external1(func(p *Path, a *Attrs) { a.ASPath = []uint32{as, 1}; a.MED = med; p.Age = age; p.ID = name })
	}
	a, b, c := mk(65001, 10, 30, 1), mk(65002, 99, 20, 2), mk(65001, 20, 10, 3)
	if ab, _ := pairwise(a, b); ab < 0 {
		t.Fatal("a beats b in pairs")
	}
	if bc, _ := pairwise(b, c); bc < 0 {
		t.Fatal("b beats c in pairs")
	}
	if ca, _ := pairwise(c, a); ca < 0 {
		t.Fatal("c beats a in pairs")
	}
	for _, order := range [][]Path{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
		if got := Select(nil, order, 1); got[0].ID != 2 {
			t.Errorf("best is %d, want 2", got[0].ID)
		}
		if got := ids(Select(nil, order, 9)); !slices.Equal(got, []uint32{2}) {
			t.Errorf("multipath takes %v: all have one nexthop", got)
		}
	}
}

func ids(paths []Path) []uint32 {
	var out []uint32
	for _, p := range paths {
		out = append(out, p.ID)
	}
	return out
}

func TestSelectMultipath(t *testing.T) {
	mk := func(id uint32, nh string, change func(*Path, *Attrs)) Path {
		return external1(func(p *Path, a *Attrs) {
			p.ID, a.Nexthop, a.RouterID = id, addr(nh), addr(fmt.Sprintf("10.0.0.%d", id))
			if change != nil {
				change(p, a)
			}
		})
	}
	paths := []Path{
		mk(5, "192.0.2.5", nil),
		mk(3, "192.0.2.1", nil), // the nexthop of 1
		mk(1, "192.0.2.1", nil),
		mk(2, "192.0.2.2", nil),
		mk(6, "192.0.2.6", func(_ *Path, a *Attrs) { a.MED = 51 }),
		mk(7, "192.0.2.7", func(_ *Path, a *Attrs) { a.IBGP = true }),
		mk(8, "192.0.2.8", func(_ *Path, a *Attrs) { a.ASPathLen = 3 }),
		mk(9, "192.0.2.9", func(_ *Path, a *Attrs) { a.ASPath = []uint32{65002, 1}; a.MED = 99 }),
	}
	for n, want := range map[int][]uint32{0: {1}, 1: {1}, 2: {1, 2}, 3: {1, 2, 5}, 64: {1, 2, 5, 9}} {
		if got := ids(Select(nil, paths, n)); !slices.Equal(got, want) {
			t.Errorf("maxPaths %d: %v, want %v", n, got, want)
		}
	}
	if got := Select(nil, nil, 4); len(got) != 0 {
		t.Errorf("nothing gives %v", got)
	}
	// Two tenants may have a router each with the same address.
	tenants := []Path{
		mk(1, "192.0.2.1", func(_ *Path, a *Attrs) { a.Source = "red" }),
		mk(2, "192.0.2.1", func(_ *Path, a *Attrs) { a.Source = "green" }),
		mk(3, "192.0.2.1", func(_ *Path, a *Attrs) { a.Source = "red" }),
	}
	if got, want := ids(Select(nil, tenants, 4)), []uint32{1, 2}; !slices.Equal(got, want) {
		t.Errorf("of two tenants: %v, want %v", got, want)
	}
	leak := func(id uint32, source string) Path {
		return external1(func(p *Path, a *Attrs) {
			p.ID, a.Peer, a.Imported, a.Source, a.Nexthop = id, netip.Addr{}, true, source, addr("0.0.0.0")
		})
	}
	if got := ids(Select(nil, []Path{leak(3, "b"), leak(2, "a"), leak(1, "a")}, 8)); !slices.Equal(got, []uint32{1, 3}) {
		t.Errorf("leaks of two VRFs: %v, want one of each", got)
	}
}

// randomPaths have few values of each attribute, so that every step decides
// now and then. Their IDs are distinct, as the paths of one feed are.
func randomPaths(r *rand.Rand, n int) []Path {
	paths := make([]Path, n)
	few := func(n uint32) uint32 { return r.Uint32N(n) }
	for i := range paths {
		as := 65001 + few(3)
		paths[i] = external1(func(p *Path, a *Attrs) {
			p.ID, p.RD, p.Age = uint32(i), RD(few(2)), int64(few(2))
			a.Stale = few(9) == 0
			a.LocalPref = 100 + few(8)/7
			a.ASPath = []uint32{as, 65100}
			a.ASPathLen = 2 + int32(few(8)/7)
			a.Origin = uint8(few(8) / 7)
			a.MED = few(3)
			a.IBGP = few(3) == 0
			a.RouterID = netip.AddrFrom4([4]byte{10, 0, 0, byte(few(3))})
			a.Nexthop = netip.AddrFrom4([4]byte{192, 0, 2, byte(few(4))})
			a.ClusterLen = int(few(2))
			a.Peer = netip.AddrFrom4([4]byte{192, 0, 2, byte(few(4))})
			if few(20) == 0 {
				a.Peer = netip.Addr{}
			}
		})
	}
	return paths
}

// checkSelect holds Select against what its documentation promises, for one
// order of paths and for others.
func checkSelect(t *testing.T, r *rand.Rand, paths []Path, maxPaths int) {
	t.Helper()
	want := slices.Clone(Select(nil, paths, maxPaths))
	if len(paths) > 0 && len(want) == 0 || len(want) > max(maxPaths, 1) {
		t.Fatalf("%d of %d paths, at most %d asked", len(want), len(paths), maxPaths)
	}
	for i, w := range want {
		if !slices.Contains(paths, w) {
			t.Fatalf("path %d was not among those given", w.ID)
		}
		for _, o := range want[:i] {
			if sameNexthop(o.Attrs, w.Attrs) {
				t.Fatalf("paths %d and %d have one nexthop", o.ID, w.ID)
			}
		}
		// Nobody who beats a chosen path by MED or by an earlier step is there.
		for _, p := range paths {
			if c, step := pairwise(p, w); c < 0 && (step == "MED" && noneBefore(paths, p) || step == "LLGR-stale" || step == "local preference" || step == "locally originated" || step == "AS-path length" || step == "origin") {
				t.Fatalf("path %d was chosen, and %d beats it by %s", w.ID, p.ID, step)
			}
		}
	}
	buf := make([]Path, 0, len(paths))
	for range 5 {
		shuffled := slices.Clone(paths)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		before := slices.Clone(shuffled)
		if got := Select(buf, shuffled, maxPaths); !slices.Equal(got, want) {
			t.Fatalf("in the order %v: %v, else %v", ids(shuffled), ids(got), ids(want))
		}
		if !slices.Equal(before, shuffled) {
			t.Fatal("Select changed its input")
		}
	}
}

// noneBefore: p is not itself beaten before MED is looked at.
func noneBefore(paths []Path, p Path) bool {
	return !slices.ContainsFunc(paths, func(o Path) bool { c, _ := (Selection{}).beforeMED(&o, &p); return c < 0 })
}

func TestSelectOrderIndependence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		checkSelect(t, r, randomPaths(r, 1+r.IntN(8)), r.IntN(5))
	}
}

func FuzzSelect(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint8(seed+1), uint8(seed%4))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n, maxPaths uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		checkSelect(t, r, randomPaths(r, int(n%32)), int(maxPaths%9))
	})
}

func TestBehindNamesTheStep(t *testing.T) {
	best := candidate(func(*Path) {})
	lowMED := candidate(func(p *Path) { p.Attrs.ASPath = []uint32{65009, 1}; p.Attrs.MED = 5; p.ID = 3 })
	for want, change := range map[string]func(*Path){
		"local preference":    func(p *Path) { p.Attrs.LocalPref = 50 },
		"AS-path length":      func(p *Path) { p.Attrs.ASPathLen = 3 },
		"origin":              func(p *Path) { p.Attrs.Origin = OriginIncomplete },
		"LLGR-stale":          func(p *Path) { p.Attrs.Stale = true },
		"eBGP over iBGP":      func(p *Path) { p.Attrs.IBGP = true },
		"oldest":              func(p *Path) { p.Age = 200 },
		"router ID":           func(p *Path) { p.Attrs.RouterID = netip.MustParseAddr("192.0.2.7") },
		"route distinguisher": func(p *Path) { p.RD = 2 },
		"path ID":             func(p *Path) { p.ID = 2 },
		"":                    func(*Path) {},
		// Not by comparison with the best one, whose neighbouring AS is another.
		"MED": func(p *Path) { p.Attrs.ASPath = []uint32{65009, 2}; p.Attrs.MED = 9; p.Age = 1 },
	} {
		other := candidate(change)
		if got := (Selection{}).behind(&best, &other, []Path{best, other, lowMED}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whatever Select leaves behind, behind has a step for, but for equal paths.
func TestBehindFitsSelect(t *testing.T) {
	var all []Path
	for i := range uint32(24) {
		all = append(all, candidate(func(p *Path) {
			p.ID, p.Attrs.MED = i, i%4
			p.Attrs.ASPath = []uint32{65001 + i%3, 9}
			p.Attrs.IBGP = i%5 == 0
			p.Age = int64(100 - i%7)
		}))
	}
	best := Select(nil, all, 1)[0]
	for _, p := range all {
		if p != best && (Selection{}).behind(&best, &p, all) == "" {
			t.Errorf("no step for %v", p)
		}
	}
}

func TestSelectAllocates(t *testing.T) {
	paths := randomPaths(rand.New(rand.NewPCG(3, 4)), 8)
	buf := make([]Path, 0, 8)
	for _, maxPaths := range []int{1, 4} {
		if n := testing.AllocsPerRun(100, func() { buf = Select(buf, paths, maxPaths) }); n != 0 {
			t.Errorf("Select with maxPaths %d allocates %v times", maxPaths, n)
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		for _, maxPaths := range []int{1, 4} {
			b.Run(fmt.Sprintf("paths=%d/max=%d", n, maxPaths), func(b *testing.B) {
				paths := randomPaths(rand.New(rand.NewPCG(3, 4)), n)
				buf := make([]Path, 0, n)
				b.ReportAllocs()
				for b.Loop() {
					buf = Select(buf, paths, maxPaths)
				}
			})
		}
	}
}
