package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const pprofAddr = "127.0.0.1:6061"

// memory measures what vrfredist needs beside GoBGP: what is alive on the heap
// after a collection, which each process is asked for. The difference of two
// resident sizes is mostly what the collector has not given back yet.
func memory(w *work, t *stage, s *sender) {
	live := map[string]float64{}
	for _, name := range []string{alone, ours} {
		if err := run(t.ctx, func(t *stage) {
			o := options{export: true}
			if name == ours {
				o.args = []string{"--pprof", pprofAddr}
			}
			r := w.receive(newRouter(t, w, s.ns), name, o)
			s.feed("full4", true)
			t.Cleanup(func() { s.feed("full4", false) })
			arrival(r, sampled(w.v4, samples))
			r.quiet(w)
			rss := rested(w, r)
			live[name] = liveHeap(r)
			w.note("memory", name, "peak RSS, MB", status(t, r.pids(), "VmHWM")/1e6)
			w.note("memory", name, "RSS at rest, MB", rss/1e6)
			w.note("memory", name, "RSS at rest ÷ live heap", rss/live[name])
			r.stop()
		}); err != nil {
			t.Fatalf("%s: %w", name, err)
		}
		w.note("memory", name, "live heap, MB", live[name]/1e6)
	}
	w.note("memory", ours, "bytes a route beyond GoBGP", (live[ours]-live[alone])/float64(len(w.v4)))
}

// furtherPaths measures what vrfredist needs, beside GoBGP, for each further path of a
// prefix, and for routes of a backup: with one neighbour, with two that have the same
// prefixes, and with backup_routes.
func furtherPaths(w *work, t *stage) {
	const one, two = ", one neighbour", ", two neighbours"
	live, slabs, rss := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, c := range []struct {
		name, subject, more string
		both                bool
	}{
		{alone, alone + one, "", false}, {alone, alone + two, "", true},
		{ours, ours + one, "", false}, {ours, ours + two, "", true}, {ours, oursBackup + two, backupRoutes, true},
	} {
		if err := run(t.ctx, func(t *stage) {
			live[c.subject], slabs[c.subject], rss[c.subject] = loadedMemory(w, t, c.name, c.more, c.both)
		}); err != nil {
			t.Fatalf("%s: %w", c.subject, err)
		}
		w.note(memoryOfPaths, c.subject, "live heap, MB", live[c.subject]/1e6)
		w.note(memoryOfPaths, c.subject, "RSS at rest, MB", rss[c.subject]/1e6)
		w.note(memoryOfPaths, c.subject, "kernel's slabs, MB more", slabs[c.subject]/1e6)
	}
	n := float64(len(w.v4))
	further := (live[ours+two] - live[ours+one]) - (live[alone+two] - live[alone+one])
	w.note(memoryOfPaths, ours+two, "bytes a further path beyond GoBGP", further/n)
	w.note(memoryOfPaths, ours+two, "RSS at rest more, MB", (rss[ours+two]-rss[ours+one])/1e6)
	w.note(memoryOfPaths, oursBackup+two, "bytes a route for it in the daemon", (live[oursBackup+two]-live[ours+two])/n)
	w.note(memoryOfPaths, oursBackup+two, "in the kernel", (slabs[oursBackup+two]-slabs[ours+two])/n)
}

const memoryOfPaths = "memory of paths"

// loadedMemory is what is alive on a receiver's heap with the table of one neighbour, or
// of both, and how much the kernel's slabs have grown by it.
func loadedMemory(w *work, t *stage, name, more string, both bool) (live, slabs, rss float64) {
	u := newUpstreams(t, w)
	o := options{export: true, config: u.config(name, more)}
	if name == ours {
		o.args = []string{"--pprof", pprofAddr}
	}
	before := unreclaimable(t)
	r := w.receive(u.router, name, o)
	if both {
		u.load(r)
	} else {
		r.fill(w, w.v4, func() { u.speaks(0) })
	}
	r.quiet(w)
	rss = rested(w, r)
	live, slabs = liveHeap(r), unreclaimable(t)-before
	r.stop()
	return live, slabs, rss
}

// rested is what is resident of a receiver to which nothing has happened for a while.
func rested(w *work, r *receiver) float64 {
	select {
	case <-r.t.ctx.Done():
	case <-time.After(w.rest):
	}
	return status(r.t, r.pids(), "VmRSS")
}

