package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/api/apitest"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/integration/pki"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
	"github.com/vrfredist/vrfredist/vrf"
)

// wayIn is how a caller proves who it is.
type wayIn struct {
	name string
	dial func(t *testing.T, role string) *grpc.ClientConn
}

// Nobody has these in /etc/passwd; the door is for numbers.
const (
	socketGroup = 31000
	firstUID    = 31001
)

var rolesInOrder = []string{"admin", "read", "vrf:alpha", "vrf:bravo", "none"}

func numberOf(role string) uint32 {
	for i, r := range rolesInOrder {
		if r == role {
			return uint32(firstUID + i)
		}
	}
	return 0
}

// waysIn starts GoBGP's own server with our services and the door, and returns
// every way in: as a user, as a member of a group, and by certificate.
func waysIn(t *testing.T) []wayIn {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("callers of other users need root")
	}
	var policy access.Policy
	for _, role := range rolesInOrder[:len(rolesInOrder)-1] {
		n := numberOf(role)
		e := access.Entry{Role: access.Role(role), UIDs: []uint32{n}, GIDs: []uint32{n + 100}, Names: []string{role + ".example"}}
		policy.Entries = append(policy.Entries, e)
		if role == "vrf:alpha" { // as config has it: TestRolesOfFurtherTables
			e.Role = access.OfVRF(further)
			policy.Entries = append(policy.Entries, e)
		}
	}
	ca, later := pki.New(t), time.Now().Add(time.Hour)
	door := api.NewDoor(access.DefaultLimits(), policy, api.ServerTLS(ca.Issue(t, later, "server", "127.0.0.1"), ca.Pool), nil)
	socket, tcp := serveBehind(t, door, newTenants())
	unixDial := func(t *testing.T, uid uint32, groups ...uint32) *grpc.ClientConn {
		return client(t, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			return dialAs(socket, uid, append(groups, socketGroup))
		}))
	}
	return []wayIn{
		{"user", func(t *testing.T, role string) *grpc.ClientConn { return unixDial(t, numberOf(role)) }},
		{"group", func(t *testing.T, role string) *grpc.ClientConn { return unixDial(t, 31900, numberOf(role)+100) }},
		{"certificate", func(t *testing.T, role string) *grpc.ClientConn {
			mine := ca.Issue(t, later, role+".example")
			creds := credentials.NewTLS(&tls.Config{RootCAs: ca.Pool, Certificates: []tls.Certificate{mine}, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13})
			return client(t, grpc.WithTransportCredentials(creds), grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
				return net.Dial("tcp", tcp)
			}))
		}},
	}
}

func client(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///vrfredist", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// serveBehind runs GoBGP as the daemon does.
func serveBehind(t *testing.T, door *api.Door, backend api.Backend) (socket, tcp string) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "api.sock")
	group := socketGroup
	s, err := gobgp3.New(gobgp3.Options{
		Config: []byte(`{"global": {"config": {"as": 65000, "router-id": "192.0.2.1", "port": -1}}}`),
		Listen: []string{"unix://" + socket, tcp}, SocketGroup: &group, Secured: true,
		Server: api.NewGateway(door, backend),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		stop, end := context.WithTimeout(context.Background(), 20*time.Second)
		defer end()
		if err := errors.Join(<-done, s.Stop(stop, false)); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.Started():
	case err := <-done:
		t.Fatalf("the server ended: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not start")
	}
	return socket, tcp
}

// dialAs connects with the credentials of another user. Linux has them by
// thread; this one ends with its goroutine, because it stays locked.
func dialAs(socket string, uid uint32, groups []uint32) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	out := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread()
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0]))},
			{unix.SYS_SETRESGID, 31998, 31998, 31998},
			{unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				out <- dialled{nil, errno}
				return
			}
		}
		conn, err := net.Dial("unix", socket)
		out <- dialled{conn, err}
	}()
	d := <-out
	return d.conn, d.err
}

