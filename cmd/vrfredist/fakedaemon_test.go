package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/api/apitest"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeDaemon is an api.Backend with some VRFs in every state.
type fakeDaemon struct {
	apitest.Steady

	mu      sync.Mutex
	vrfs    []vrf.Status // the last one is configured, and does not run
	reloads int
	waits   bool // a reload was not confirmed
}

func newFakeDaemon(t *testing.T) *fakeDaemon {
	t.Helper()
	return &fakeDaemon{Steady: apitest.Steady{Now: now}, vrfs: []vrf.Status{
		{
			WorkerStatus: vrf.WorkerStatus{State: vrf.Ready, Table: 254, Counts: rib.ByFamily[vrf.Counts]{{Paths: 990, Imported: 12, Installed: 980, Filtered: 10}}},
			Since:        now.Add(-50 * time.Hour), Spec: vrf.Spec{Name: "default", Export: rib.ExportPolicy{Enabled: true}},
		},
		{
			WorkerStatus: vrf.WorkerStatus{State: vrf.Pending, Reason: "waits for the namespace tenant-a, which is not there"}, Since: now.Add(-5 * time.Second),
			Spec: vrf.Spec{Name: "tenant-a", RD: parsed(t, rib.ParseRD, "65000:20"), Binding: rib.Binding{Netns: "tenant-a", Table: 1001}},
		},
		{
			WorkerStatus: vrf.WorkerStatus{
				State: vrf.Failed, Reason: "read the table: operation not permitted; run vrfredist as root, or give it CAP_NET_ADMIN in the user namespace that owns the network namespace",
			},
			Since: now.Add(-time.Minute), Retry: now.Add(32 * time.Second), Restarts: 7,
			Spec: vrf.Spec{Name: "tenant-b", RD: parsed(t, rib.ParseRD, "65000:30"), Binding: rib.Binding{Netns: "tenant-b"}},
		},
		{
			WorkerStatus: vrf.WorkerStatus{
				State: vrf.Degraded, Reason: "2 routes are unresolved, 1 is in conflict", Table: 1010,
				Carried: vrf.Carried{Endpoints: 2, Device: true},
				Counts:  rib.ByFamily[vrf.Counts]{{Paths: 1005, Imported: 3, Installed: 1002, Unresolved: 2, Conflict: 1, Foreign: 5}},
			},
			Since: now.Add(-125 * time.Second),
			Spec: vrf.Spec{
				Name: "vrf-red", RD: parsed(t, rib.ParseRD, "65000:10"),
				ImportRTs: []rib.RT{parsed(t, rib.ParseRT, "65000:10"), parsed(t, rib.ParseRT, "65000:99")},
				ExportRTs: []rib.RT{parsed(t, rib.ParseRT, "65000:10")},
				Binding:   rib.Binding{Device: "vrf-red"},
				Carriage: rib.Carriage{
					Kind: rib.EncapVXLAN, VNI: 100, Device: "vx100", Router: rib.MAC{2, 0, 0, 0, 1, 1}, Managed: true,
					Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.1"), Port: 4789},
				},
				Import: rib.ImportPolicy{Enabled: true, Interfaces: []string{"eth0", "vlan*"}},
				Export: rib.ExportPolicy{Enabled: true, Community: []rib.Community{parsed(t, rib.ParseCommunity, "65001:100")}},
			},
		},
		{Spec: vrf.Spec{Name: "vrf-blue", RD: parsed(t, rib.ParseRD, "65000:40"), Binding: rib.Binding{Device: "vrf-blue"}}},
	}}
}

func parsed[T any](t *testing.T, parse func(string) (T, error), s string) T {
	t.Helper()
	v, err := parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *fakeDaemon) List() []vrf.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.vrfs[:len(f.vrfs)-1])
}

// Changed never fires: the session ends with the VRFs as they are.
func (f *fakeDaemon) Changed() <-chan struct{} { return nil }

