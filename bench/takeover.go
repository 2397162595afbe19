package main

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/bench/probe"
	"github.com/vrfredist/vrfredist/bench/traffic"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// oursBackup is vrfredist with backup_routes.
const oursBackup = "vrfredist, backup_routes"

// The scenarios in which the better one of two neighbours with the same table is lost, and
// that of the only one.
const (
	killed      = "the better neighbour killed"
	linkDown    = "the better neighbour's link down"
	carrierLost = "the better neighbour's carrier lost"
	aloneKilled = "the only neighbour killed"
)

// cut takes the first neighbour away, and returns when the router's kernel has done its
// part: it takes out all that hangs on a link that is lost, or has had the end of the session.
type cut func() (kernel time.Time, err error)

// losses are the ways in which the first neighbour is lost, each prepared before it is timed.
var losses = []struct {
	scenario string
	prepare  func(*upstreams) cut
}{
	{killed, func(u *upstreams) cut {
		ended, err := probe.SessionEnded(u.ns.Enter, u.eth[0], 179, u.w.limit)
		u.t.must(err)
		return func() (time.Time, error) {
			failed := u.side[0].proc.TrySignal(syscall.SIGKILL)
			at, err := ended() // the neighbour's kernel first takes the process apart
			return at, errors.Join(failed, err)
		}
	}},
	{linkDown, func(u *upstreams) cut {
		down := u.downer(u.ns, u.eth[0])
		return func() (time.Time, error) {
			err := down()
			return time.Now(), err
		}
	}},
	{carrierLost, func(u *upstreams) cut {
		far := &router{t: u.t, ns: u.side[0].ns}
		down := u.downer(far.ns, far.index("eth0"))
		lost, err := probe.CarrierLost(u.ns.Enter, u.eth[0], u.w.limit)
		u.t.must(err)
		return func() (time.Time, error) {
			failed := down()
			at, err := lost()
			return at, errors.Join(failed, err)
		}
	}},
}

// downer returns what sets a link down, by a socket of its own: others look meanwhile.
func (u *upstreams) downer(n *lab.Namespace, index int) func() error {
	s, err := probe.Open(n.Enter)
	u.t.must(err)
	u.t.Cleanup(func() { u.t.must(s.Close()) })
	return func() error { return s.Down(index) }
}

// takeovers are the scenarios of a receiver with two neighbours.
func (w *work) takeovers(name string) (list []scenario) {
	add := func(o takeover) {
		list = append(list, oneScenario("neighbours: "+o.scenario+": "+o.subject, name != ours, func(t *stage) { o.play(w, t) }))
	}
	for _, l := range losses {
		add(takeover{l.scenario, name, name, "", l.prepare})
		if name == ours {
			add(takeover{l.scenario, name, oursBackup, backupRoutes, l.prepare})
		}
	}
	return append(list, oneScenario("neighbours: "+aloneKilled+": "+name, name != ours, func(t *stage) {
		u := newUpstreams(t, w)
		r := w.receive(u.router, name, options{export: true, config: u.config(name, "")})
		r.fill(w, w.v4, func() { u.speaks(0) })
		w.settle(t)
		r.emptied(w, aloneKilled, func() { t.must(u.side[0].proc.TrySignal(syscall.SIGKILL)) })
		r.stop()
	}))
}

const backupRoutes = "  backup_routes = true\n"

func oneScenario(name string, once bool, play func(*stage)) scenario {
	return scenario{name: name, once: once, play: func(t *stage, _ *sender) { play(t) }}
}

// takeover loses the better one of two neighbours, and measures how long it takes until
// packets for every prefix of a sample go to the other, and how many get nowhere.
type takeover struct {
	scenario      string
	name, subject string // the receiver, and what it is called with this configuration
	more          string // of its configuration
	prepare       func(*upstreams) cut
}

func (o takeover) play(w *work, t *stage) {
	u := newUpstreams(t, w)
	r := w.receive(u.router, o.name, options{export: true, config: u.config(o.name, o.more)})
	loaded := u.load(r)
	targets := addresses(pick(w.v4, 256))
	for _, a := range targets {
		device, err := u.sock.Device(a)
		t.must(err)
		if device != u.eth[0] {
			t.Fatalf("packets for %v do not go to the better neighbour: that it is lost would show nothing", a)
		}
	}
	inKernel := routes(t, r.pid(), false)
	p := u.packets(targets)
	do := o.prepare(u)
	drops := dropped(t, r.pid(), "eth0")
	var kernel time.Time
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		kernel, err = do()
		ended <- err
	}()
	first, all := u.moves(targets, u.eth[1], began)
	t.must(<-ended)
	lost, onWire := p.count()
	atDead := min(lost, max(0, int(dropped(t, r.pid(), "eth0")-drops)-onWire)) // those on the wire count as dropped too
	lost -= atDead
	note := func(quantity string, value float64) { w.note(o.scenario, o.subject, quantity, value) }
	note(firstMoved, milliseconds(first.Sub(began)))
	note(allMoved, milliseconds(all.Sub(began)))
	if o.scenario == killed {
		note("the session's end arrives, ms", milliseconds(kernel.Sub(began)))
		note("all after it, ms", milliseconds(all.Sub(kernel)))
	} else {
		note("the kernel's own part, ms", milliseconds(kernel.Sub(began)))
		note(firstAfter, milliseconds(max(0, first.Sub(kernel))))
	}
	note(lostInside, float64(lost))
	note("at the dead link", float64(atDead))
	note("on its wire", float64(onWire))
	note("loading both, s", loaded.Seconds())
	note("routes in the kernel", float64(inKernel))
	if o.scenario == linkDown && o.subject == ours {
		r.quiet(w)
		took, _ := r.writing(w)
		note(writtenAnew, milliseconds(took))
	}
	r.stop()
}

