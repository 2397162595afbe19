package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// stillKernel has tables that nobody changes, by namespace.
type stillKernel map[string]stillTable

func (k stillKernel) Open(_ context.Context, b rib.Binding, _ uint8) (nsworker.Table, error) {
	if t, is := k[b.Netns]; is {
		return t, nil
	}
	return nil, rib.Absent("netns " + b.Netns + " is not there")
}

func (k stillKernel) Await(rib.Binding) (<-chan struct{}, func(), error) { return nil, func() {}, nil }

type stillTable struct {
	inode  uint64
	routes []rib.Route
}

func (t stillTable) Where() rib.Where         { return rib.Where{Dev: 4, Inode: t.inode, Table: 254} }
func (t stillTable) Ready() <-chan struct{}   { return nil }
func (t stillTable) Events() rib.KernelEvents { return rib.KernelEvents{} }
func (t stillTable) Close() error             { return nil }

func (t stillTable) Read(context.Context, ...uint32) (rib.Table, error) {
	links := rib.Links{2: {Index: 2, Name: "eth0", Up: true, Admin: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}
	connected := rib.Route{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Protocol: rib.ProtoKernel, Kind: rib.KindUnicast, Scope: 253, Hops: []rib.Hop{{Ifindex: 2}}}
	return rib.Table{Links: links, Routes: rib.RouteListOf(append(slices.Clone(t.routes), connected)...)}, nil
}

func (t stillTable) Apply(context.Context, []rib.Change) ([]error, error) {
	return nil, errors.New("a plan writes nothing")
}

// viaPeer is a path by way of 192.0.2.2.
func viaPeer(prefix netip.Prefix) rib.Path {
	peer := netip.MustParseAddr("192.0.2.2")
	return rib.Path{Prefix: prefix, Attrs: &rib.Attrs{Via: &rib.Via{Nexthop: peer, Peer: peer}, Tags: &rib.Tags{}, LocalPref: 100}}
}

// planning is a planner on a still kernel, and what it is asked about: VRF red stays,
// with another metric, blue goes, and green comes, which has no namespace yet.
func planning(t *testing.T) (*planner, *fakeBGP, *config.Config) {
	t.Helper()
	now, next := text(t, "old", []string{"red", "blue"}), text(t, "new", []string{"green", "red"})
	for _, cfg := range []*config.Config{now, next} {
		for i := range cfg.VRFs {
			s := &cfg.VRFs[i]
			s.Protocol, s.Export.Metric, s.SweepDelay = rib.ProtoOwn, 20, time.Minute
		}
	}
	next.VRFs[1].Export.Metric = 30
	s := newStage(t, now)
	own := func(prefix string) rib.Route {
		return rib.Route{
			Prefix: netip.MustParsePrefix(prefix), Metric: 20, Protocol: rib.ProtoOwn, Kind: rib.KindUnicast,
			Hops: []rib.Hop{{Gateway: netip.MustParseAddr("192.0.2.2"), Ifindex: 2, Weight: 1}},
		}
	}
	vrfs := []speaker.VRF{{Name: "green"}, {Name: "red"}}
	feeds, ten := speaker.NewFeeds(vrfs), netip.MustParsePrefix("10.0.0.0/8")
	feed, err := feeds.Feed("red")
	if err != nil {
		t.Fatal(err)
	}
	feed.Set(ten, 0, []rib.Path{viaPeer(ten)})
	s.bgp.preview.Foresight = speaker.Foresight{Old: vrfs, Next: vrfs, Feeds: feeds}
	return &planner{
		parse: func(string, []byte) (*config.Config, error) { return next, s.call("parse") }, force: s.changer.force,
		gate: s.changer.apply.gate, bgp: s.bgp,
		status: func(name string) (vrf.Status, bool) {
			st := vrf.Status{Spec: vrf.Spec{Name: name}}
			st.State = vrf.Ready
			return st, true
		},
		reader: nsworker.Deps{
			Kernel: stillKernel{"red": {7, []rib.Route{own("10.0.0.0/8")}}, "blue": {8, []rib.Route{own("10.9.0.0/16")}}},
			BGP:    s.bgp, Board: nsworker.NewBoard(),
		},
	}, s.bgp, next
}

// lines are the items of a plan, a line each.
func lines(t *testing.T, p *planner, r vrf.PlanRequest) []string {
	t.Helper()
	var out []string
	err := p.Plan(t.Context(), r, func(i vrf.PlanItem) error {
		line := fmt.Sprintf("%s %s %s %s", i.Kind, i.Op, i.VRF, i.Text)
		for _, more := range slices.Concat(i.Details, i.Notes) {
			line += " | " + more
		}
		if i.Totals != nil {
			line += fmt.Sprintf(" +%d -%d", i.Totals.Added, i.Totals.Removed)
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPlan: settings, neighbours, and each VRF with its routes, in the words of the
// command line.
func TestPlan(t *testing.T) {
	p, b, next := planning(t)
	b.preview.Others = []string{"peer group g: added"}
	b.preview.Notes = []string{"what it sends cannot be known before"}
	b.preview.Neighbors = []speaker.NeighborChange{{Kind: speaker.Added, Address: "192.0.2.9", PeerAS: 65009}}
	next.ManageSysctls = true
	got := lines(t, p, vrf.PlanRequest{File: "f.toml", Lines: -1})
	want := []string{
		"setting change  peer group g: added",
		"setting change  netlink.manage_sysctls: false -> true",
		"setting   BGP | what it sends cannot be known before",
		"neighbor add  192.0.2.9 AS 65009",
		"vrf remove blue blue (netns blue)",
		"route remove blue 10.9.0.0/16 via 192.0.2.2 dev eth0 proto vrfredist metric 20",
		"counts  blue  +0 -1",
		"vrf add green green (netns green) | it has no table now (netns green is not there), so it would be pending: its routes cannot be known before",
		"counts  green  +0 -0",
		"vrf change red red (netns red) | export.metric: 20 -> 30",
		"route remove red 10.0.0.0/8 via 192.0.2.2 dev eth0 proto vrfredist metric 20",
		"route add red 10.0.0.0/8 via 192.0.2.2 dev eth0 proto vrfredist metric 30",
		"counts  red  +1 -1",
		"summary   3 VRFs, 1 neighbour and 2 settings would change. Nothing was changed. +1 -2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the plan:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if one := lines(t, p, vrf.PlanRequest{VRF: "blue"}); len(one) != 3 || !strings.HasPrefix(one[0], "vrf remove blue") {
		t.Errorf("of one VRF, without routes: %q", one)
	}
}

// TestPlanOfAnEncapsulation: what changes of it, that the VRF starts anew, and what devices are
// made and removed.
func TestPlanOfAnEncapsulation(t *testing.T) {
	p, _, next := planning(t)
	now := p.force.config()
	is := rib.Carriage{
		Kind: rib.EncapVXLAN, VNI: 100, Device: "vx100", Router: rib.MAC{2, 0, 0, 0, 1, 1}, Managed: true,
		Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.1"), Port: 4789},
	}
	now.VRFs[0].Carriage, now.VRFs[1].Carriage = is, is
	now.VRFs[1].Carriage.VNI, now.VRFs[1].Carriage.Device = 300, "vx300" // of blue, which goes
	is.VNI, is.Device, is.Core.VTEP = 200, "vx200", netip.MustParseAddr("10.255.0.9")
	next.VRFs[1].Carriage, next.VRFs[1].Export.Metric = is, 20
	now.Core, next.Core, next.CoreInterfaces = now.VRFs[0].Carriage.Core, is.Core, []string{"core*"}
	next.ManageLinks = true
	got := strings.Join(lines(t, p, vrf.PlanRequest{File: "f.toml", Lines: -1}), "\n")
	for _, want := range []string{
		"setting change  netlink.core.interfaces: none -> core*\n",
		"setting change  netlink.core.source: 10.255.0.1 -> 10.255.0.9\n",
		"setting change  netlink.manage_links: false -> true\n",
		"vrf remove blue blue (netns blue) | the VXLAN device vx300 is removed from netns blue\n",
		"vrf change red red (netns red) | vni: 100 -> 200 | vxlan_device: vx100 -> vx200 | core.source: 10.255.0.1 -> 10.255.0.9 | " +
			"the VXLAN device vx100 is removed from netns red | the VXLAN device vx200 is made in netns red | " +
			"how other PEs are reached is looked up in the core as it is now: with the new one it may be otherwise | " +
			"a changed encapsulation starts the VRF anew: its routes go, and come back when it runs with the other one; until then it forwards nothing | " +
			"other PEs send by what they were told before until they have heard of the change",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say\n%s\nbut\n%s", want, got)
		}
	}
}

// TestPlanOfAnotherNumber: a VRF with another label or SID goes on running, and makes no device.
func TestPlanOfAnotherNumber(t *testing.T) {
	label := rib.Carriage{Kind: rib.EncapMPLS, Label: 16010, Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.1")}}
	sid := rib.Carriage{
		Kind: rib.EncapSRv6, SRv6: rib.SRv6{SID: netip.MustParseAddr("fd00:1:0:1:1::")}, Managed: true,
		Through: rib.Through{Device: "sr-red", To: rib.Binding{Device: "sr-red"}},
	}
	none, otherLabel, otherSID := label, label, sid
	none.Label, none.Awaits = 0, "no label is free"
	otherLabel.Label, otherSID.SRv6.SID = 16011, netip.MustParseAddr("fd00:1:0:1:2::")
	const anew = "starts the VRF anew"
	for _, tc := range []struct {
		was, is rib.Carriage
		want    string
	}{
		{label, otherLabel, "label: 16010 -> 16011 | other PEs send by the label 16010 until the label 16011 is in the kernel beside it and they have been told; then it goes, and no packet is lost"},
		{sid, otherSID, "sid: fd00:1:0:1:1:: -> fd00:1:0:1:2:: | other PEs send by the SID fd00:1:0:1:1:: until the SID fd00:1:0:1:2:: is in the kernel beside it and they have been told; then it goes, and no packet is lost"},
		{none, label, "label: none -> 16010 | waits for its label or sid: no label is free -> no | other PEs are told of it once packets come in by the label 16010"},
		{label, none, "label: 16010 -> none | waits for its label or sid: no -> no label is free | no packets of other PEs come in until it has one: no label is free"},
		{label, sid, anew},
	} {
		p, _, next := planning(t)
		now := p.force.config()
		next.VRFs[1].Export = now.VRFs[0].Export
		now.VRFs[0].Carriage, next.VRFs[1].Carriage = tc.was, tc.is
		now.Core, next.Core = tc.was.Core, tc.is.Core
		got := strings.Join(lines(t, p, vrf.PlanRequest{File: "f.toml", Lines: -1, VRF: "red"}), "\n")
		if !strings.Contains(got, tc.want) || strings.Contains(got, anew) != (tc.want == anew) || tc.want != anew && strings.Contains(got, "sr-red is") {
			t.Errorf("it does not say\n%s\nbut\n%s", tc.want, got)
		}
	}
}

// TestAPlanThatCannotBeMade says why.
func TestAPlanThatCannotBeMade(t *testing.T) {
	p, b, _ := planning(t)
	ask := func(r vrf.PlanRequest) error {
		return p.Plan(t.Context(), r, func(vrf.PlanItem) error { return nil })
	}
	if err := ask(vrf.PlanRequest{VRF: "nobody"}); !errors.Is(err, api.ErrUnknownVRF) {
		t.Errorf("of an unknown VRF: %v", err)
	}
	for _, refused := range []string{"parse", "preview of new"} {
		b.refuse(refused)
		if err := ask(vrf.PlanRequest{File: "f.toml"}); !errors.As(err, new(*api.FileError)) {
			t.Errorf("%s fails: %v", refused, err)
		}
	}
	b.refuse()
	err := p.Plan(t.Context(), vrf.PlanRequest{}, func(vrf.PlanItem) error {
		if err := ask(vrf.PlanRequest{}); !errors.Is(err, api.ErrBusy) {
			t.Errorf("a second plan meanwhile: %v", err)
		}
		p.force.cfg.Store(text(t, "another", nil))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "which is void") {
		t.Errorf("a plan of a configuration that is changed meanwhile: %v", err)
	}
}

// TestPlannedNeighborsInNamespaces are called by their own address, and their secrets
// are not told.
func TestPlannedNeighborsInNamespaces(t *testing.T) {
	p, b, next := planning(t)
	peer := rib.Neighbor{VRF: "red", Netns: "red", Peer: netip.MustParseAddr("10.0.0.2"), Alias: alias1, Secret: "one", Password: "hunter2"}
	relayed := peer
	relayed.Alias = alias2
	now := p.force.config()
	now.Neighbors = []rib.Neighbor{peer, relayed}
	peer.Password, peer.Secret, peer.HoldTime = "other", "two", 30*time.Second
	relayed.TTL = 2
	next.Neighbors = []rib.Neighbor{peer, relayed}
	b.preview.Neighbors = []speaker.NeighborChange{{Kind: speaker.Changed, Address: alias1.String(), PeerAS: 65002, VRF: "red", Keys: []string{"timers.config.hold-time: 90 -> 30"}}}
	var got []string
	for _, l := range lines(t, p, vrf.PlanRequest{}) {
		if strings.HasPrefix(l, "neighbor ") {
			got = append(got, l)
		}
	}
	want := []string{
		"neighbor change red 10.0.0.2 in netns red AS 65002 in VRF red | timers.config.hold-time: 90 -> 30 | auth-password changed | holdtime: 0s -> 30s",
		"neighbor change red 10.0.0.2 in netns red in VRF red | ttl: 0 -> 2 | its session restarts: its routes go and come back",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestPlannedAnnouncements: what a VRF would not import any more is withdrawn, what it
// would import anew is announced; as many lines are told as are asked for.
func TestPlannedAnnouncements(t *testing.T) {
	p, b, next := planning(t)
	gone := rib.AnnounceChange{Announcement: rib.Announcement{Prefix: netip.MustParsePrefix("10.7.0.0/16"), MED: 5}}
	if err := b.Announce(t.Context(), "red", []rib.AnnounceChange{gone}); err != nil {
		t.Fatal(err)
	}
	next.VRFs[1].Export = p.force.config().VRFs[0].Export
	next.VRFs[1].Import = rib.ImportPolicy{Enabled: true, Interfaces: []string{"eth*"}}
	b.preview.Tables = noTables{}
	var got []string
	for _, l := range lines(t, p, vrf.PlanRequest{VRF: "red", Lines: -1}) {
		if strings.HasPrefix(l, "announcement") || strings.HasPrefix(l, "vrf") {
			got = append(got, l)
		}
	}
	want := []string{
		"vrf change red red (netns red) | import.enabled: false -> true | import.interface_list: none -> eth*",
		"announcement remove red 10.7.0.0/16 MED 5",
		"announcement add red 192.0.2.0/24 MED 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	var totals *vrf.PlanTotals
	err := p.Plan(t.Context(), vrf.PlanRequest{VRF: "red", Lines: 1}, func(i vrf.PlanItem) error {
		totals = i.Totals
		return nil
	})
	if err != nil || totals == nil || totals.Unlisted != 1 || totals.Announced != 1 || totals.Withdrawn != 1 {
		t.Errorf("with one line: %+v, %v", totals, err)
	}
}

// noTables are those of a BGP server without routes.
type noTables struct{}

func (noTables) Paths(context.Context, speaker.Family, []speaker.Destination, bool, func(speaker.Destination, []rib.Path, bool)) error {
	return nil
}