func (f *fakeDaemon) Get(name string) (vrf.Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, st := range f.vrfs {
		if st.Spec.Name == name {
			return st, true
		}
	}
	return vrf.Status{}, false
}

func (f *fakeDaemon) Redistribute(_ context.Context, name string, _ vrf.Direction, change func(*vrf.Spec)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.vrfs {
		if f.vrfs[i].Spec.Name == name {
			change(&f.vrfs[i].Spec)
			return nil
		}
	}
	return api.ErrUnknownVRF
}

// changes are those of the reloads of a session, in turn.
func (f *fakeDaemon) changes() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reloads++
	switch f.reloads {
	case 1:
		return []string{`VRF "tenant-c": redistribution starts (netns tenant-c)`, "neighbour 192.0.2.1: added"}, nil
	case 2, 3:
		return nil, nil
	}
	return nil, errors.New("f.toml:3: netlink.metric: 0 is too small\nf.toml:9: netlink.vrfs[0].name: there is no VRF \"x\"")
}

func (f *fakeDaemon) Sessions(_ context.Context, name string) ([]vrf.Session, error) {
	if name != "vrf-red" {
		return nil, nil
	}
	return []vrf.Session{
		{Peer: netip.MustParseAddr("192.0.2.2"), PeerAS: 65001, State: "established", Since: now.Add(-time.Hour)},
		{
			Peer: netip.MustParseAddr("10.0.0.2"), PeerAS: 65002, Alias: netip.MustParseAddr("127.1.7.5"), Netns: "tenant-a",
			State: "active", Reason: "the peer does not answer",
		},
	}, nil
}

func (f *fakeDaemon) Leaks(name string) []vrf.Leak {
	if name != "tenant-b" {
		return nil
	}
	return []vrf.Leak{{From: "shared", Prefixes: 1}, {From: "default", Policy: "to-red", Link: "core0", Prefixes: 8, Most: 8, Over: 2}}
}

func (f *fakeDaemon) AllSessions(ctx context.Context) (map[string][]vrf.Session, error) {
	red, err := f.Sessions(ctx, "vrf-red")
	for i := range red {
		red[i].Origin = "configuration"
	}
	red[1].Removed = map[string]uint64{"route target": 12, "martian": 1, "graceful_shutdown": 3}
	return map[string][]vrf.Session{
		"vrf-red": red,
		"default": {
			{Peer: netip.MustParseAddr("198.51.100.9"), PeerAS: 65009, State: "deleted", Origin: "configuration", Reason: "BGP has it no more: deleted by uid 0 (gobgp, pid 4711)"},
			{Peer: netip.MustParseAddr("2001:db8::7"), PeerAS: 65007, State: "established", Since: now.Add(-time.Minute), Origin: "dynamic"},
			{Peer: netip.MustParseAddr("fe80::1%eth0"), PeerAS: 65008, State: "idle", Origin: "another client"},
		},
	}, err
}

// Restore finds nothing, but for one VRF.
func (f *fakeDaemon) Restore(_ context.Context, name string) ([]string, error) {
	if name == "vrf-red" {
		return []string{"neighbour 192.0.2.2 added"}, nil
	}
	return nil, nil
}

func (f *fakeDaemon) Resync(_ context.Context, name string) (vrf.Repair, error) {
	switch name {
	case "default":
		return vrf.Repair{Own: 980, Foreign: 12}, nil
	case "vrf-red":
		return vrf.Repair{Own: 1002, Foreign: 5, Found: vrf.Drifts{1, 0, 2}, Unmended: 1, Objects: 1, Announced: 3}, nil
	}
	return vrf.Repair{}, fmt.Errorf("VRF %q: resync: %w: waiting for netns %s", name, vrf.ErrPending, name)
}

