package rib

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// red is how VRF red judges, whose subnet is 192.0.2.0/24 and whose address is 192.0.2.1.
func red(change func(*ExportPolicy)) (*Exporting, *OwnPrefixes) {
	p := ExportPolicy{Enabled: true, Metric: 20, CommunityList: []Community{7}, MaxPaths: 4}
	if change != nil {
		change(&p)
	}
	own := &OwnPrefixes{subnets: map[netip.Prefix]struct{}{prefix("192.0.2.0/24"): {}}, addresses: map[netip.Prefix]struct{}{prefix("192.0.2.1/32"): {}}}
	return NewExporting("red/1002", "red", p), own
}

// tagged is external1 with a community.
func tagged(c Community, change func(*Path, *Attrs)) Path {
	return external1(func(p *Path, a *Attrs) {
		a.Tags = &Tags{Communities: []Community{c}}
		if change != nil {
			change(p, a)
		}
	})
}

func importedFrom(vrf string) func(*Path, *Attrs) {
	return func(p *Path, a *Attrs) { a.Imported, a.Source, a.Peer = true, vrf, netip.Addr{} }
}

func TestDecide(t *testing.T) {
	second := func(p *Path, a *Attrs) { p.ID, a.Nexthop, a.RouterID = 2, addr("192.0.2.7"), addr("10.0.0.2") }
	for _, tc := range []struct {
		name   string
		policy func(*ExportPolicy)
		prefix string
		paths  []Path
		out    Cause
		chosen []uint32 // by ID
	}{
		{"taken", nil, "10.0.0.0/24", []Path{tagged(7, nil)}, Accepted, []uint32{1}},
		{"two that are as good", nil, "10.0.0.0/24", []Path{tagged(7, second), tagged(7, nil)}, Accepted, []uint32{1, 2}},
		{"of two that are as good one without the community", nil, "10.0.0.0/24", []Path{tagged(8, second), tagged(7, nil)}, Accepted, []uint32{1}},
		{"the best without the community", nil, "10.0.0.0/24", []Path{tagged(7, second), tagged(8, nil)}, NoCommunity, []uint32{1, 2}},
		{"no path", nil, "10.0.0.0/24", nil, NoPath, nil},
		{"export is off", func(p *ExportPolicy) { p.Enabled = false }, "10.0.0.0/24", []Path{tagged(7, nil)}, ExportOff, []uint32{1}},
		{"export is off, and there is no path", func(p *ExportPolicy) { p.Enabled = false }, "10.0.0.0/24", nil, ExportOff, nil},
		{"its own import", nil, "10.0.0.0/24", []Path{tagged(7, importedFrom("red"))}, OwnImport, []uint32{1}},
		{"another VRF's import", nil, "10.0.0.0/24", []Path{tagged(7, importedFrom("blue"))}, Accepted, []uint32{1}},
		{"its subnet", nil, "192.0.2.0/24", []Path{tagged(7, nil)}, OwnSubnet, []uint32{1}},
		{"a part of its subnet", nil, "192.0.2.0/25", []Path{tagged(7, nil)}, Accepted, []uint32{1}},
		{"its address", nil, "192.0.2.1/32", []Path{tagged(7, nil)}, OwnAddress, []uint32{1}},
		{"a martian", nil, "240.1.0.0/16", []Path{tagged(7, nil)}, MartianPrefix, []uint32{1}},
		{"a martian that some neighbour may send", func(p *ExportPolicy) { p.AcceptMartians = []netip.Prefix{prefix("240.0.0.0/4")} }, "240.1.0.0/16", []Path{tagged(7, nil)}, Accepted, []uint32{1}},
		{"the first cause counts", nil, "192.0.2.0/24", []Path{tagged(8, importedFrom("red"))}, OwnImport, []uint32{1}},
		{"the prefix before the community", nil, "192.0.2.1/32", []Path{tagged(8, nil)}, OwnAddress, []uint32{1}},
	} {
		x, own := red(tc.policy)
		c := Candidates{Prefix: prefix(tc.prefix), Paths: tc.paths, Own: own}
		var trace Trace
		for range 2 { // the second time over the first
			if v := Decide(x, &c, &trace); v.Out != tc.out || !slices.Equal(ids(v.Chosen), tc.chosen) {
				t.Errorf("%s: with a trace %d, %v; want %d, %v", tc.name, v.Out, ids(v.Chosen), tc.out, tc.chosen)
			}
		}
		if v := Decide(x, &c, nil); v.Out != tc.out || !slices.Equal(ids(v.Chosen), tc.chosen) {
			t.Errorf("%s: %d, %v; want %d, %v", tc.name, v.Out, ids(v.Chosen), tc.out, tc.chosen)
		}
		checkTrace(t, tc.name, trace, tc.out)
		if len(trace.Others) != max(0, len(tc.paths)-1) {
			t.Errorf("%s: %d paths are told of beside the best", tc.name, len(trace.Others))
		}
	}
}

// checkTrace: the first step that does not pass stops it, for the reason of the verdict.
func checkTrace(t *testing.T, name string, trace Trace, out Cause) {
	t.Helper()
	stopped := Accepted
	for i, s := range trace.Steps {
		if i > 0 && s.Place <= trace.Steps[i-1].Place {
			t.Errorf("%s: step %d after step %d", name, s.Place, trace.Steps[i-1].Place)
		}
		if (s.Outcome == Passed) != (s.Reason.Cause == Accepted) || s.Outcome == Noted && stopped == Accepted || s.Outcome == Stopped && stopped != Accepted {
			t.Errorf("%s: step %d is %s: %q", name, s.Place, s.Outcome, s.Reason)
		}
		if s.Outcome == Stopped {
			stopped = s.Reason.Cause
		}
	}
	if stopped != out {
		t.Errorf("%s: stopped by %d in the trace, and out by %d", name, stopped, out)
	}
}

