package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/speakertest"
	"github.com/vrfredist/vrfredist/vrf"
)

// trail is what the parts around the daemon were asked to do, in order, and which of
// it they refuse.
type trail struct {
	mu    sync.Mutex
	calls []string
	fail  map[string]error // by the call
}

func (t *trail) call(format string, args ...any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	what := fmt.Sprintf(format, args...)
	t.calls = append(t.calls, what)
	return t.fail[what]
}

// take returns the calls since the last time.
func (t *trail) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := t.calls
	t.calls = nil
	return calls
}

func (t *trail) refuse(calls ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail = make(map[string]error)
	for _, c := range calls {
		t.fail[c] = errors.New("no " + c)
	}
}

// fakeBGP is a speaker that is fed by hand, without neighbours and a configuration.
type fakeBGP struct {
	*trail
	*speakertest.Speaker
	drift     []speaker.Difference
	additions []speaker.Addition
	sessions  []speaker.Session
	guarded   []vrf.Guarded
	preview   speaker.Preview
	lost      int // announcements
	refuses   func(text []byte) bool
	started   chan struct{}
}

func (b *fakeBGP) Reload(_ context.Context, text []byte, _ rib.Extras) ([]string, error) {
	if b.refuses != nil && b.refuses(text) {
		return nil, errors.New("it is refused")
	}
	return []string{"BGP has " + string(text)}, b.call("BGP gets %s", text)
}

func (b *fakeBGP) Withhold(_ context.Context, policies map[string]rib.Advertising) error {
	if len(policies) == 0 {
		return nil
	}
	return b.call("withhold by the policies of %d VRFs", len(policies))
}

func (b *fakeBGP) Mirror(_ context.Context, mirrors map[string]rib.Mirror) error {
	return b.call("mirrors %s", strings.Join(slices.Sorted(maps.Keys(mirrors)), " "))
}

func (b *fakeBGP) Drift() []speaker.Difference   { return b.drift }
func (b *fakeBGP) Additions() []speaker.Addition { return b.additions }

func (b *fakeBGP) Restore(context.Context) ([]string, error) {
	return []string{"put right"}, b.call("BGP is put right")
}

func (b *fakeBGP) Reannounce(_ context.Context, name string) (int, error) {
	return b.lost, b.call("announcements of %s", name)
}

func (b *fakeBGP) Sessions() []speaker.Session { return b.sessions }
func (b *fakeBGP) Guarded() []vrf.Guarded      { return slices.Clone(b.guarded) }

func (b *fakeBGP) Preview(text []byte, _ rib.Extras) (*speaker.Preview, error) {
	return &b.preview, b.call("preview of %s", text)
}

func (b *fakeBGP) Started() <-chan struct{}      { return b.started }
func (b *fakeBGP) Answers(context.Context) error { return nil }

func (b *fakeBGP) Stop(_ context.Context, graceful bool) error {
	return b.call("BGP stops, gracefully: %v", graceful)
}

// fakeRelay carries nothing.
// fakeAdverts are the links on which router advertisements are sent.
type fakeAdverts struct{ links []string }

func (a *fakeAdverts) Set(links []string) { a.links = links }

type fakeRelay struct {
	*trail
	status []relay.Status
}

func (r *fakeRelay) Set(list []rib.Neighbor) error {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.Alias.String()
	}
	return r.call("relay gets %s", strings.Join(names, " "))
}

func (r *fakeRelay) Status() []relay.Status { return r.status }
func (r *fakeRelay) Open([]rib.Doorway)     {}
func (r *fakeRelay) Retry(netns string)     { _ = r.call("relay looks at %s", netns) }

// fakeWorkers are the VRFs, none of which runs.
type fakeWorkers struct{ *trail }

func (w fakeWorkers) Apply(_ context.Context, specs []vrf.Spec) error {
	return w.call("run %s", strings.Join(slices.Sorted(maps.Keys(vrf.SpecsByName(specs))), " "))
}

func (w fakeWorkers) Begin(specs []vrf.Spec) (func(context.Context) error, error) {
	err := w.Apply(context.Background(), specs)
	return func(context.Context) error { return w.call("wait for those that leave") }, err
}

// fakeSysctls are the kernel's settings.
type fakeSysctls map[string]string

func (s fakeSysctls) Sysctl(netns, name string) (string, error) {
	if v, ok := s[netns+":"+name]; ok {
		return v, nil
	}
	return "", fmt.Errorf("%s is not readable", name)
}

