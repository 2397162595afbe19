package nsworker

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// lab runs workers against the fakes inside a synctest bubble. It restarts a
// worker that fails, as the supervisor does.
type lab struct {
	t       *testing.T
	kernel  *fakeKernel
	bgp     *fakeBGP
	speaker BGP // in place of bgp, where it is set
	board   *Board
	tap     *vrf.Tap // nil: nobody listens
	core    Core     // nil: there is none
	trace   Tracer   // nil: no route is followed
	mu      sync.Mutex
	status  map[string]vrf.WorkerStatus
	ends    map[string]context.CancelCauseFunc
	runs    map[string]*Worker
	specs   map[string]vrf.Spec
	done    sync.WaitGroup
	leaks   map[string][]string // by the VRF into which others leak
	fails   int                 // worker runs that ended in an error
	logged  *strings.Builder    // nil: what is logged is not kept
}

func newLab(t *testing.T) *lab {
	l := &lab{
		t: t, kernel: newFakeKernel(), bgp: newFakeBGP(), board: NewBoard(),
		status: make(map[string]vrf.WorkerStatus), ends: make(map[string]context.CancelCauseFunc), runs: make(map[string]*Worker),
		specs: make(map[string]vrf.Spec),
	}
	return l
}

func (l *lab) log() *slog.Logger {
	if l.logged != nil {
		return slog.New(slog.NewTextHandler(l.logged, nil))
	}
	return slog.New(slog.DiscardHandler)
}

func binding(name string) rib.Binding {
	if name == vrf.Default {
		return rib.Binding{}
	}
	return rib.Binding{Netns: name}
}

func spec(name string) vrf.Spec {
	return vrf.Spec{
		Name: name, Binding: binding(name), Protocol: rib.ProtoOwn, SweepDelay: time.Minute, ResyncInterval: 5 * time.Minute,
		NexthopObjects: true,
		Import:         rib.ImportPolicy{Enabled: true, Interfaces: []string{"eth*"}},
		Export:         rib.ExportPolicy{Enabled: true, Metric: 20, MaxPaths: 4, AcceptBlackhole: true},
	}
}

// start runs a worker for s, again after each failure, until stop.
func (l *lab) start(s vrf.Spec) {
	ctx, cancel := context.WithCancelCause(context.Background())
	l.mu.Lock()
	l.ends[s.Name] = cancel
	l.specs[s.Name] = s
	l.mu.Unlock()
	l.done.Go(func() {
		for ctx.Err() == nil {
			l.mu.Lock()
			bgp := BGP(l.bgp)
			if l.speaker != nil {
				bgp = l.speaker
			}
			w := New(Deps{l.kernel, bgp, l.board, l.log(), l.tap, l.leaking, l.link, l.core, l.trace}, l.specs[s.Name], func(st vrf.WorkerStatus) {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.status[s.Name] = st
			})
			l.runs[s.Name] = w
			l.mu.Unlock()
			if err := w.Run(ctx); err != nil {
				l.mu.Lock()
				l.fails++
				l.mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
	})
	synctest.Wait()
}

// link knows one neighbour in a namespace.
func (l *lab) link(peer netip.Addr) (netns, device string, inside netip.Addr) {
	switch peer {
	case netip.MustParseAddr("127.1.0.1"):
		return "red", "eth0", netip.MustParseAddr("fe80::254%eth0")
	case netip.MustParseAddr("127.1.0.2"): // by its address, in no VRF device
		return "red", "", netip.MustParseAddr("192.0.2.254")
	case netip.MustParseAddr("127.1.0.3"): // bound to a VRF device
		return "red", "vrf-x", netip.MustParseAddr("198.51.100.254")
	}
	return "", "", netip.Addr{}
}

func (l *lab) leaking(into vrf.Spec) []string { return l.leaks[into.Name] }

// configure hands over a changed spec, also to the worker that comes after a
// failure.
func (l *lab) configure(s vrf.Spec) {
	l.mu.Lock()
	l.specs[s.Name] = s
	w := l.runs[s.Name]
	l.mu.Unlock()
	w.Reconfigure(s)
	synctest.Wait()
}

func (l *lab) stop(name string, cause error) {
	l.mu.Lock()
	l.ends[name](cause)
	delete(l.ends, name)
	l.mu.Unlock()
	synctest.Wait()
}

// close ends every worker and joins it. A deadlock would fail the bubble.
func (l *lab) close() {
	for name := range l.ends {
		l.ends[name](errors.New("the test is over"))
	}
	l.done.Wait()
}

func (l *lab) worker(name string) *Worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[name]
}

func (l *lab) state(name string) vrf.WorkerStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status[name]
}

// failed tells whether a worker ended in an error.
func (l *lab) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fails > 0
}

func (l *lab) feed(name string) *rib.Feed {
	f, _ := l.bgp.Feed(name)
	return f
}

