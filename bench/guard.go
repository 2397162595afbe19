package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
)

// guardPairs is how often the session is played with the guard before it and without,
// in turn: a difference has to be seen beside the spread of each.
const guardPairs = 5

// guard measures what the guard before each session costs: the same session by this
// program and by one that was built without the guard (make bench builds both), and
// what of a profile of the session are the guard's own functions.
func guard(w *work, t *stage, s *sender) {
	unguarded := w.daemon + "-unguarded"
	if _, err := os.Stat(unguarded); err != nil {
		t.Fatalf("%v: build it first, as `make bench` does", err)
	}
	for range guardPairs {
		for _, o := range []struct{ name, daemon string }{{"without it", unguarded}, {"with it", w.daemon}} {
			t.must(run(t.ctx, func(t *stage) {
				r := w.receive(newRouter(t, w, s.ns), ours, options{export: true, daemon: o.daemon})
				cpu := cpuTime(t, r.pids())
				took := (&loaded{w, r, s}).fill(false)
				w.note("guard", o.name, "s", took.Seconds())
				w.note("guard", o.name, "CPU s", (cpuTime(t, r.pids()) - cpu).Seconds())
				r.stop()
			}))
		}
	}
	dir, err := os.MkdirTemp("", "vrfredist-bench-")
	t.must(err)
	t.Cleanup(func() { t.must(os.RemoveAll(dir)) })
	file := filepath.Join(dir, "guard.pprof")
	r := w.receive(newRouter(t, w, s.ns), ours, options{export: true, args: []string{"--cpuprofile", file}})
	(&loaded{w, r, s}).fill(false)
	r.procs[0].Signal(syscall.SIGTERM)
	t.must(r.procs[0].Wait(time.Minute))
	share, err := shareOf(file, "/gobgp3/guard.")
	t.must(err)
	w.note("guard", "with it", "its own functions, % of the samples", 100*share)
}

// shareOf is how much of a CPU profile was spent in functions of a package, and not in
// what they call.
func shareOf(file, pkg string) (float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return 0, err
	}
	var own, all int64
	for _, s := range p.Sample {
		n := s.Value[0]
		all += n
		if len(s.Location) > 0 && len(s.Location[0].Line) > 0 && strings.Contains(s.Location[0].Line[0].Function.Name, pkg) {
			own += n
		}
	}
	return float64(own) / float64(max(all, 1)), nil
}
