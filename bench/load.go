package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/bench/probe"
)

// load is a receiver's time with a full table: the session that fills it, and
// what happens on it afterwards.
func load(w *work, t *stage, s *sender, name string) {
	r := w.receive(newRouter(t, w, s.ns), name, options{export: true, args: w.profile(name)})
	l := &loaded{w, r, s}
	l.session(false)
	w.settle(t)
	w.note("session", name, "RSS after it, MB", status(t, r.pids(), "VmRSS")/1e6)
	if name == alone || name == exportOff {
		return
	}
	if w.cpuProfile != "" && name == ours { // of the session alone
		r.profiled(w.cpuProfile)
		return
	}
	l.oneRoute()
	l.r.failover(l.w, "failover", l.r.sock, l.w.v4)
	if name == ours {
		l.writing()
		l.restart()
	}
	l.lost()
	r.stop()
}

// loaded is a receiver that gets the sender's full table.
type loaded struct {
	w *work
	r *receiver
	s *sender
}

// session turns the sender's session on and measures from the first kilobytes
// that arrive until the last prefix is at the receiver's end: the kernel, or
// GoBGP's table.
func (l *loaded) session(ipv6 bool) {
	w, r := l.w, l.r
	t, table, scenario := r.t, w.v4, "session"
	if ipv6 {
		table, scenario = w.v6, "session-ipv6"
	}
	cpu := cpuTime(t, r.pids())
	took := l.fill(ipv6).Seconds()
	w.note(scenario, r.name, "s", took)
	w.note(scenario, r.name, "CPU s", (cpuTime(t, r.pids()) - cpu).Seconds())
	w.note(scenario, r.name, "routes/s", float64(len(table))/took)
}

// fill turns the sender's session on, and returns how long the table took.
func (l *loaded) fill(ipv6 bool) time.Duration {
	table, session := l.w.v4, "full4"
	if ipv6 {
		table, session = l.w.v6, "full6"
	}
	l.r.t.Cleanup(func() { l.s.feed(session, false) })
	return l.r.fill(l.w, table, func() { l.s.feed(session, true) })
}

// fill has the neighbour behind eth0 begin to send a table, and returns how long it took
// from the first kilobytes that arrive until the last prefix is at the receiver's end.
func (r *receiver) fill(w *work, table []netip.Prefix, feed func()) time.Duration {
	t, ipv6 := r.t, table[0].Addr().Is6()
	inKernel := r.api == nil || r.name == ours
	before := 0
	if inKernel {
		before = routes(t, r.pid(), ipv6)
	}
	sample := sampled(table, samples)
	bytes := received(t, r.pid())
	feed()
	// An OPEN and what TCP needs are some hundred bytes.
	begin := t.until("the first routes arrive", 30*time.Second, time.Millisecond, func() bool {
		return received(t, r.pid()) > bytes+4096
	})
	end := arrival(r, sample)
	if inKernel {
		end = later(end, t.until("the last route arrives", w.limit, 10*time.Millisecond, func() bool {
			return routes(t, r.pid(), ipv6) >= before+len(table)
		}))
	} else if !ipv6 {
		end = later(end, t.until("the last route arrives", w.limit, 50*time.Millisecond, func() bool {
			n, err := r.api.table()
			t.must(err)
			return n >= len(table)
		}))
	}
	return end.Sub(begin)
}

// samples is how many prefixes stand for a table while it fills: when all of
// them are there, about one in samples of the table is still to come.
const samples = 1000

// sampled returns n prefixes of a table of which the kernel, asked for their
// first address, must answer with themselves: no longer one lies there.
func sampled(table []netip.Prefix, n int) []netip.Prefix {
	there := make(map[netip.Prefix]struct{}, len(table))
	for _, p := range table {
		there[p] = struct{}{}
	}
	hidden := func(p netip.Prefix) bool {
		for bits := p.Bits() + 1; bits <= p.Addr().BitLen(); bits++ {
			if _, longer := there[netip.PrefixFrom(p.Addr(), bits)]; longer {
				return true
			}
		}
		return false
	}
	return slices.DeleteFunc(pick(table, n), hidden)
}

// pick returns n prefixes of a table, evenly spread over its random order.
func pick(table []netip.Prefix, n int) []netip.Prefix {
	n = min(n, len(table))
	out := make([]netip.Prefix, n)
	for i := range out {
		out[i] = table[i*len(table)/n]
	}
	return out
}

