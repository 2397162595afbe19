package speaker

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// leaksInto are an Intake of a VRF that so many others leak from, the feeds, and the VRFs.
func leaksInto(n int) (*Intake, *Feeds) {
	vrfs := []VRF{{Name: "red", RD: 1, ImportRTs: []rib.RT{1}, ExportRTs: []rib.RT{1}}}
	rules := make(map[string][]rib.LeakRule)
	for i := range n {
		name := fmt.Sprintf("v%04d", i)
		vrfs = append(vrfs, VRF{Name: name, RD: rib.RD(i + 2), ImportRTs: []rib.RT{rib.RT(i + 2)}, ExportRTs: []rib.RT{rib.RT(i + 2)}})
		rules[name] = []rib.LeakRule{{From: "red"}}
	}
	feeds := NewFeeds(vrfs)
	in := NewIntake(vrfs, rules, nil, feeds, NewMarkers(), nil)
	in.Sync()
	return in, feeds
}

// TestLeaksGrowAsTheirWork: a path that comes into ten times as many VRFs by leaks costs ten times as much,
// and not more for each of them the more there are: as it comes, as BGP says the same of it again, and as it
// goes. It is held as one set of VRFs, and not as one more for each.
func TestLeaksGrowAsTheirWork(t *testing.T) {
	const few, many = 30, 300
	type work struct {
		allocated, repeated float64
		sets                int
	}
	of := func(n int) (w work) {
		in, feeds := leaksInto(n)
		d, p := of("red", one, 1)
		come := func() {
			take(in, d, p)
			says(t, in, feeds, "red", one)
		}
		come()
		for i := range n {
			if got := feedOf(t, feeds, fmt.Sprintf("v%04d", i)).Lookup(one); len(got) != 1 || !got[0].Attrs.ByRule {
				t.Fatalf("of %d, v%04d has %v", n, i, got)
			}
		}
		w.sets = len(in.index.sets)
		w.allocated = testing.AllocsPerRun(5, func() { take(in, d); come() })
		w.repeated = testing.AllocsPerRun(5, come)
		return w
	}
	a, b := of(few), of(many)
	t.Logf("%d VRFs: %+v; %d VRFs: %+v", few, a, many, b)
	if b.sets != a.sets {
		t.Errorf("%d VRFs are %d sets, and %d VRFs %d: each VRF makes one", few, a.sets, many, b.sets)
	}
	for what, of := range map[string][2]float64{"as it comes and goes": {a.allocated, b.allocated}, "as it is said again": {a.repeated, b.repeated}} {
		if each := of[1] / of[0]; each > 1.2*many/few {
			t.Errorf("%s: %d VRFs cost %.1f times as much as %d", what, many, each, few)
		}
	}
}

// BenchmarkLeaks is a path that comes into so many VRFs by leaks, is said again by BGP, and goes: for each
// of them.
func BenchmarkLeaks(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in, feeds := leaksInto(n)
			d, p := of("red", one, 1)
			f := feeds.ByVRF()["red"][0]
			for b.Loop() {
				for range 2 {
					take(in, d, p)
					in.Chose("red", []rib.Choice{{Prefix: one, Paths: f.Lookup(one)}})
					taken(f)
				}
				take(in, d)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/VRF")
		})
	}
}