// Quantities that aims are about.
const (
	firstMoved  = "first ms"
	allMoved    = "all ms"
	firstAfter  = "first after it, ms"
	lostInside  = "packets lost for want of a route"
	writtenAnew = "all written anew, ms"
)

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// load has both neighbours send their tables, the better one first, and returns how long
// the receiver was at work with them.
func (u *upstreams) load(r *receiver) time.Duration {
	took := r.fill(u.w, u.w.v4, func() { u.speaks(0) })
	began := time.Now()
	u.speaks(1)
	u.awaitSpoken(1)
	return took + r.quiet(u.w).Sub(began)
}

// quiet waits until the receiver does nothing, and returns since when. It cannot be asked
// whether it has taken in what changes no route.
func (r *receiver) quiet(w *work) time.Time {
	const (
		look = 250 * time.Millisecond
		idle = 2 * time.Second / ticks // in a look; a collector and timers go on
		rest = 4                       // looks
	)
	t, last, still := r.t, cpuTime(r.t, r.pids()), 0
	since := time.Now()
	t.until(r.name+" is quiet", w.limit, look, func() bool {
		now := cpuTime(t, r.pids())
		if still++; now-last > idle {
			still, since = 0, time.Now()
		}
		last = now
		return still >= rest
	})
	return since
}

// addresses are the first ones of prefixes.
func addresses(list []netip.Prefix) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, p := range list {
		out[i] = p.Addr()
	}
	return out
}

// moves looks until packets for every address leave by a device, and returns when the
// first did, and all: at the last look, so it errs upwards, by what a round of looks takes.
// It looks all the time at first, when milliseconds count; later on every two milliseconds
// for the first, and then every fiftieth of the time that has passed, so as to leave the
// processors to those who work.
func (u *upstreams) moves(targets []netip.Addr, to int, began time.Time) (first, all time.Time) {
	const eager, patient = 50 * time.Millisecond, 2 * time.Millisecond
	pending := slices.Clone(targets)
	there := func(a netip.Addr) bool {
		device, err := u.sock.Device(a)
		u.t.must(err)
		if device == to && first.IsZero() {
			first = time.Now()
		}
		return device == to
	}
	u.t.until("packets for all go to the other neighbour", u.w.limit, 0, func() bool {
		switch since := time.Since(began); {
		case since > eager && first.IsZero():
			time.Sleep(min(patient, since/50))
		case since > eager:
			time.Sleep(since / 50)
		}
		if pending = slices.DeleteFunc(pending, there); len(pending) > 0 {
			return false
		}
		all = time.Now()
		// One that went there and did not stay is not there.
		pending = slices.DeleteFunc(slices.Clone(targets), there)
		return len(pending) == 0
	})
	return first, all
}

// packets is a flow through the router and what is seen of it: at both neighbours, and
// where the router sends it out.
type packets struct {
	u         *upstreams
	flow      *traffic.Flow
	come, out [2]*traffic.Tap
}

// perSecond is how many packets a second go through the router.
const perSecond = 1000

// packets starts a flow, and waits until it comes to the better neighbour.
func (u *upstreams) packets(targets []netip.Addr) *packets {
	p := &packets{u: u}
	for i, s := range u.side {
		var err error
		p.come[i], err = traffic.Listen(s.ns.Enter, "eth0", traffic.In)
		u.t.must(err)
		p.out[i], err = traffic.Listen(u.ns.Enter, [2]string{"eth0", "eth1"}[i], traffic.Out)
		u.t.must(err)
	}
	var err error
	p.flow, err = traffic.Send(u.client.Enter, targets, perSecond)
	u.t.must(err)
	u.t.until("packets come to the better neighbour", 30*time.Second, time.Millisecond, func() bool { return p.come[0].Has(len(targets)) })
	for i := range len(targets) {
		if !p.come[0].Has(i) {
			u.t.Fatalf("packet %d was lost before anything was done", i)
		}
	}
	return p
}

// count ends the flow, and returns how many of its packets came to nobody: lost in the
// router, or after it had sent them out.
func (p *packets) count() (lost, onWire int) {
	t := p.u.t
	enough := p.flow.Sent() + perSecond/5
	t.until("packets for a while after", time.Minute, time.Millisecond, func() bool { return p.flow.Sent() > enough })
	sent, err := p.flow.Stop()
	t.must(err)
	t.until("the last packet comes to the other neighbour", 10*time.Second, time.Millisecond, func() bool { return p.come[1].Has(sent - 1) })
	for _, tap := range append(p.come[:], p.out[:]...) {
		t.must(tap.Close())
	}
	for i := range sent {
		switch {
		case p.come[0].Has(i) || p.come[1].Has(i):
		case p.out[0].Has(i) || p.out[1].Has(i):
			onWire++
		default:
			lost++
		}
	}
	return lost, onWire
}