// TestDecideTellsAll: behind the step that stops a prefix the others are judged too.
func TestDecideTellsAll(t *testing.T) {
	x, own := red(func(p *ExportPolicy) { p.Enabled = false })
	var trace Trace
	paths := []Path{tagged(8, importedFrom("red")), tagged(7, func(p *Path, a *Attrs) { p.ID, a.LocalPref = 2, 50 })}
	Decide(x, &Candidates{Prefix: prefix("192.0.2.0/24"), Paths: paths, Own: own}, &trace)
	var told []string
	for _, s := range trace.Steps {
		told = append(told, fmt.Sprintf("%d %s %s", s.Place, s.Outcome, s.Reason))
	}
	want := []string{
		"1 stopped export is off for this VRF; turn it on with `vrfredist redistribution enable export --vrf red/1002`",
		"2 passed ", "5 passed ",
		"6 noted the best path is this VRF's own import from the kernel: its table has the route already",
		"7 noted the prefix is directly connected here: who is on the link is reached over the link",
		"8 passed ",
		"9 noted the best path does not carry what export asks for: community 0:7",
	}
	if !slices.Equal(told, want) {
		t.Errorf("got %q\nwant %q", told, want)
	}
	if len(trace.Others) != 1 || trace.Others[0].Used || trace.Others[0].By != "local preference" {
		t.Errorf("beside the best path: %+v", trace.Others)
	}
}

// TestOfPrefixFitsDecide: what is left out for its prefix is left out with any path.
func TestOfPrefixFitsDecide(t *testing.T) {
	x, own := red(nil)
	for _, p := range []string{"10.0.0.0/24", "192.0.2.0/24", "192.0.2.1/32", "127.0.0.0/8", "224.0.0.1/32", "::1/128", "0.0.0.0/0"} {
		got := x.OfPrefix(own, prefix(p))
		if v := Decide(x, &Candidates{Prefix: prefix(p), Paths: []Path{tagged(7, nil)}, Own: own}, nil); v.Out != got {
			t.Errorf("%s: %d, and with a path %d", p, got, v.Out)
		}
	}
}

// TestReasonsHaveWords: every cause has a sentence of its own.
func TestReasonsHaveWords(t *testing.T) {
	seen := map[string]Cause{}
	for c := Accepted; c <= OtherRoute; c++ {
		s := Reason{c, "SUBJECT", "ASKED"}.String()
		if other, twice := seen[s]; twice || (s == "") != (c == Accepted) || strings.HasSuffix(s, ".") {
			t.Errorf("cause %d reads %q, as %d does", c, s, other)
		}
		seen[s] = c
	}
}

// TestDecideFitsSelect: without communities to ask for, Decide chooses what Select does,
// whatever the order, and changes nothing that it is given.
func TestDecideFitsSelect(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		paths, most := randomPaths(r, 1+r.IntN(8)), r.IntN(5)
		x := NewExporting("red", "red", ExportPolicy{Enabled: true, MaxPaths: most})
		before := slices.Clone(paths)
		want := Select(nil, paths, most)
		r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		given := slices.Clone(paths)
		var trace Trace
		v := Decide(x, &Candidates{Prefix: prefix("10.0.0.0/24"), Paths: paths, Room: make([]Path, 0, 9)}, &trace)
		if v.Out != Accepted || !slices.Equal(v.Chosen, want) || !slices.Equal(paths, given) {
			t.Fatalf("of %v: %d, %v; want %v", ids(before), v.Out, ids(v.Chosen), ids(want))
		}
		for _, o := range trace.Others {
			if o.Used != slices.Contains(want, o.Path) || !o.Used && o.By == "" {
				t.Fatalf("path %d: used %t, behind by %q; chosen are %v", o.Path.ID, o.Used, o.By, ids(want))
			}
		}
	}
}

func TestDecideAllocates(t *testing.T) {
	x, own := red(nil)
	paths := randomPaths(rand.New(rand.NewPCG(3, 4)), 8)
	for i := range paths {
		paths[i].Attrs.Tags = &Tags{Communities: []Community{7}}
	}
	room := make([]Path, 0, 8)
	for _, n := range []int{0, 1, 8} {
		c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: paths[:n], Own: own, Room: room}
		if n := testing.AllocsPerRun(100, func() { Decide(x, &c, nil) }); n != 0 {
			t.Errorf("Decide allocates %v times", n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		for _, most := range []int{1, 4} {
			b.Run(fmt.Sprintf("paths=%d/max=%d", n, most), func(b *testing.B) {
				x, own := red(func(p *ExportPolicy) { p.MaxPaths = most })
				paths := randomPaths(rand.New(rand.NewPCG(3, 4)), n)
				for i := range paths {
					paths[i].Attrs.Tags = &Tags{Communities: []Community{7}}
				}
				c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: paths, Own: own, Room: make([]Path, 0, n)}
				b.ReportAllocs()
				for b.Loop() {
					c.Room = Decide(x, &c, nil).Chosen
				}
			})
		}
	}
}