func (f *fakeDaemon) Explain(_ context.Context, name string, q rib.Question) (rib.Explanation, error) {
	if name != "vrf-red" {
		return rib.Explanation{}, fmt.Errorf("VRF %q: %w: it is failed", name, vrf.ErrNotRunning)
	}
	x := rib.Explanation{Prefix: q.Prefix, StoppedBy: "nexthop", Verdict: "stopped at nexthop: nexthop 203.0.113.9 is unresolved: no route in this VRF covers it"}
	w := &x.Export
	w.Add("candidates", rib.Passed, "BGP has 2 paths",
		"RD 65000:10 from 192.0.2.1 (AS 65001), nexthop 203.0.113.9, local preference 100, MED 0, AS path 65001 65002 65003 65004",
		"RD 65000:11 from 192.0.2.2 (AS 65002), nexthop 198.51.100.1, local preference 50, MED 0, AS path 65002")
	w.Add("nexthop", rib.Stopped, "nexthop 203.0.113.9 is unresolved: no route in this VRF covers it")
	w.Add("kernel", rib.Noted, "the kernel was not asked for it")
	w.Add("table", rib.Noted, "the table has one route for it", "10.3.0.0/16 via 198.51.100.7 dev eth1 proto static (another program's: proto static)")
	x.Import.Add("import", rib.Stopped, "import is off for this VRF; turn it on with `vrfredist redistribution enable import IFACE --vrf vrf-red`")
	return x, nil
}

func (f *fakeDaemon) Routes(_ context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	switch {
	case name == "default":
		return nil
	case name != "vrf-red":
		return fmt.Errorf("VRF %q: %w: it is pending", name, vrf.ErrNotRunning)
	}
	routes := exportedRoutes()
	if q.Direction == vrf.Import {
		routes = importedRoutes()
	}
	for _, r := range routes {
		if !yield(r) {
			return nil
		}
	}
	return nil
}

func exportedRoutes() []rib.RouteStatus {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	via := func(gateway string, weight uint16) rib.Hop { return rib.Hop{Gateway: addr(gateway), Weight: weight} }
	unicast := func(hops ...rib.Hop) rib.Route { return rib.Route{Kind: rib.KindUnicast, Metric: 20, Hops: hops} }
	path := func(peer, nexthop string) rib.Path {
		a := &rib.Attrs{Via: &rib.Via{Nexthop: addr(nexthop)}, Tags: &rib.Tags{}, LocalPref: 100, ASPath: []uint32{65001}}
		if peer != "" {
			a.Peer = addr(peer)
		}
		return rib.Path{RD: 0x0000_fde8_0000_000a, Label: 100, Attrs: a}
	}
	leak := path("", "0.0.0.0")
	leak.Attrs.Source = "vrf-green"
	carried := path("192.0.2.9", "10.255.0.2")
	carried.Attrs.Carrier = rib.ByEVPN
	pe := func(addr string, mac rib.MAC) rib.EncapTo {
		return rib.EncapTo{Encap: rib.ByVXLAN(100, mac), PE: netip.MustParseAddr(addr)}
	}
	return []rib.RouteStatus{
		{Prefix: prefix("10.0.0.0/8"), State: rib.Installed, Best: path("192.0.2.1", "198.51.100.1"), Route: unicast(via("198.51.100.1", 1)), Devices: []string{"eth0"}},
		{Prefix: prefix("10.1.0.0/16"), State: rib.Installed, Best: path("192.0.2.1", "198.51.100.1"), Route: unicast(via("198.51.100.1", 2), via("198.51.100.5", 1)), Devices: []string{"eth0", "eth1"}},
		{Prefix: prefix("10.2.0.0/16"), State: rib.Installed, Best: leak, Route: unicast(rib.Hop{Ifindex: 3}), Devices: []string{"green0"}},
		{Prefix: prefix("10.3.0.0/16"), State: rib.Unresolved, Best: path("192.0.2.1", "203.0.113.9"), Reason: "no route in this VRF leads to 203.0.113.9, which is what the nexthop of the best path needs; add a connected or static route to it"},
		{Prefix: prefix("10.4.0.0/16"), State: rib.Conflict, Best: path("192.0.2.1", "198.51.100.1"), Route: unicast(via("198.51.100.1", 1)), Devices: []string{"eth0"}, Reason: "a static route has this prefix and metric"},
		{
			Prefix: prefix("10.5.0.0/16"), State: rib.Installed, Best: carried, OverCore: true,
			Route: unicast(via("fe80::aff:2:0:201", 3), via("fe80::aff:3:0:301", 1)), Devices: []string{"vx100", "vx100"},
			Encaps: []rib.EncapTo{pe("10.255.0.2", rib.MAC{2, 0, 0, 0, 2, 1}), pe("10.255.0.3", rib.MAC{2, 0, 0, 0, 3, 1})},
		},
		{Prefix: prefix("10.6.0.0/16"), State: rib.OverLimit, Best: leak, Leaked: true, Route: rib.Route{Kind: rib.KindUnicast, Metric: 20}, Reason: (&rib.KeptOut{Rule: rib.LeakRule{From: "vrf-green", MaxPrefixes: 1}}).Reason()},
		{Prefix: prefix("192.0.2.66/32"), State: rib.Installed, Best: path("192.0.2.1", "198.51.100.1"), Route: rib.Route{Kind: rib.KindBlackhole, Metric: 20}},
		{Prefix: prefix("2001:db8:1::/48"), State: rib.Stale, Route: unicast(via("2001:db8::1", 1)), Devices: []string{"eth0"}, Reason: "left by an earlier run; no neighbour has sent it yet"},
	}
}

