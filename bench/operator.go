package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// questions is how many GetVrf a second are asked while a table fills.
const questions = 100

// operator measures what an operator waits for with a full table, and what it
// costs the daemon.
func operator(w *work, t *stage, s *sender) {
	r := w.receive(newRouter(t, w, s.ns), ours, options{export: true})
	l := &loaded{w, r, s}
	w.note("operator", nobodyAsks, "s", l.fill(false).Seconds())
	s.feed("full4", false)
	t.until("the routes go", w.limit, 50*time.Millisecond, func() bool { return routes(t, r.pid(), false) < len(w.v4)/2 })
	w.settle(t)

	asked := fmt.Sprintf("the session, %d GetVrf a second", questions)
	end := asking(r, time.Second/questions)
	took := l.fill(false)
	slowest := end()
	w.note("operator", asked, "s", took.Seconds())
	w.note("operator", asked, "slowest answer, ms", float64(slowest.Microseconds())/1000)
	w.settle(t)

	one := w.v4[0].String()
	asks := [][]string{
		{"vrf", "default"},
		{"explain", one},
		{"route", "export", "--prefix", one, "--exact"},
		{"route", "export", "--count"},
		{"route", "export"},
		{"route", "export", "--json"},
	}
	for _, argv := range append(asks, plans(r)...) {
		ask(w, r, argv)
	}
	r.stop()
}

// asking asks for the state of the VRF at intervals until the function that it
// returns is called, which returns how long the slowest answer took.
func asking(r *receiver, every time.Duration) (end func() time.Duration) {
	ctx, cancel := context.WithCancel(r.t.ctx)
	var parts sync.WaitGroup
	var slowest time.Duration
	var failed error
	parts.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for failed == nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			began := time.Now()
			if _, err := r.api.GetVrf(ctx, &vrfredistv1.GetVrfRequest{Vrf: "default"}); err != nil && ctx.Err() == nil {
				failed = err
			}
			slowest = max(slowest, time.Since(began))
		}
	})
	return func() time.Duration {
		cancel()
		parts.Wait()
		r.t.must(failed)
		return slowest
	}
}

// ask runs one command and notes what it took.
func ask(w *work, r *receiver, argv []string) {
	t := r.t
	name := strings.ReplaceAll(strings.Join(argv, " "), r.lab.Dir+"/", "")
	ctx, cancel := context.WithTimeout(t.ctx, w.limit)
	defer cancel()
	t.must(os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", r.pid()), []byte("5"), 0)) // VmHWM begins anew
	before := status(t, r.pids(), "VmRSS")

	cmd := exec.CommandContext(ctx, w.daemon, append(argv, "--api", "unix://"+filepath.Join(r.lab.Dir, "api.sock"))...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	t.must(err)
	began := time.Now()
	t.must(cmd.Start())
	peak := watchPeak(cmd.Process.Pid)
	in := bufio.NewReaderSize(out, 1<<20)
	_, err = in.ReadString('\n')
	first := time.Since(began)
	lines := 1
	for err == nil {
		_, err = in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		} else if err == nil {
			lines++
		}
	}
	most := peak()
	ended := cmd.Wait()
	took := time.Since(began)
	if !errors.Is(err, io.EOF) || ended != nil {
		t.Errorf("%s: %w, %w: %s", name, err, ended, complaint.String())
		return
	}
	w.note("operator", name, "first line, ms", float64(first.Microseconds())/1000)
	w.note("operator", name, "s", took.Seconds())
	w.note("operator", name, "lines", float64(lines))
	w.note("operator", name, "client's RSS, MB", most/1e6)
	w.note("operator", name, "daemon's RSS more, MB", max(0, status(t, r.pids(), "VmHWM")-before)/1e6)
	w.settle(t)
}

// watchPeak looks at a process's memory until the function that it returns is
// called, which returns the most of it, in bytes. What wait4 reports would be
// the most of the process that started it as well.
func watchPeak(pid int) (end func() float64) {
	done := make(chan struct{})
	var parts sync.WaitGroup
	var most float64
	parts.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, peakOf(pid))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return func() float64 {
		close(done)
		parts.Wait()
		return most
	}
}

// peakOf is VmHWM of a process; 0 where it has ended.
func peakOf(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kilo, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kilo * 1024
		}
	}
	return 0
}