// arrival waits until every one of the sample is there, each asked for until it
// is.
func arrival(r *receiver, sample []netip.Prefix) (end time.Time) {
	pause := time.Millisecond
	if r.api != nil && r.name != ours {
		// GoBGP stops its work to answer, and each answer takes a while.
		sample, pause = pick(sample, 100), 10*time.Millisecond
	}
	for _, p := range sample {
		end = r.t.until(fmt.Sprintf("%v arrives", p), 5*time.Minute, pause, func() bool { return r.has(p) })
	}
	return end
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// oneRoute times single routes from the peer's write to the kernel's table.
func (l *loaded) oneRoute() {
	w, r := l.w, l.r
	t, p := r.t, r.dial(false)
	took := make([]float64, 0, w.singles)
	for i := range w.singles {
		prefix := single(i)
		begin := time.Now()
		t.must(p.Announce(prefix, nexthop))
		end := t.until("a single route arrives", time.Minute, 20*time.Microsecond, func() bool { return r.has(prefix) })
		took = append(took, float64(end.Sub(begin).Microseconds())/1000)
		time.Sleep(time.Duration(3+i%7) * time.Millisecond) // not in step with anybody's timer
	}
	for i := range w.singles {
		t.must(p.Withdraw(single(i)))
	}
	t.until("the single routes go", time.Minute, 10*time.Millisecond, func() bool { return !r.has(single(w.singles - 1)) })
	w.note("one route", r.name, "p50 ms", percentile(took, 50))
	w.note("one route", r.name, "p99 ms", percentile(took, 99))
	t.must(p.Close())
}

// single is one of the prefixes that no table has.
func single(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
}

// failover moves the static route of the nexthop of a table to the other link, and back, and
// measures until the kernel would send packets for every prefix of a sample there, as the socket
// sees it. The last look at the last of the sample counts, so the figure errs upwards.
func (r *receiver) failover(w *work, scenario string, by *probe.Socket, table []netip.Prefix) {
	const flips = 3
	t, sample := r.t, pick(table, 256)
	var took []float64
	for i := range flips {
		to := (i + 1) % 2
		begin := time.Now()
		t.must(r.sock.Route(probe.Change{Prefix: covering, Via: gateways[to], Device: r.eth[to], Protocol: 4, Replace: true}))
		var end time.Time
		for _, p := range sample {
			end = t.until(fmt.Sprintf("%v moves", p), w.limit, 50*time.Microsecond, func() bool {
				device, err := by.Device(p.Addr())
				t.must(err)
				return device == r.eth[to]
			})
		}
		end = later(end, time.Now())
		took = append(took, float64(end.Sub(begin).Microseconds())/1000)
		w.settle(t)
	}
	w.note(scenario, r.name, "ms", median(took))
	w.note(scenario, r.name, "slowest ms", slices.Max(took))
}

// lost takes the peer of the full table away, and measures until the last of its
// routes has left the kernel.
func (l *loaded) lost() {
	l.r.emptied(l.w, "lost", func() { l.s.feed("full4", false) })
}

// emptied has the one neighbour of all routes go, and notes what it took until the last of
// them has left the kernel.
func (r *receiver) emptied(w *work, scenario string, end func()) {
	t, sample := r.t, sampled(w.v4, samples)
	full := routes(t, r.pid(), false)
	cpu, begin := cpuTime(t, r.pids()), time.Now()
	end()
	for _, p := range sample {
		t.until(fmt.Sprintf("%v goes", p), w.limit, time.Millisecond, func() bool { return !r.has(p) })
	}
	gone := t.until("the last route goes", w.limit, 10*time.Millisecond, func() bool {
		return routes(t, r.pid(), false) <= full-len(w.v4)
	})
	took := gone.Sub(begin).Seconds()
	w.note(scenario, r.name, "s", took)
	w.note(scenario, r.name, "s for 100,000", took*100_000/float64(len(w.v4)))
	w.note(scenario, r.name, "CPU s", (cpuTime(t, r.pids()) - cpu).Seconds())
}

// writing notes what writing all routes anew took.
func (l *loaded) writing() {
	took, cpu := l.r.writing(l.w)
	l.w.note("writing", l.r.name, "s", took.Seconds())
	l.w.note("writing", l.r.name, "routes/s", float64(len(l.w.v4))/took.Seconds())
	l.w.note("writing", l.r.name, "CPU s", cpu.Seconds())
}

// writing takes every route out of the kernel and has vrfredist write them all
// anew from what it holds.
func (r *receiver) writing(w *work) (took, cpu time.Duration) {
	t := r.t
	full := routes(t, r.pid(), false)
	r.api.export(t, false)
	t.until("the table is empty", w.limit, 50*time.Millisecond, func() bool {
		return routes(t, r.pid(), false) <= full-len(w.v4)
	})
	sample := sampled(w.v4, samples)
	w.settle(t)
	before, begin := cpuTime(t, r.pids()), time.Now()
	r.api.export(t, true)
	end := arrival(r, sample)
	end = later(end, t.until("the last route is written", w.limit, 10*time.Millisecond, func() bool {
		return routes(t, r.pid(), false) >= full
	}))
	return end.Sub(begin), cpuTime(t, r.pids()) - before
}

// protocol is vrfredist's route protocol.
const protocol = 179

// restart kills vrfredist and starts it over its own routes. The session begins
// anew meanwhile, as it does after every restart.
func (l *loaded) restart() {
	w, r, s, t := l.w, l.r, l.s, l.r.t
	r.stop()
	s.feed("full4", false)
	full := l.fullCount()
	events, err := probe.Listen(r.ns.Enter, protocol)
	t.must(err)
	started := time.Now()
	w.startOurs(r, options{export: true})
	bytes := int64(-1)
	s.feed("full4", true)
	begin := t.until("the first routes arrive again", 30*time.Second, time.Millisecond, func() bool {
		now := received(t, r.pid())
		if bytes < 0 {
			bytes = now
		}
		return now > bytes+4096
	})
	r.awaitBGP()
	r.api.await(t)
	end := t.until("vrfredist is in sync", w.limit, 50*time.Millisecond, func() bool {
		v := r.api.vrf(t, "default")
		return v.GetState() == "ready" && int(v.GetCounts().GetInstalled()) >= len(w.v4) && v.GetCounts().GetStale() == 0
	})
	writes, err := events.Close()
	t.must(err)
	if now := l.fullCount(); now != full {
		t.Errorf("after the restart the table holds %d routes, before it %d", now, full)
	}
	w.note("restart", r.name, "s from the session", end.Sub(begin).Seconds())
	w.note("restart", r.name, "s from the start", end.Sub(started).Seconds())
	w.note("restart", r.name, "routes written", float64(writes))
}

// fullCount counts the router's IPv4 routes, whether or not a receiver runs.
func (l *loaded) fullCount() (n int) {
	r := l.r
	p := r.ns.Start("a process to look through", "sleep", "60")
	defer p.Kill()
	return routes(r.t, p.PID(), false)
}