// smallContainer has the full table go to a daemon that has 1 GB and no swap, of which the kernel's
// routes are a part: by one session, by another after it, and written anew.
func smallContainer(w *work, t *stage, s *sender) {
	group, err := lab.NewMemoryGroup(t, containerSize(w.Scale))
	if err != nil {
		progress("left out: %s: %v", memoryOfContainer, err)
		return
	}
	r := w.receive(newRouter(t, w, s.ns), ours, options{export: true, starter: group.Starter()})
	l := &loaded{w, r, s}
	cpu := cpuTime(t, r.pids())
	took := l.fill(false)
	r.quiet(w)
	w.note(memoryOfContainer, ours, "s", took.Seconds())
	w.note(memoryOfContainer, ours, "CPU s", (cpuTime(t, r.pids()) - cpu).Seconds())
	s.feed("full4", false)
	t.until("the routes go", w.limit, 50*time.Millisecond, func() bool { return !r.has(w.v4[0]) })
	r.quiet(w)
	l.fill(false)
	rested(w, r)
	w.note(memoryOfContainer, ours, "peak of the container, MB", float64(group.Peak())/1e6)
	killed, err := group.Killed()
	t.must(err)
	w.note(memoryOfContainer, ours, "times killed", float64(killed))
	r.stop()
}

const memoryOfContainer = "memory of a container"

// containerSize is 1 GB for the full table, and for a smaller one what the program needs and its share.
func containerSize(scale float64) int64 {
	const whole, program = 1 << 30, 96 << 20
	return program + int64(min(scale, 1)*(whole-program))
}

// memoryAims are about what is resident.
func memoryAims() []aim {
	return []aim{
		{"memory, at rest ÷ the larger of 1.25 × live heap and 850 MB", 1, false, func(r *results) (float64, bool) {
			rss, ok1 := r.value("memory", ours, "RSS at rest, MB")
			live, ok2 := r.value("memory", ours, "live heap, MB")
			return rss / max(1.25*live, 850), ok1 && ok2
		}},
		{"memory, peak MB", 1300, false, figureOf("memory", "peak RSS, MB")},
		{"memory, MB at rest that a second full table is more", 450, false, func(r *results) (float64, bool) {
			return r.value(memoryOfPaths, ours+", two neighbours", "RSS at rest more, MB")
		}},
		{"memory, bytes a route beyond GoBGP", 100, false, figureOf("memory", "bytes a route beyond GoBGP")},
		{"memory, bytes a further path beyond GoBGP", 40, false, func(r *results) (float64, bool) {
			return r.value(memoryOfPaths, ours+", two neighbours", "bytes a further path beyond GoBGP")
		}},
		{"memory, a container of 1 GB with a full table, times killed", 0, false, figureOf(memoryOfContainer, "times killed")},
	}
}

// unreclaimable is how much memory the kernel's slabs have that nothing but their owner
// can free, in bytes: those of routes are among them.
func unreclaimable(t *stage) float64 {
	text, err := os.ReadFile("/proc/meminfo")
	t.must(err)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "SUnreclaim:"); found {
			kilo, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			t.must(err)
			return kilo * 1024
		}
	}
	t.Fatalf("the kernel does not say how much memory its slabs have")
	return 0
}

// liveHeap has the receiver collect its garbage, and returns what is left.
func liveHeap(r *receiver) float64 {
	for lines := bufio.NewScanner(strings.NewReader(r.get("http://" + pprofAddr + "/debug/pprof/heap?gc=1&debug=1"))); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "# HeapAlloc = "); found {
			n, err := strconv.ParseFloat(text, 64)
			r.t.must(err)
			return n
		}
	}
	r.t.Fatalf("%s does not say how much of its heap is alive", r.name)
	return 0
}

// get reads an HTTP answer from inside the router's namespace.
func (r *router) get(url string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (c net.Conn, err error) {
		err = r.ns.Enter(func() (err error) { c, err = net.Dial(network, addr); return err })
		return c, err
	}}}
	answer, err := client.Get(url)
	r.t.must(err)
	defer answer.Body.Close()
	var b strings.Builder
	_, err = bufio.NewReader(answer.Body).WriteTo(&b)
	r.t.must(err)
	return b.String()
}