// TestReflection names GoBGP's service and ours, to whoever has a role.
func TestReflection(t *testing.T) {
	conn := waysIn(t)[0].dial(t, "vrf:alpha")
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{gobgp, "vrfredist.v1.Redistribution", "grpc.health.v1.Health"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
}

// further is a secondary table of alpha.
const further = "alpha/1002"

// tenants is a backend of two tenants, of whom everything says something of the
// other where a careless answer would pass it on.
type tenants struct {
	apitest.Steady
	idle chan struct{}
}

func newTenants() *tenants { return &tenants{idle: make(chan struct{})} }

var tenantFacts = map[string]struct {
	other, prefix, otherPrefix, otherPeer, rd, otherRD string
}{
	further: {"bravo", "10.1.0.0/24", "198.51.100.0/24", "203.0.113.77", "65098:1", "65099:1"},
	"alpha": {"bravo", "10.1.0.0/24", "198.51.100.0/24", "203.0.113.77", "65098:1", "65099:1"},
	"bravo": {"alpha", "198.51.100.0/24", "10.1.0.0/24", "192.0.2.66", "65099:1", "65098:1"},
}

func (f *tenants) status(name string) vrf.Status {
	x := tenantFacts[name]
	rd, _ := rib.ParseRD(x.rd)
	of := ""
	if name == further {
		of = "alpha"
	}
	return vrf.Status{
		WorkerStatus: vrf.WorkerStatus{State: vrf.Pending, Reason: fmt.Sprintf("it waits for the earlier worker of VRF %q to take its routes out", x.other)},
		Spec:         vrf.Spec{Name: name, VRF: of, RD: rd, Binding: rib.Binding{Netns: name}},
	}
}

func (f *tenants) List() []vrf.Status {
	return []vrf.Status{f.status("alpha"), f.status(further), f.status("bravo"), {Spec: vrf.Spec{Name: "default"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}}
}

func (f *tenants) Get(name string) (vrf.Status, bool) {
	for _, st := range f.List() {
		if st.Spec.Name == name {
			return st, true
		}
	}
	return vrf.Status{}, false
}

// Policies are one of each tenant, which name the other's facts, and one of nobody.
func (f *tenants) Policies() (list []vrf.Policy) {
	for _, name := range []string{"alpha", "bravo"} {
		x := tenantFacts[name]
		list = append(list, vrf.Policy{
			Name: name + "/policy", Rules: []vrf.PolicyRule{{Title: "rule 1", Conditions: []string{x.prefix}, Action: "accept", Matched: 7}},
			Uses: []vrf.PolicyUse{{VRF: name, Place: "export.policy"}, {VRF: x.other, Place: "export.policy"}},
		})
	}
	return append(list, vrf.Policy{Name: "everybody", Rules: []vrf.PolicyRule{{Title: "default", Conditions: []string{"10.1.0.0/24", "198.51.100.0/24"}}}})
}

// InForce has the sections of both tenants, and what the router has for all.
func (f *tenants) InForce(context.Context) (vrf.InForce, error) {
	c := vrf.InForce{File: "f.toml", Sections: []vrf.ConfigSection{
		{Header: "[global.config]", Name: "global.config", Shared: true, Values: []vrf.ConfigValue{{Key: "as", Value: "65000"}, {Key: "local-address-list", Value: `["203.0.113.77"]`}}},
		{Header: "[defined-sets]", Name: "defined-sets", UsedBy: []string{"alpha", "bravo"}, Values: []vrf.ConfigValue{{Key: "x", Value: `"192.0.2.66 203.0.113.77"`}}},
		{Header: "[[netlink.policies]]", Name: "netlink.policies[everybody]", UsedBy: []string{"alpha"}, Values: []vrf.ConfigValue{{Key: "x", Value: `"192.0.2.66 203.0.113.77"`}}},
	}}
	for _, name := range []string{"alpha", "bravo"} {
		x := tenantFacts[name]
		c.Sections = append(c.Sections,
			vrf.ConfigSection{Header: "[[vrfs]]", Name: "vrfs[" + name + "]", VRF: name, UsedBy: []string{x.other}, Values: []vrf.ConfigValue{{Key: "rd", Value: strconv.Quote(tenantFacts[x.other].otherRD)}}},
			vrf.ConfigSection{Header: "[netlink.vrfs.bgp]", Name: "netlink.vrfs[" + name + "].bgp", VRF: name, Values: []vrf.ConfigValue{
				{Key: "leak_from", Value: fmt.Sprintf("[%q]", x.other)}, {Key: "receive", Value: strconv.Quote(x.other + "/policy")}, {Key: "max_prefixes", Value: "7"},
			}},
			vrf.ConfigSection{Header: "[[netlink.vrfs.bgp.leaks]]", Name: "netlink.vrfs[" + name + "].bgp.leaks[" + x.other + "]", VRF: name, Values: []vrf.ConfigValue{{Key: "from", Value: strconv.Quote(x.other)}}},
			vrf.ConfigSection{Header: "[[netlink.policies]]", Name: "netlink.policies[" + name + "/policy]", UsedBy: []string{x.other}, Values: []vrf.ConfigValue{{Key: "prefixes", Value: strconv.Quote(x.prefix)}}},
			vrf.ConfigSection{Header: "[[peer-groups]]", Name: "peer-groups[both]", UsedBy: []string{name, x.other}, Values: []vrf.ConfigValue{{Key: "x", Value: strconv.Quote(x.otherPeer)}}})
	}
	return c, nil
}

func (f *tenants) Changed() <-chan struct{} { return f.idle }

// Leaks are from the other tenant, of whom nothing may be told.
func (f *tenants) Leaks(name string) []vrf.Leak {
	return []vrf.Leak{{From: tenantFacts[name].other, Prefixes: 1}}
}

func (f *tenants) Sessions(_ context.Context, name string) ([]vrf.Session, error) {
	peers := map[string]string{"alpha": "192.0.2.66", further: "192.0.2.66", "bravo": "203.0.113.77", "default": "192.0.2.10"}
	return []vrf.Session{{Peer: netip.MustParseAddr(peers[name]), Netns: name}}, nil
}

func (f *tenants) AllSessions(ctx context.Context) (map[string][]vrf.Session, error) {
	all := make(map[string][]vrf.Session)
	for _, name := range []string{"alpha", "bravo", "default"} {
		all[name], _ = f.Sessions(ctx, name)
		all[name][0].Reason = fmt.Sprintf("leaked from VRF %q", tenantFacts[name].other)
	}
	return all, nil
}

func (f *tenants) Restore(context.Context, string) ([]string, error) {
	return []string{`VRF "alpha" and VRF "bravo"`}, nil
}

func (f *tenants) Redistribute(_ context.Context, name string, _ vrf.Direction, _ func(*vrf.Spec)) error {
	x, ok := tenantFacts[name]
	if !ok {
		return api.ErrUnknownVRF
	}
	return fmt.Errorf("VRF %q: its worker ended badly, and routes may be left: %s via %s", x.other, x.otherPrefix, x.otherPeer)
}

func (f *tenants) Routes(_ context.Context, name string, _ vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	x, ok := tenantFacts[name]
	if !ok {
		return nil
	}
	rd, _ := rib.ParseRD(x.otherRD)
	peer := netip.MustParseAddr(x.otherPeer)
	yield(rib.RouteStatus{
		Prefix: netip.MustParsePrefix("172.16.0.0/16"), State: rib.Unresolved, Leaked: true,
		Reason:  fmt.Sprintf("leaked from VRF %q: %s is unresolved", x.other, x.otherPeer),
		Best:    rib.Path{RD: rd, Attrs: &rib.Attrs{Via: &rib.Via{Source: x.other, Peer: peer, Nexthop: peer}}},
		Route:   rib.Route{Hops: []rib.Hop{{Gateway: peer, Ifindex: 3}}},
		Devices: []string{x.other + "-0"},
	})
	return nil
}

func (f *tenants) Resync(_ context.Context, name string) (vrf.Repair, error) {
	x, ok := tenantFacts[name]
	if !ok {
		return vrf.Repair{}, nil
	}
	return vrf.Repair{}, fmt.Errorf("%w: VRF %q has its table", vrf.ErrPending, x.other)
}

func (f *tenants) Explain(_ context.Context, name string, q rib.Question) (rib.Explanation, error) {
	x := rib.Explanation{Prefix: q.Prefix, Verdict: fmt.Sprintf("leaked from VRF %q", tenantFacts[name].other)}
	if !q.Confined {
		x.Export.Add("candidates", rib.Passed, "RD "+tenantFacts[name].otherRD)
	}
	return x, nil
}

func (f *tenants) Reload(context.Context, time.Duration) ([]string, time.Time, error) {
	return []string{`VRF "alpha" and VRF "bravo"`}, time.Time{}, nil
}

func (f *tenants) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener {
	return new(vrf.Tap).Listen(wants)
}

func (f *tenants) Confirm(context.Context) error { return nil }

func (f *tenants) Unconfirmed() (vrf.Unconfirmed, bool) { return vrf.Unconfirmed{}, false }

func (f *tenants) Diagnose(context.Context) ([]doctor.Finding, error) {
	return []doctor.Finding{{What: `VRF "alpha" and VRF "bravo"`}}, nil
}

func (f *tenants) Plan(_ context.Context, _ vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	return yield(vrf.PlanItem{Text: `VRF "alpha" and VRF "bravo"`})
}
