package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// SIGKILL and restart: no route is lost, and none is written again.
func TestFault01CrashKeepsEveryRoute(t *testing.T) {
	w := installed(t, routes)
	mark, s := w.rtr.Mark(), w.sample()
	w.daemon.Kill()
	w.daemon.Start()
	w.wait(all(routes), all(routes6))
	s.finish()
	writes := len(w.rtr.Since(mark))
	lab.Equal(t, "the fewest routes that any sample saw", routes+routes6, s.least)
	lab.Equal(t, "routes that were written or deleted", 0, writes)
	w.noLitter()
	measured(t, "%d of %d routes at the worst of %d samples, %d writes", s.least, routes+routes6, s.samples, writes)
}

// noLitter fails the test where a daemon that was killed has left more than the next
// start replaces or removes: whatever stays is there again after every crash.
func (w *network) noLitter() {
	w.T.Helper()
	temp, err := os.ReadDir(w.daemon.Temp)
	if err != nil || len(temp) > 0 {
		w.T.Errorf("a daemon needs no temporary directory, and these are there: %v, %v", temp, err)
	}
	for _, pattern := range []string{"api.sock.*", "state/.*"} {
		if left, err := filepath.Glob(filepath.Join(w.Dir, pattern)); err != nil || len(left) > 0 {
			w.T.Errorf("left by daemons that were killed: %v, %v", left, err)
		}
	}
}

// A prefix that is gone after a restart is swept after the family's End-of-RIB,
// and not before.
func TestFault02SweepAfterEndOfRIB(t *testing.T) {
	w := installed(t, routes)
	gone := 100
	w.daemon.Kill()
	w.resend(all(routes)[gone:], all(routes6)[gone:])
	w.bird.Show("disable v4") // after that: BIRD enables what it configures anew
	mark := w.rtr.Mark()
	w.daemon.Start()
	// IPv6 says its End-of-RIB, IPv4 has no session: nobody may be swept for it.
	w.waitStatus("default", "IPv6 is BGP's again", func(v *vrfredistv1.Vrf) bool {
		return int(v.GetCounts().GetPaths()) == routes6-gone
	})
	for _, e := range w.rtr.Since(mark) {
		if e.Prefix.Addr().Is4() {
			t.Fatalf("before the End-of-RIB of IPv4, %v was changed", e)
		}
	}
	began := time.Now()
	w.bird.Show("enable v4")
	w.oracle.Wait(lab.Main, model(all(routes)[gone:], all(routes6)[gone:]), limit())
	took := time.Since(began)
	w.atRest(routes + routes6 - 2*gone)
	deleted := 0
	for _, e := range w.rtr.Since(mark) {
		if !e.Deleted {
			t.Errorf("%v was written", e.Prefix)
		}
		deleted++
	}
	lab.Equal(t, "routes that were deleted", 2*gone, deleted)
	measured(t, "none of %d gone routes was swept before End-of-RIB, all of them %s after the session was let up", 2*gone, round(took))
}

// The peer is absent after a restart: its routes are kept until the deadline, then
// swept.
func TestFault03AbsentPeerKeepsUntilDeadline(t *testing.T) {
	const delay = 5 * time.Second
	w := installed(t, routes, fmt.Sprintf("sweep_delay = %q", delay))
	w.daemon.Kill()
	w.bird.Kill()
	began := time.Now()
	w.daemon.Start()
	lab.Equal(t, "routes once the daemon runs", routes+routes6, w.oracle.Count())
	lab.WaitFor(t, "the sweep begins", limit(), func() string {
		if n := w.oracle.Count(); n == routes+routes6 {
			return "all routes are there"
		}
		return ""
	})
	if kept := time.Since(began); kept < delay {
		t.Errorf("routes were swept after %v, before the sweep_delay of %v", kept, delay)
	} else {
		measured(t, "all routes kept for %s with a sweep_delay of %s", round(kept), delay)
	}
	promised(t, "swept", w.oracle.WaitEmpty(limit()), 2*time.Second)
	w.atRest(0)
}

// SIGTERM keeps the routes or removes them as on_exit says, within a second.
func TestFault04EndKeepsOrRemoves(t *testing.T) {
	w := installed(t, routes)
	mark := w.rtr.Mark()
	began := time.Now()
	w.daemon.Stop()
	took := time.Since(began)
	lab.Equal(t, "routes that were written or deleted", 0, len(w.rtr.Since(mark)))
	lab.Equal(t, "what keep left", routes+routes6, w.oracle.Count())
	w.oracle.WaitForeign(w.foreign)
	promised(t, "keep: the daemon ended", took, time.Second)

	w.daemon.Write(exporting(`on_exit = "remove"`))
	w.daemon.Start()
	w.atRest(routes + routes6)
	w.daemon.Do("redistribution", "disable", "import") // which is kept in the state directory
	if left, err := os.ReadDir(w.Dir + "/state"); err != nil || len(left) == 0 {
		t.Fatalf("what was disabled at run time is not kept: %v: this proves nothing", err)
	}
	var ended time.Duration
	w.rtr.Unwatched(func() {
		began = time.Now()
		w.daemon.Signal(syscall.SIGTERM)
		took = w.oracle.WaitEmpty(limit())
		if err := w.daemon.Wait(limit()); err != nil {
			t.Errorf("the daemon did not end well: %v", err)
		}
		ended = time.Since(began)
	})
	promised(t, fmt.Sprintf("remove: %d routes gone", routes+routes6), took, time.Second)
	promised(t, "remove: the daemon ended", ended, time.Second)
	lab.Equal(t, "nexthop objects of ours", 0, w.oracle.Objects())
	w.oracle.WaitForeign(w.foreign)
	if _, err := os.Stat(w.Dir + "/api.sock"); !os.IsNotExist(err) {
		t.Errorf("the API's socket is left: %v", err)
	}
	if _, err := os.Stat(w.Dir + "/state"); !os.IsNotExist(err) {
		t.Errorf("the state directory is left: %v", err)
	}
	if temp, err := os.ReadDir(w.daemon.Temp); err != nil || len(temp) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", temp, err)
	}
}

// The peer is killed: the kernel is empty at once.
func TestFault08PeerKilled(t *testing.T) {
	w := installed(t, routes)
	var took time.Duration
	w.rtr.Unwatched(func() {
		began := time.Now()
		w.bird.Kill()
		killing := time.Since(began)
		took = killing + w.oracle.WaitEmpty(limit())
	})
	promised(t, fmt.Sprintf("kernel empty of %d routes", routes+routes6), took, 650*time.Millisecond)
	w.atRest(0)
	lab.WaitFor(t, "nexthop objects go with their routes", lab.Patience, func() string {
		if n := w.oracle.Objects(); n != 0 {
			return fmt.Sprint(n, " are left")
		}
		return ""
	})
}
