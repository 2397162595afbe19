package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/api/apitest"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fake is a Backend over a map.
type fake struct {
	apitest.Steady
	mu      sync.Mutex
	vrfs    map[string]vrf.Status
	idle    map[string]bool // configured, and not running
	routes  func(ctx context.Context, d vrf.Direction, yield func(rib.RouteStatus) bool) error
	reload  func() ([]string, error)
	changed chan struct{}
	waits   *vrf.Unconfirmed
	tap     vrf.Tap

	policies []vrf.Policy
	config   vrf.InForce
	trip     error // what Redistribute fails with
}

func (f *fake) List() []vrf.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []vrf.Status
	for name, st := range f.vrfs {
		if !f.idle[name] {
			list = append(list, st)
		}
	}
	slices.SortFunc(list, func(a, b vrf.Status) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return list
}

func (f *fake) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed
}

// set changes, or with a nil change removes, a VRF, and says so.
func (f *fake) set(name string, change func(*vrf.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.vrfs[name]
	st.Spec.Name = name
	if change == nil {
		delete(f.vrfs, name)
	} else {
		change(&st)
		f.vrfs[name] = st
	}
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

func (f *fake) Get(name string) (vrf.Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, ok := f.vrfs[name]
	return st, ok
}

func (f *fake) Redistribute(_ context.Context, name string, _ vrf.Direction, change func(*vrf.Spec)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, ok := f.vrfs[name]
	if !ok {
		return fmt.Errorf("VRF %q: %w", name, ErrUnknownVRF)
	}
	if f.trip != nil {
		return f.trip
	}
	change(&st.Spec)
	f.vrfs[name] = st
	return nil
}

func (f *fake) Leaks(name string) []vrf.Leak {
	return []vrf.Leak{{From: "vrf-blue", Policy: "some", Prefixes: 3, Most: 4, Over: 2}}
}

func (f *fake) Sessions(_ context.Context, name string) ([]vrf.Session, error) {
	return []vrf.Session{{
		Peer: netip.MustParseAddr("10.0.0.2"), PeerAS: 65001, Alias: netip.MustParseAddr("127.1.0.5"),
		Netns: name, State: "established", Since: time.Unix(7, 0),
	}}, nil
}

func (f *fake) Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	if f.idle[name] {
		return fmt.Errorf("VRF %q: %w", name, ErrUnknownVRF)
	}
	return f.routes(ctx, q.Direction, yield)
}

func (f *fake) AllSessions(ctx context.Context) (map[string][]vrf.Session, error) {
	all := make(map[string][]vrf.Session)
	for _, name := range []string{"default", "vrf-red"} {
		all[name], _ = f.Sessions(ctx, name)
	}
	all["vrf-red"] = append(all["vrf-red"], vrf.Session{
		Peer: netip.MustParseAddr("fe80::1%lan0"), PeerAS: 65003, State: "deleted", Origin: "configuration", Interface: "lan0",
		Reason: "BGP has it no more: deleted by uid 7 (gobgp, pid 8)", Removed: map[string]uint64{"route target": 3},
	})
	return all, nil
}

func (f *fake) Restore(_ context.Context, name string) ([]string, error) {
	return []string{"restored " + name}, f.trip
}

func (f *fake) Resync(ctx context.Context, name string) (vrf.Repair, error) {
	switch {
	case f.idle[name]:
		return vrf.Repair{}, fmt.Errorf("VRF %q: %w", name, ErrUnknownVRF)
	case name == "default":
		return vrf.Repair{}, fmt.Errorf("VRF %q: resync: %w: waiting for table 7", name, vrf.ErrPending)
	}
	return vrf.Repair{Own: 9, Foreign: 8, Found: vrf.Drifts{1, 2, 3}, Unmended: 4, Objects: 5, Announced: 6}, ctx.Err()
}

func (f *fake) Explain(_ context.Context, name string, q rib.Question) (rib.Explanation, error) {
	if f.idle[name] {
		return rib.Explanation{}, fmt.Errorf("VRF %q: %w", name, ErrUnknownVRF)
	}
	x := rib.Explanation{Prefix: q.Prefix, StoppedBy: "nexthop", Verdict: fmt.Sprint("longest ", q.Longest)}
	x.Export.Add("filter", rib.Passed, "yes", "a", "b")
	x.Export.Add("nexthop", rib.Stopped, "no")
	return x, nil
}

func (f *fake) Reload(_ context.Context, confirm time.Duration) ([]string, time.Time, error) {
	changes, err := f.reload()
	f.mu.Lock()
	defer f.mu.Unlock()
	if confirm > 0 && err == nil {
		f.waits = &vrf.Unconfirmed{Until: time.Now().Add(confirm)}
		return changes, f.waits.Until, nil
	}
	return changes, time.Time{}, err
}

func (f *fake) Confirm(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waits == nil {
		return ErrNothingToConfirm
	}
	f.waits = nil
	return nil
}

func (f *fake) Unconfirmed() (vrf.Unconfirmed, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waits == nil {
		return vrf.Unconfirmed{}, false
	}
	return *f.waits, true
}

func (f *fake) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener { return f.tap.Listen(wants) }

func (f *fake) Plan(_ context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	switch r.File {
	case "bad.toml":
		return &FileError{Err: errors.New("bad.toml:3: no")}
	case "busy.toml":
		return ErrBusy
	}
	for _, i := range []vrf.PlanItem{
		{Kind: vrf.PlanVRF, Op: vrf.PlanChange, VRF: "vrf-red", Text: "vrf-red (main)", Details: []string{"export.metric: 20 -> 30"}, Notes: []string{"n"}},
		{Kind: vrf.PlanRoute, Op: vrf.PlanAdd, VRF: "vrf-red", Text: "10.0.0.0/8 dev eth0", Prefix: netip.MustParsePrefix("10.0.0.0/8"), Where: rib.Binding{Netns: "red"}},
		{Kind: vrf.PlanSummary, Totals: &vrf.PlanTotals{PlanCounts: vrf.PlanCounts{Added: 1}, VRFs: 1}},
	} {
		if err := yield(i); err != nil {
			return err
		}
	}
	return nil
}

func newFake() *fake {
	med := uint32(7)
	return &fake{
		idle: map[string]bool{"vrf-idle": true},
		vrfs: map[string]vrf.Status{
			"default":  {Spec: vrf.Spec{Name: "default"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}},
			"vrf-idle": {Spec: vrf.Spec{Name: "vrf-idle"}},
			"vrf-red": {
				WorkerStatus: vrf.WorkerStatus{
					State: vrf.Degraded, Reason: "1 route is unresolved", Table: 1001,
					Counts: rib.ByFamily[vrf.Counts]{{Paths: 2, Installed: 1, Unresolved: 1}, {Paths: 1, Installed: 1}},
				},
				Since: time.Unix(1000, 0), Restarts: 2,
				Spec: vrf.Spec{
					Name: "vrf-red", RD: must(rib.ParseRD("65000:10")),
					ImportRTs: []rib.RT{must(rib.ParseRT("65000:10"))}, ExportRTs: []rib.RT{must(rib.ParseRT("65000:11"))},
					Binding: rib.Binding{Netns: "red", Table: 1001},
					Import:  rib.ImportPolicy{Protocols: []uint8{4}, MED: &med},
					Export:  rib.ExportPolicy{Metric: 20, MaxPaths: 4, Community: []rib.Community{1}},
				},
			},
		},
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// serve runs a gateway with another service beside ours, on a unix socket.
func serve(t *testing.T, b Backend) *grpc.ClientConn {
	t.Helper()
	return serveWith(t, func(d *Door) *Gateway { return NewGateway(d, b) })
}

// serveServer serves s, around whose streams is what around returns; nil: nothing.
func serveServer(t *testing.T, s *Server, around func(grpc.StreamHandler) grpc.StreamHandler) *grpc.ClientConn {
	t.Helper()
	return serveWith(t, func(d *Door) *Gateway {
		g := &Gateway{Server: grpc.NewServer(d.options()...)}
		s.register(wrapping{g, around})
		return g
	})
}

// wrapping puts something around the streams of what is registered.
type wrapping struct {
	grpc.ServiceRegistrar
	around func(grpc.StreamHandler) grpc.StreamHandler
}

func (w wrapping) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	out := *desc
	out.Streams = slices.Clone(desc.Streams)
	for i := range out.Streams {
		if w.around != nil {
			out.Streams[i].Handler = w.around(out.Streams[i].Handler)
		}
	}
	w.ServiceRegistrar.RegisterService(&out, implementation)
}

func serveWith(t *testing.T, made func(*Door) *Gateway) *grpc.ClientConn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := made(NewDoor(access.DefaultLimits(), access.Policy{}, nil, nil))
	channelz.RegisterChannelzServiceToServer(server)
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func wantCode(t *testing.T, err error, code codes.Code, words ...string) {
	t.Helper()
	if got := status.Code(err); got != code {
		t.Errorf("code %v, want %v: %v", got, code, err)
	}
	for _, w := range words {
		if !strings.Contains(status.Convert(err).Message(), w) {
			t.Errorf("%q does not say %q", status.Convert(err).Message(), w)
		}
	}
}

// Diagnose finds one thing of each level.
func (f *fake) Policies() []vrf.Policy { return f.policies }

func (f *fake) InForce(context.Context) (vrf.InForce, error) { return f.config, nil }

func (f *fake) Diagnose(context.Context) ([]doctor.Finding, error) {
	return []doctor.Finding{
		{Level: doctor.Broken, Check: "capabilities", Subject: "CAP_SYS_ADMIN", What: "The daemon lacks CAP_SYS_ADMIN.", Why: "It needs it.", Mend: "mend it"},
		{Level: doctor.Risk, Check: "rp-filter", Subject: "tenant-a", What: "A risk.", Why: "A reason.", Mend: "sysctl -w net.ipv4.conf.all.rp_filter=2"},
		{Level: doctor.Advice, Check: "kernel", What: "Advice.", Why: "Another reason."},
	}, nil
}