func (s fakeSysctls) SetSysctl(netns, name, value string) error {
	if s[netns+":"+name] == "read-only" {
		return errors.New("it is read-only")
	}
	s[netns+":"+name] = value
	return nil
}

// stage is a changer whose surroundings are fakes that share a trail.
type stage struct {
	*trail
	changer *changer
	bgp     *fakeBGP
	relay   *fakeRelay
	adverts *fakeAdverts
	dir     string
	file    *config.Config // what a reload finds
	log     *strings.Builder
	holds   atomic.Int32 // by which what the old configuration needs is kept
}

func (s *stage) hold() (release func()) {
	s.holds.Add(1)
	return func() { s.holds.Add(-1) }
}

// text is a configuration as the stage has it: VRFs by name, of which "a/2" is a further
// table of a, and neighbours by alias.
func text(t *testing.T, name string, vrfs []string, aliases ...string) *config.Config {
	t.Helper()
	cfg := &config.Config{Text: []byte(name), BGP: []byte(name), API: config.API{Limits: access.DefaultLimits()}}
	for _, n := range vrfs {
		s := vrf.Spec{Name: n, Binding: rib.Binding{Netns: strings.ReplaceAll(n, "/", "-")}, Export: rib.ExportPolicy{Enabled: true}}
		if of, _, further := strings.Cut(n, "/"); further {
			s.VRF = of
		}
		cfg.VRFs = append(cfg.VRFs, s)
	}
	for _, a := range aliases {
		cfg.Neighbors = append(cfg.Neighbors, rib.Neighbor{Alias: netip.MustParseAddr(a), Peer: netip.MustParseAddr("10.0.0.2"), Netns: "b"})
	}
	return cfg
}

func newStage(t *testing.T, now *config.Config) *stage {
	t.Helper()
	s := &stage{trail: new(trail), dir: t.TempDir(), log: new(strings.Builder)}
	var vrfs []speaker.VRF
	for i, v := range now.VRFs {
		vrfs = append(vrfs, speaker.VRF{Name: v.Name, RD: rib.RD(i + 1)})
	}
	s.adverts = new(fakeAdverts)
	s.bgp, s.relay = &fakeBGP{trail: s.trail, Speaker: speakertest.New(vrfs)}, &fakeRelay{trail: s.trail}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	overlay, err := config.OpenOverlay(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	force, workers := newInForce(now, overlay), fakeWorkers{s.trail}
	m := newManager(log)
	m.send = func(string) error { return nil }
	s.changer = &changer{
		load:   func(*config.Layers) (*config.Config, error) { return s.file, s.call("read the file") },
		layers: &layering{file: "f.toml"},
		force:  force,
		apply: &transition{
			file: "f.toml", force: force, workers: workers, bgp: s.bgp, log: log,
			neighbors: &neighbors{bgp: s.bgp, relay: s.relay, adverts: s.adverts, steer: new(fakeSteer)},
			gate:      &gate{door: api.NewDoor(access.DefaultLimits(), access.Policy{}, nil, log), log: log},
			sysctls:   &sysctls{fakeSysctls{}, force, log},
			core:      core.New(nil, nil, core.Settings{}, log),
			devices:   devices.New(nil, log),
		},
		confirm: newConfirmation("f.toml", s.dir, nil, func() {}, s.hold, log),
		numbers: newNumbers(s.dir, nil, log),
		bgp:     s.bgp, manager: m, log: log,
	}
	return s
}

// wants compares the calls since the last time with those that were to come.
func (s *stage) wants(t *testing.T, calls ...string) {
	t.Helper()
	if got := s.take(); !slices.Equal(got, calls) {
		t.Errorf("what was done:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(calls, "\n  "))
	}
}

// inForce tells which configuration is.
func (s *stage) inForce() string { return string(s.changer.force.config().BGP) }

func (b *fakeBGP) Limits() []speaker.Limit {
	return []speaker.Limit{{VRF: "a", Neighbor: "192.0.2.2", Family: "ipv4-unicast", Prefixes: 90, Most: 100, Near: true}}
}

func (b *fakeBGP) Leaks() []speaker.LeakCount {
	return []speaker.LeakCount{{Into: "a", Rule: rib.LeakRule{From: "default"}, Prefixes: 2, Over: 1}}
}
