package nsworker

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// behind changes the table without a word, as the kernel does at times.
func (t *fakeTable) behind(change func(routes map[rib.Key]rib.Route)) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	change(t.routes)
}

func key20(prefix string) rib.Key {
	return rib.Key{Prefix: netip.MustParsePrefix(prefix), Metric: 20}
}

// disturb loses one own route, turns another elsewhere, and adds a third, and a
// fourth under another metric.
func disturb(routes map[rib.Key]rib.Route) {
	delete(routes, key20("10.1.0.0/16"))
	routes[key20("10.2.0.0/16")] = via("10.2.0.0/16", "198.51.100.7", 3, rib.ProtoOwn, 20)
	routes[key20("10.9.0.0/16")] = via("10.9.0.0/16", "192.0.2.9", 2, rib.ProtoOwn, 20)
	other := via("10.3.0.0/16", "192.0.2.9", 2, rib.ProtoOwn, 77)
	routes[other.Key()] = other
}

func TestResyncSaysWhatItPutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		l.start(spec("red"))
		for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"} {
			l.hear("red", bgpPath(p, "192.0.2.9"))
		}
		l.settle()
		table.behind(disturb)
		got, err := l.worker("red").Resync(t.Context())
		want := vrf.Repair{Own: 3, Foreign: 3, Found: vrf.Drifts{vrf.Missing: 1, vrf.Altered: 1, vrf.Strange: 2}}
		if err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		l.table(red,
			"10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		if st := l.state("red"); st.Totals.Found.Total() != want.Found || st.Totals.Mended.Total() != want.Found || st.Totals.Resyncs[rib.ResyncAsked] != 1 {
			t.Errorf("counted: %+v", st.Totals)
		}

		again, err := l.worker("red").Resync(t.Context())
		if want := (vrf.Repair{Own: 3, Foreign: 3}); err != nil || again != want {
			t.Errorf("a second time: %+v, %v, want %+v", again, err, want)
		}
	})
}

func TestResyncSeesTheImportSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		l.start(spec("red"))
		l.settle()
		table.behind(func(routes map[rib.Key]rib.Route) {
			r := via("10.9.0.0/16", "192.0.2.9", 2, rib.ProtoStatic, 0)
			routes[r.Key()] = r
		})
		got, err := l.worker("red").Resync(t.Context())
		if want := (vrf.Repair{Foreign: 4, Announced: 1}); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if _, ok := l.bgp.announced["red"][netip.MustParsePrefix("10.9.0.0/16")]; !ok {
			t.Error("the answer came before BGP had the route")
		}
	})
}

func TestResyncSaysWhatStaysWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		prefix := netip.MustParsePrefix("10.1.0.0/16")
		table.behind(func(routes map[rib.Key]rib.Route) {
			delete(routes, key20("10.1.0.0/16"))
			table.refuse[prefix] = syscall.ENOBUFS
		})
		got, err := l.worker("red").Resync(t.Context())
		if want := (vrf.Repair{Foreign: 3, Found: vrf.Drifts{vrf.Missing: 1}, Unmended: 1}); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if l.state("red").Totals.Writes.Total().Refused == 0 {
			t.Error("the refusal is not counted")
		}
	})
}

func TestAResyncThatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		l.start(spec("red"))
		if _, err := l.worker("red").Resync(t.Context()); !errors.Is(err, vrf.ErrPending) {
			t.Errorf("without a table: %v", err)
		}
		l.kernel.add(red, 7)
		l.settle()

		l.kernel.mu.Lock()
		l.kernel.fail["read"] = -1
		l.kernel.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := l.worker("red").Resync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("out of patience: %v", err)
		}
		w := l.worker("red")
		if _, err := w.Resync(t.Context()); !errors.Is(err, errEnded) {
			t.Errorf("the table cannot be read and the worker gives up: %v", err)
		}
		if _, err := w.Resync(t.Context()); !errors.Is(err, errEnded) {
			t.Errorf("of a worker that has ended: %v", err)
		}
	})
}

// TestLostEventsAreTheReason: whatever else asks for the same reading, before or after.
func TestLostEventsAreTheReason(t *testing.T) {
	now := time.Now()
	for _, reasons := range [][]rib.ResyncReason{
		{rib.ResyncOverflow, rib.ResyncLink}, {rib.ResyncLink, rib.ResyncOverflow}, {rib.ResyncOverwritten, rib.ResyncOverflow, rib.ResyncRefused},
	} {
		var s schedule
		for i, r := range reasons {
			s.at(now.Add(time.Duration(1-i)*time.Second), r)
		}
		if s.reason != rib.ResyncOverflow {
			t.Errorf("%v are read for %v", reasons, s.reason)
		}
	}
}