func importedRoutes() []rib.RouteStatus {
	prefix := netip.MustParsePrefix
	hop := []rib.Hop{{Ifindex: 2}}
	return []rib.RouteStatus{
		{Prefix: prefix("192.0.2.0/24"), State: rib.Installed, MED: 0, Route: rib.Route{Kind: rib.KindUnicast, Protocol: rib.ProtoKernel, Hops: hop}, Devices: []string{"eth0"}},
		{Prefix: prefix("198.51.100.0/24"), State: rib.Installed, MED: 1500, Route: rib.Route{Kind: rib.KindUnicast, Protocol: rib.ProtoStatic, Metric: 1500, Hops: hop}, Devices: []string{"vlan12"}, Comms: []string{"65001:7", "65001:1:7"}},
		{Prefix: prefix("0.0.0.0/0"), State: rib.Filtered, Reason: "it is the default route, and allow_default is off", Route: rib.Route{Kind: rib.KindUnicast, Protocol: rib.ProtoDHCP, Hops: hop}, Devices: []string{"eth0"}},
	}
}

// serveFake serves a fake daemon at ./s, and makes that the address that every
// command uses.
func serveFake(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("VRFREDIST_API", "unix:s")
	listener, err := net.Listen("unix", "s")
	if err != nil {
		t.Fatal(err)
	}
	door := api.NewDoor(access.DefaultLimits(), access.Policy{}, nil, nil)
	server := api.NewGateway(door, newFakeDaemon(t))
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
			t.Error(err)
		}
	})
}

