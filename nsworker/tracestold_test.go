package nsworker

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeTracer follows every route but those of 10.66.0.0/16.
type fakeTracer struct {
	mu    sync.Mutex
	asked int
	open  int // followed, and not at their end
	told  []vrf.RouteWay
}

func (f *fakeTracer) Follow(_ string, prefix netip.Prefix, _ time.Time) func(vrf.RouteWay) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if prefix == netip.MustParsePrefix("10.66.0.0/16") {
		return nil
	}
	f.open++
	return func(w vrf.RouteWay) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
		f.told = append(f.told, w)
	}
}

// ways returns the ways of which it was told since the last call, a line each.
func (f *fakeTracer) ways(t *testing.T) (lines []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.told {
		if w.Changed.IsZero() || w.Taken.Before(w.Changed) || w.Chosen.Before(w.Taken) || w.Ended.Before(w.Chosen) || w.VRF != "red" || w.Netns != "red" {
			t.Errorf("the times do not follow each other, or it is elsewhere: %+v", w)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s of %d | %s | %s", w.What, w.Prefix, w.Paths, w.Text, w.Reason)))
	}
	f.told = nil
	return lines
}

// A route is followed to where its way ends: the kernel's answer, or the choice where nothing is
// to be written.
func TestTraces(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		f := &fakeTracer{}
		l.trace = f
		told := func(want ...string) {
			t.Helper()
			l.settle()
			if d := cmp.Diff(want, f.ways(t)); d != "" || f.open != 0 {
				t.Errorf("ways, %d of them open (-want +got)\n%s", f.open, d)
			}
		}
		s := spec("red")
		s.Import.Enabled = false
		l.hear("red", bgpPath("10.0.0.0/16", "192.0.2.9"))
		l.start(s)
		told() // before the first sync a route waited for the table
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		told("added 10.1.0.0/16 of 1 | 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20 |")
		l.hear("red", bgpPath("10.66.0.0/16", "192.0.2.9"))
		told()
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.9"))
		told("unresolved 10.2.0.0/16 of 1 |  | nexthop 203.0.113.9 is unresolved: no route in this VRF covers it")
		table.refuse[netip.MustParsePrefix("10.3.0.0/16")] = errInjected
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9"))
		synctest.Wait()
		if got := f.ways(t); len(got) != 1 || !strings.HasPrefix(got[0], "refused 10.3.0.0/16 of 1 | 10.3.0.0/16 via 192.0.2.9") || !strings.HasSuffix(got[0], errInjected.Error()) {
			t.Errorf("of a route that the kernel refuses: %v", got)
		}
		l.unhear("red", "10.3.0.0/16", 0)
		l.settle()
		f.ways(t)
		l.unhear("red", "10.1.0.0/16", 0)
		told("deleted 10.1.0.0/16 of 0 | 10.1.0.0/16 proto vrfredist metric 20 |")
		s.Export.Community = []rib.Community{7}
		l.configure(s)
		l.settle()
		f.ways(t)
		l.hear("red", bgpPath("10.4.0.0/16", "192.0.2.9"))
		l.settle()
		if got := f.ways(t); len(got) != 1 || !strings.HasPrefix(got[0], "filtered 10.4.0.0/16 of 1 |  | ") {
			t.Errorf("of a route that is filtered: %v", got)
		}
	})
}

// As many are followed at once as memory is meant for, and all come to their end.
func TestTracesAreBounded(t *testing.T) {
	s, f := unopened(t), &fakeTracer{}
	s.write.traces = newTraces(f, &s.tell)
	var batch []rib.Entry
	for i := range 2 * mostFollowed {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		batch = append(batch, rib.Entry{Slot: s.feed.Hold(prefix), Prefix: prefix})
	}
	s.write.traces.took(batch)
	s.write.traces.took(batch)
	if f.asked != mostFollowed || f.open != mostFollowed {
		t.Errorf("%d were asked of, and %d followed, want %d", f.asked, f.open, mostFollowed)
	}
	s.write.traces.look()
	if f.open != 0 || len(f.told) != mostFollowed || f.told[0].What != vrf.RouteKept {
		t.Errorf("%d are open, and %d are at their end", f.open, len(f.told))
	}
}

// Without a tracer a route costs a comparison with nil; with one that takes none, the question.
func BenchmarkTraces(b *testing.B) {
	s := unopened(b)
	prefix := netip.MustParsePrefix("10.66.0.0/16")
	entries := []rib.Entry{{Slot: s.feed.Hold(prefix), Prefix: prefix}}
	w := write{slot: entries[0].Slot}
	for name, t := range map[string]*traces{"off": nil, "none sampled": newTraces(&fakeTracer{}, &s.tell)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				t.took(entries)
				t.look()
				t.wrote(&w, nil)
			}
		})
	}
}

// TestTracesOffCostNothing: nothing is allocated, and nothing is looked at.
func TestTracesOffCostNothing(t *testing.T) {
	if off := newTraces(nil, nil); off != nil {
		t.Fatal("without a tracer routes are followed")
	}
	var off *traces
	w, entries := write{}, make([]rib.Entry, 1)
	if n := testing.AllocsPerRun(100, func() { off.took(entries); off.look(); off.wrote(&w, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
