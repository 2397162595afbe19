package faults_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// limitedPeer is the raw peer with a limit.
var limitedPeer = strings.Replace(rawPeer, `    [neighbors.afi-safis.mp-graceful`, `    [neighbors.afi-safis.prefix-limit.config]
      max-prefixes = 10000
      restart-timer = 5
    [neighbors.afi-safis.mp-graceful`, 1)

// bounded fails the test where the daemon took more memory than bound, in MiB. One that
// was built with the race detector, as without make faults, has several times as much
// for the detector alone: of that nothing can be said.
func bounded(t *testing.T, what string, mib, bound int) {
	t.Helper()
	if os.Getenv(lab.DaemonEnv) != "" && mib > bound {
		t.Errorf("%d MiB more for %s, want %d at most", mib, what, bound)
	}
}

// most returns the most memory that the daemon has until done.
func (w *network) most(done func() bool) (mib int) {
	w.T.Helper()
	lab.WaitFor(w.T, "the end of a flood", limit(), func() string {
		if mib = max(mib, w.memory()>>20); done() {
			return ""
		}
		return "it goes on"
	})
	return mib
}

// A neighbour withdraws what it never announced: nothing of it stays, and nobody else
// is disturbed. It sends so much at a time that what waits for BGP counts for little.
func TestFault45WithdrawalsOfUnknownPrefixes(t *testing.T) {
	const n, parts, first, all4, bound = 400_000, 20, 10_000, 100, 200
	w := newNetwork(t, all4)
	w.up.Address("eth0", "10.0.0.3/24")
	w.daemon = w.rtr.Daemon(exporting() + rawPeer)
	w.wait(all(all4), all(routes6))
	s, before, peak := w.speak(), w.memory()>>20, 0
	for i := range parts {
		// A route behind them shows that all were taken.
		part, last := first+i*n/parts, first-1-i
		if err := s.Send(append(rawUpdates(true, part, n/parts), rawUpdates(false, last, 1)...)...); err != nil {
			t.Fatalf("the session has ended: %v", err)
		}
		peak = max(peak, w.most(func() bool { return strings.Contains(w.rtr.IP("route", "show", prefix4(last)), "10.0.1.2") }))
	}
	bounded(t, "withdrawals of nothing", peak-before, bound)
	if err := s.Send(rawUpdates(true, first-parts, parts)...); err != nil {
		t.Error(err)
	}
	w.wait(all(all4), all(routes6))
	measured(t, "%d withdrawals of prefixes never announced: %d MiB more at most", n, peak-before)
}

// A neighbour sends a hundred times its prefix-limit: it is stopped and says why, the
// memory is bounded, and it starts again when its restart-timer has run.
func TestFault45FloodOverPrefixLimit(t *testing.T) {
	const n, all4, bound = 1_000_000, 100, 200
	w := newNetwork(t, all4)
	w.up.Address("eth0", "10.0.0.3/24")
	w.daemon = w.rtr.Daemon(exporting() + limitedPeer)
	w.wait(all(all4), all(routes6))
	s, before := w.speak(gracefulCapability(60, true)...), w.memory()>>20
	began := time.Now()
	go func() { _ = s.Send(rawUpdates(false, 1000, n)...) }() // it is cut short
	peak := w.most(func() bool { return s.Ended() != "" })
	ended := time.Since(began)
	bounded(t, "a flood over a limit of 10,000", peak-before, bound)
	if got := s.Ended(); got != "6/1" {
		t.Errorf("the session ended with %q, want NOTIFICATION 6/1", got)
	}
	if out := w.daemon.Output(); !strings.Contains(out, "more prefixes than its prefix-limit allows") || strings.Count(out, "10.0.0.3") > 60 {
		t.Errorf("the log does not say it once: %s", lastLine(out))
	}
	w.wait(all(all4), all(routes6))
	again := w.speak(gracefulCapability(60, true)...)
	if err := again.Send(rawUpdates(false, 1000, 50)...); err != nil {
		t.Error(err)
	}
	four := all(all4)
	for i := range 50 {
		four = append(four, 1000+i)
	}
	w.wait(four, all(routes6))
	measured(t, "%d prefixes over a limit of 10,000: the session ended after %s with 6/1, %d MiB more at most; up again by its restart-timer", n, round(ended), peak-before)
}

// A neighbour with graceful restart is back without the capability, without F, or
// without End-of-RIB: what it does not send again goes.
func TestFault47StaleRoutes(t *testing.T) {
	for name, capabilities := range map[string][]byte{
		"without the capability": nil,
		"without F":              gracefulCapability(8, false),
		"without End-of-RIB":     gracefulCapability(8, true),
	} {
		t.Run(name, func(t *testing.T) {
			const all4 = 100
			w := newNetwork(t, all4)
			w.up.Address("eth0", "10.0.0.3/24")
			w.daemon = w.rtr.Daemon(exporting() + rawPeer)
			first := w.speak(gracefulCapability(60, true)...)
			if err := first.Send(rawUpdates(false, 1000, 20)...); err != nil {
				t.Fatal(err)
			}
			w.wait(append(all(all4), all(1020)[1000:]...), all(routes6))
			crash(t, first)
			back := w.speak(capabilities...)
			began := time.Now()
			if err := back.Send(rawUpdates(false, 1000, 10)...); err != nil {
				t.Fatal(err)
			}
			w.wait(append(all(all4), all(1010)[1000:]...), all(routes6))
			took := time.Since(began)
			if name == "without End-of-RIB" && took < 4*time.Second {
				t.Errorf("stale routes went after %s, and may come for 8 s", took)
			}
			measured(t, "%s: stale routes gone %s after the session", name, round(took))
		})
	}
}
