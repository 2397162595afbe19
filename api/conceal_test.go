package api

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestConceal(t *testing.T) {
	a := access.NewGrant("vrf:a")
	for text, want := range map[string]string{
		`leaked from VRF "b", which has no table`: `leaked from another VRF, which has no table`,
		`VRF "a" and VRF "b"`:                     `VRF "a" and another VRF`,
		`not ended yet: VRF "b", "a"`:             `not ended yet: another VRF`,
		`VRF "a \"b\" c" is odd`:                  `another VRF is odd`,
		`VRF "a": no route`:                       `VRF "a": no route`,
		`it is up to date`:                        `it is up to date`,
		`VRF "b" has table 7, and "a" may not`:    `another VRF has table 7, and "a" may not`,
	} {
		if got := conceal(text, a); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if got := conceal(text, access.NewGrant(access.Read)); got != text {
			t.Errorf("who sees all reads %s", got)
		}
	}
}

// FuzzConceal: no name of another VRF is left where a text names one as every
// text of the program does.
func FuzzConceal(f *testing.F) {
	f.Add("b", "leaked from ", ", which")
	f.Add(`"`, "", "")
	f.Add("b\", \"a", `VRF "a`, `"`)
	f.Fuzz(func(t *testing.T, name, before, after string) {
		if name == "a" || strings.ContainsAny(before+after, `"\`) {
			return // no text of the program has those
		}
		const secret = "<<secret>>"
		text := before + fmt.Sprintf("VRF %q", secret+name) + after
		if got := conceal(text, access.NewGrant("vrf:a")); strings.Contains(got, secret) {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}

func TestAnswersToATenant(t *testing.T) {
	tenant := func(err error) error {
		d := NewDoor(access.DefaultLimits(), access.Policy{}, nil, nil)
		c := &call{door: d, conn: &connection{}, grant: access.NewGrant("vrf:a")}
		return c.answer(err)
	}
	wantCode(t, tenant(status.Error(codes.FailedPrecondition, `VRF "b" has it`)), codes.FailedPrecondition, "another VRF has it")
	wantCode(t, tenant(fmt.Errorf("10.9.0.0/16 via 192.0.2.1")), codes.Unknown, "whose log says why")
	inside := tenant(panicked("/x/Y", "10.9.0.0/16", []byte("stack")))
	wantCode(t, inside, codes.Internal, "whose log says why")
	if n := len(status.Convert(inside).Details()); n != 0 {
		t.Errorf("%d details of a panic reach a tenant", n)
	}
	detailed := tenant(invalid("interfaces", `is of VRF "b"`))
	wantCode(t, detailed, codes.InvalidArgument, "interfaces: is of another VRF")
	if v := status.Convert(detailed).Details()[0].(*errdetails.BadRequest).GetFieldViolations()[0]; v.GetDescription() != "is of another VRF" {
		t.Errorf("the details say %q", v.GetDescription())
	}
	// In lists, maps and messages inside messages alike.
	m := &v1.GetVrfResponse{Vrf: &v1.Vrf{Reason: `VRF "b"`, ImportRts: []string{`VRF "b"`}, Neighbors: []*v1.Neighbor{{Reason: `VRF "b"`}}}}
	concealIn(m.ProtoReflect(), access.NewGrant("vrf:a"))
	if strings.Contains(m.String(), `"b"`) || strings.Contains(m.String(), `\"b\"`) {
		t.Errorf("%v", m)
	}
}

func TestEventsToATenant(t *testing.T) {
	events := func() []vrf.RouteEvent {
		return []vrf.RouteEvent{
			{What: rib.Unresolved.String(), Reason: `leaked from VRF "b": 192.0.2.9 is unresolved`},
			{What: vrf.RouteAdded, Text: "10.0.0.0/8 via 192.0.2.9 dev b0"},
			{What: vrf.RouteRefused, Reason: "no buffer space available"},
		}
	}
	for role, tells := range map[access.Role]bool{access.Read: true, "vrf:a": false} {
		got := fmt.Sprint(view{grant: access.NewGrant(role)}.confined(events()))
		if strings.Contains(got, "192.0.2.9") != tells || !strings.Contains(got, "no buffer space") {
			t.Errorf("%s reads %s", role, got)
		}
	}
}

// coreSecrets are what of the core is not for a tenant.
func coreSecrets() []string { return []string{"10.255.0.", "02:00:00:00:0", "fe80::aff", "underlay"} }

// TestCoreToATenant: who sees a VRF alone is shown its VNI and device, and none of the core's
// addresses: in lists, in what is said of the VRF, in a watch, in routes.
func TestCoreToATenant(t *testing.T) {
	carried := &rib.Attrs{Via: &rib.Via{Nexthop: netip.MustParseAddr("10.255.0.2"), Peer: netip.MustParseAddr("10.255.0.9"), Carrier: rib.ByEVPN}, Tags: &rib.Tags{}}
	f := &fake{
		vrfs: map[string]vrf.Status{"a": {
			Spec: vrf.Spec{Name: "a", Carriage: rib.Carriage{
				Kind: rib.EncapVXLAN, VNI: 100, Device: "vx100", Router: rib.MAC{2, 0, 0, 0, 1, 1},
				Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.1"), Netns: "underlay", Port: 4789},
			}},
			WorkerStatus: vrf.WorkerStatus{
				State: vrf.Degraded, Reason: "the device vx100 has the local address 10.255.0.7, and this VRF's is 10.255.0.1; 1 unresolved",
				ToTenant: "the device vx100 has another local address than this VRF's; 1 unresolved",
			},
		}},
		routes: func(_ context.Context, _ vrf.Direction, yield func(rib.RouteStatus) bool) error {
			yield(rib.RouteStatus{
				Prefix: netip.MustParsePrefix("10.2.0.0/24"), State: rib.Installed, OverCore: true, Best: rib.Path{Label: 100, Attrs: carried},
				Route: rib.Route{Kind: rib.KindUnicast, Hops: []rib.Hop{{Gateway: netip.MustParseAddr("fe80::aff:2:0:201")}}}, Devices: []string{"vx100"},
				Encaps: []rib.EncapTo{{Encap: rib.ByVXLAN(100, rib.MAC{2, 0, 0, 0, 2, 1}), PE: netip.MustParseAddr("10.255.0.2")}},
			})
			return nil
		},
	}
	for role, tells := range map[access.Role]bool{access.Read: true, "vrf:a": false} {
		v := view{f, access.NewGrant(role)}
		st, _ := v.Get("a")
		w := watcher{seen: make(map[string]sight)}
		news, _ := w.look(v.List(), time.Now())
		said := vrfMessage(st).String() + vrfMessage(v.List()[0]).String() + news[0].String()
		if err := v.Routes(t.Context(), "a", vrf.RouteQuery{Direction: vrf.Export}, func(r rib.RouteStatus) bool {
			said += routeMessage("a", vrf.Export, r).String()
			return true
		}); err != nil {
			t.Fatal(err)
		}
		for _, secret := range coreSecrets() {
			if strings.Contains(said, secret) != tells {
				t.Errorf("%s is told of %q: %t\n%s", role, secret, !tells, said)
			}
		}
		if strings.Count(said, "vx100") < 5 || strings.Count(said, "vni:100") != 4+map[bool]int{true: 1}[tells] {
			t.Errorf("%s is not told of the VNI and the device:\n%s", role, said)
		}
	}
}