// settle lets every timer of the next ten minutes run, faults included.
func (l *lab) settle() {
	synctest.Wait()
	time.Sleep(10 * time.Minute)
	synctest.Wait()
}

// table asserts what `ip route` shows, connected routes left out.
func (l *lab) table(b rib.Binding, want ...string) {
	l.t.Helper()
	got := l.kernel.tables[b].String()
	if w := strings.Join(want, "\n"); got != w {
		l.t.Errorf("the table of %s has\n%s\nwant\n%s", b, got, w)
	}
}

func (l *lab) announces(name string, want ...string) {
	l.t.Helper()
	if got, w := l.bgp.announcements(name), strings.Join(want, "\n"); got != w {
		l.t.Errorf("%s announces\n%s\nwant\n%s", name, got, w)
	}
}

// routes lists one direction as "prefix state reason".
func (l *lab) routes(name string, d vrf.Direction) map[string]rib.RouteStatus {
	l.t.Helper()
	out := make(map[string]rib.RouteStatus)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.worker(name).Routes(ctx, vrf.RouteQuery{Direction: d}, func(r rib.RouteStatus) bool {
		out[r.Prefix.String()+" "+rib.ProtocolName(r.Route.Protocol)] = r
		return true
	}); err != nil {
		l.t.Errorf("list the routes of %s: %v", name, err)
	}
	return out
}

func (l *lab) exported(name, prefix string, state rib.State, reason string) {
	l.t.Helper()
	r, ok := l.routes(name, vrf.Export)[prefix+" vrfredist"]
	if !ok || r.State != state || !strings.Contains(r.Reason, reason) {
		l.t.Errorf("%s %s is %q (%s), want %q (%s)", name, prefix, r.State, r.Reason, state, reason)
	}
}

// bgpPath is a path from a peer.
func bgpPath(prefix, nexthop string, change ...func(*rib.Path)) rib.Path {
	p := rib.Path{Prefix: netip.MustParsePrefix(prefix), Attrs: &rib.Attrs{
		Via: &rib.Via{
			Nexthop: netip.MustParseAddr(nexthop), Peer: netip.MustParseAddr("192.0.2.254"),
			RouterID: netip.MustParseAddr("192.0.2.254"), PeerAS: 65001,
		}, Tags: &rib.Tags{}, LocalPref: 100, ASPath: []uint32{65001}, ASPathLen: 1,
	}}
	for _, c := range change {
		c(&p)
	}
	return p
}

func rd(n rib.RD) func(*rib.Path)      { return func(p *rib.Path) { p.RD = n } }
func pref(n uint32) func(*rib.Path)    { return func(p *rib.Path) { p.Attrs.LocalPref = n } }
func id(n uint32) func(*rib.Path)      { return func(p *rib.Path) { p.ID = n } }
func from(name string) func(*rib.Path) { return func(p *rib.Path) { p.Attrs.Source = name } }
func imported(name string) func(*rib.Path) {
	return func(p *rib.Path) {
		p.Attrs.Source, p.Attrs.Imported = name, true
		p.Attrs.Peer, p.Attrs.ASPath, p.Attrs.ASPathLen = netip.Addr{}, nil, 0
	}
}
func community(c ...rib.Community) func(*rib.Path) {
	return func(p *rib.Path) { p.Attrs.Communities = c }
}

// converge says that BGP has told a VRF all it knows.
func (l *lab) converge(name string) {
	for of := range rib.Families {
		l.feed(name).SetConverged(of, true)
	}
}

// hear gives a VRF the newest word on RD:prefix of the paths.
func (l *lab) hear(name string, paths ...rib.Path) {
	set := l.feed(name).Set
	if paths[0].InEVPN() {
		set = l.feed(name).SetEVPN
	}
	set(paths[0].Prefix, paths[0].RD, paths)
	synctest.Wait()
}

func (l *lab) unhear(name string, prefix string, rd rib.RD) {
	l.feed(name).Set(netip.MustParsePrefix(prefix), rd, nil)
	l.feed(name).SetEVPN(netip.MustParsePrefix(prefix), rd, nil)
	synctest.Wait()
}

// unopened is a worker's time on a table that is not read yet.
func unopened(t testing.TB) *tableSync {
	t.Helper()
	of := spec("red")
	of.Export.AcceptBlackhole = true
	w := New(Deps{Board: NewBoard(), BGP: newFakeBGP(), Log: slog.New(slog.DiscardHandler)}, of, func(vrf.WorkerStatus) {})
	w.feed = rib.NewFeed()
	return newTableSync(w, &fakeTable{})
}

// makeDue has n routes due, of which some may have been before.
func makeDue(s *tableSync, n int) {
	for i := range n {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		s.routes.take([]rib.Entry{{
			Slot: s.feed.Hold(prefix), Prefix: prefix,
			Paths: []rib.Path{bgpPath(prefix.String(), "192.0.2.9", community(rib.CommunityBlackhole))},
		}})
	}
}