// Diagnose finds one thing of each level.
func (f *fakeDaemon) InForce(context.Context) (vrf.InForce, error) {
	return vrf.InForce{File: "/etc/vrfredist/vrfredist.toml", Sections: []vrf.ConfigSection{
		{Header: "[global.config]", Name: "global.config", Shared: true, Values: []vrf.ConfigValue{
			{Key: "as", Value: "65000", Origin: vrf.FromFile, Line: 2}, {Key: "router-id", Value: `"192.0.2.1"`, Origin: vrf.FromFile, Line: 3},
		}},
		{Header: "[[neighbors]]", Name: "neighbors[10.0.0.2]", VRF: "vrf-red"},
		{Header: "[neighbors.config]", Name: "neighbors[10.0.0.2].config", VRF: "vrf-red", Values: []vrf.ConfigValue{
			{Key: "neighbor-address", Value: `"10.0.0.2"`, Origin: vrf.FromFile, Line: 6}, {Key: "auth-password", Origin: vrf.FromFile, Line: 7, Secret: true},
			{Key: "enforce_first_as", Value: "true", Origin: vrf.ByDefault},
		}},
		{Header: "[[netlink.vrfs]]", Name: "netlink.vrfs[vrf-red]", VRF: "vrf-red", Values: []vrf.ConfigValue{
			{Key: "name", Value: `"vrf-red"`, Origin: vrf.FromFile, Line: 20}, {Key: "label", Value: "16001", Origin: vrf.Allocated},
		}},
		{Header: "[netlink.vrfs.import]", Name: "netlink.vrfs[vrf-red].import", VRF: "vrf-red", Values: []vrf.ConfigValue{
			{Key: "enabled", Value: "true", Origin: vrf.FromRunTime}, {Key: "interface_list", Value: `["eth0", "vlan*"]`, Origin: vrf.FromRunTime},
		}},
		{Header: "[[netlink.vrfs]]", Name: "netlink.vrfs[default]", VRF: "default", Values: []vrf.ConfigValue{{Key: "name", Value: `"default"`, Origin: vrf.FromFile, Line: 30}}},
	}}, nil
}

func (f *fakeDaemon) Policies() []vrf.Policy {
	return []vrf.Policy{
		{Name: "tenant-a/out", Rules: []vrf.PolicyRule{{Title: "default", Action: "accept"}}},
		{
			Name: "to-kernel", Uses: []vrf.PolicyUse{{VRF: "vrf-red", Place: "export.policy"}, {VRF: "vrf-red", Place: "bgp.receive"}, {VRF: "vrf-red", Place: "bgp.send", Uncounted: vrf.JudgedByBGP}},
			Rules: []vrf.PolicyRule{
				{Title: "rule 1 (customers)", Conditions: []string{`prefixes = ["10.0.0.0/8 le 24"]`, `communities = ["65001:1"]`}, Changes: []string{"set_metric = 50"}, Action: "accept", Matched: 980},
				{Title: "rule 2", Changes: []string{"set_local_pref = 50"}, Action: "next", Matched: 25},
				{Title: "default", Action: "reject", Matched: 10},
			},
		},
	}
}

func (f *fakeDaemon) Diagnose(context.Context) ([]doctor.Finding, error) {
	return []doctor.Finding{
		{Level: doctor.Broken, Check: "capabilities", Subject: "CAP_SYS_ADMIN", What: "The daemon lacks CAP_SYS_ADMIN.", Why: "It needs it.", Mend: "mend it"},
		{Level: doctor.Risk, Check: "rp-filter", Subject: "tenant-a", What: "A risk.", Why: "A reason.", Mend: "sysctl -w net.ipv4.conf.all.rp_filter=2"},
		{Level: doctor.Advice, Check: "kernel", What: "Advice.", Why: "Another reason."},
	}, nil
}

// Plan has something of every kind; with a VRF named it has nothing.
func (f *fakeDaemon) Plan(_ context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	p := netip.MustParsePrefix
	items := []vrf.PlanItem{
		{Kind: vrf.PlanSetting, Op: vrf.PlanChange, Text: "netlink.metrics changed: it takes effect at the next start"},
		{Kind: vrf.PlanNeighbor, Op: vrf.PlanAdd, Text: "192.0.2.9 AS 65300", Notes: []string{"which routes it will send cannot be known before"}},
		{Kind: vrf.PlanNeighbor, Op: vrf.PlanChange, Text: "192.0.2.1 AS 65100", Details: []string{"timers.config.hold-time: 90 -> 30"}},
		{Kind: vrf.PlanVRF, Op: vrf.PlanChange, VRF: "red", Text: "red (table 1002)", Details: []string{"binding: table 1001 -> table 1002", "export.metric: 20 -> 30"}},
		{Kind: vrf.PlanRoute, Op: vrf.PlanRemove, VRF: "red", Prefix: p("10.0.0.0/8"), Text: "10.0.0.0/8 via 198.51.100.1 dev eth0 proto vrfredist metric 20", Where: rib.Binding{Table: 1001}},
		{Kind: vrf.PlanRoute, Op: vrf.PlanAdd, VRF: "red", Prefix: p("10.0.0.0/8"), Text: "10.0.0.0/8 via 198.51.100.1 dev eth0 proto vrfredist metric 30", Where: rib.Binding{Table: 1002}},
		{Kind: vrf.PlanAnnouncement, Op: vrf.PlanRemove, VRF: "red", Prefix: p("192.0.2.0/24"), Text: "192.0.2.0/24 MED 0"},
		{Kind: vrf.PlanOfVRF, VRF: "red", Totals: &vrf.PlanTotals{PlanCounts: vrf.PlanCounts{Added: 3, Removed: 3, Kept: 2, Withdrawn: 1}, Unlisted: 4}},
		{Kind: vrf.PlanVRF, Op: vrf.PlanRemove, VRF: "blue", Text: "blue (netns b)"},
		{Kind: vrf.PlanOfVRF, VRF: "blue", Totals: &vrf.PlanTotals{}},
		{Kind: vrf.PlanHearer, VRF: "red", Neighbor: "10.0.0.2", Text: "10.0.0.2 in netns red AS 65002 in VRF red", Totals: &vrf.PlanTotals{Told: vrf.ToldCounts{Announced: 14, Withdrawn: 1, Changed: 1}, Unlisted: 13}},
		{Kind: vrf.PlanTold, Op: vrf.PlanAdd, VRF: "red", Neighbor: "10.0.0.2", Prefix: p("10.1.0.0/16"), Text: "10.1.0.0/16 nexthop 10.0.0.1 AS path 65000 65001"},
		{Kind: vrf.PlanTold, Op: vrf.PlanRemove, VRF: "red", Neighbor: "10.0.0.2", Prefix: p("10.2.0.0/16"), Text: "10.2.0.0/16"},
		{Kind: vrf.PlanTold, Op: vrf.PlanChange, VRF: "red", Neighbor: "10.0.0.2", Prefix: p("10.3.0.0/16"), Text: "10.3.0.0/16 nexthop 10.0.0.1 AS path 65000 65001 65000:7"},
		{Kind: vrf.PlanHearer, VRF: "default", Neighbor: "192.0.2.1", Text: "192.0.2.1 AS 65100 in VRF default", Totals: &vrf.PlanTotals{}, Notes: []string{"its session is down: it is told what it may have when that is up"}},
		{Kind: vrf.PlanSummary, Text: "2 VRFs, 2 neighbours and 1 setting would change. Nothing was changed.",
			Totals: &vrf.PlanTotals{PlanCounts: vrf.PlanCounts{Added: 3, Removed: 3, Kept: 2, Withdrawn: 1}, Told: vrf.ToldCounts{Announced: 14, Withdrawn: 1, Changed: 1}, Unlisted: 17, VRFs: 2, Neighbors: 2, Settings: 1}},
	}
	if r.VRF != "" {
		items = []vrf.PlanItem{{Kind: vrf.PlanSummary, Text: "Nothing would change: the file says what is in force.", Totals: &vrf.PlanTotals{}}}
	}
	for _, i := range items {
		if err := yield(i); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeDaemon) Reload(_ context.Context, confirm time.Duration) ([]string, time.Time, error) {
	changes, err := f.changes()
	if confirm == 0 || err != nil {
		return changes, time.Time{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waits = true
	return changes, now.Add(confirm), nil
}

func (f *fakeDaemon) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener {
	return new(vrf.Tap).Listen(wants)
}

func (f *fakeDaemon) Confirm(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.waits {
		return api.ErrNothingToConfirm
	}
	f.waits = false
	return nil
}

func (f *fakeDaemon) Unconfirmed() (vrf.Unconfirmed, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return vrf.Unconfirmed{}, f.waits
}
