package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// tenantry is a fake that remembers what was to be applied.
type tenantry struct {
	*fake
	made    string // the VRF that was made over the API
	request *vrf.ApplyRequest
	deleted *vrf.DeleteRequest
	fails   error
	slow    chan struct{} // for whose end a deletion waits; nil: none
}

func (b *tenantry) Made(name string) bool { return name == b.made }

func (b *tenantry) Apply(_ context.Context, r vrf.ApplyRequest) (uint64, error) {
	b.request = &r
	if r.May != nil {
		var section map[string]any
		if err := json.Unmarshal(r.Section, &section); err != nil {
			return 0, err
		}
		for key, value := range section {
			if err := r.May(key, nil, value); err != nil && key != "name" {
				return 0, err
			}
		}
	}
	return 7, b.fails
}

func (b *tenantry) Delete(_ context.Context, r vrf.DeleteRequest) (bool, error) {
	b.deleted = &r
	if b.slow != nil {
		<-b.slow
	}
	return false, b.fails
}

// as is the context of a call by somebody with roles.
func as(t *testing.T, b Backend, roles ...access.Role) context.Context {
	return context.WithValue(t.Context(), grantKey{}, access.NewGrant(roles...).Making(b.Made))
}

func TestAMessageIsASection(t *testing.T) {
	b := &tenantry{fake: newFake()}
	med, no := uint32(0), false
	_, err := New(b).ApplyVrf(as(t, b, access.Admin), &v1.ApplyVrfRequest{
		Vrf: &v1.VrfSpec{
			Name: "vrf-red", Rd: "65000:1", BothRtList: []string{"65000:1"}, Import: &v1.ImportSpec{Enabled: &no, Med: &med},
			Policies: []*v1.PolicySpec{{Name: "vrf-red/x", Rules: []*v1.PolicyRuleSpec{{SetCommunities: &v1.StringList{}, OriginAs: []uint32{7}}}}},
		},
		Mask: &fieldmaskpb.FieldMask{Paths: []string{"rd", "import.med"}}, Generation: proto.Uint64(3), Owner: "me",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"both_rt_list":["65000:1"],"import":{"enabled":false,"med":0},"name":"vrf-red",` +
		`"policies":[{"name":"vrf-red/x","rules":[{"origin_as":[7],"set_communities":[]}]}],"rd":"65000:1"}`
	if r := b.request; string(r.Section) != want || *r.Generation != 3 || r.Owner != "me" || fmt.Sprint(r.Fields) != "[rd import.med]" || r.May != nil || r.Alone {
		t.Errorf("%s\nwant %s, %+v", r.Section, want, r)
	}
	more, err := structpb.NewStruct(map[string]any{"timers": map[string]any{"config": map[string]any{"hold-time": 90, "connect-retry": 1.5}}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := New(b).ApplyNeighbor(as(t, b, access.Admin), &v1.ApplyNeighborRequest{Neighbor: &v1.NeighborSpec{
		Address: "::ffff:10.0.0.2", Vrf: "vrf-red", Netns: "vrf-red", More: more,
	}})
	if err != nil || answer.GetNeighbor().GetState() != "established" {
		t.Fatalf("%v, %v", answer, err)
	}
	if s := string(b.request.Section); !strings.Contains(s, `"hold-time":90`) || !strings.Contains(s, `"connect-retry":1.5`) || b.request.Key.Name != "10.0.0.2@vrf-red" {
		t.Errorf("%v: %s", b.request.Key, s)
	}
}

func TestWhoMayApplyWhat(t *testing.T) {
	for _, tc := range []struct {
		role  access.Role
		made  string // over the API
		spec  *v1.VrfSpec
		code  codes.Code
		words string
		alone bool
	}{
		{access.Admin, "", &v1.VrfSpec{Name: "default"}, codes.OK, "", false},
		{access.Provision, "", &v1.VrfSpec{Name: "new", Rd: "1:1"}, codes.OK, "", true},
		{access.Provision, "vrf-red", &v1.VrfSpec{Name: "vrf-red", Rd: "1:1"}, codes.OK, "", true},
		{access.Provision, "", &v1.VrfSpec{Name: "vrf-red"}, codes.PermissionDenied, `was not made over the API`, false},
		{access.Provision, "", &v1.VrfSpec{Name: "default"}, codes.PermissionDenied, "", false},
		{access.Read, "", &v1.VrfSpec{Name: "vrf-red"}, codes.PermissionDenied, "", false},
		{access.OfVRF("vrf-*"), "", &v1.VrfSpec{Name: "vrf-red", Policies: []*v1.PolicySpec{{Name: "vrf-red/x"}}}, codes.OK, "", false},
		{access.OfVRF("vrf-red"), "", &v1.VrfSpec{Name: "vrf-red", Rd: "1:1"}, codes.PermissionDenied, "rd is not a tenant's own", false},
		{access.OfVRF("vrf-red"), "", &v1.VrfSpec{Name: "vrf-red", Label: 17}, codes.PermissionDenied, "label is not a tenant's own", false},
		{access.OfVRF("vrf-red"), "", &v1.VrfSpec{Name: "vrf-blue"}, codes.PermissionDenied, "", false},
		{
			access.OfVRF("vrf-red"), "", &v1.VrfSpec{Name: "vrf-red", Policies: []*v1.PolicySpec{{Rules: []*v1.PolicyRuleSpec{{SetPrefsrc: []string{"10.0.0.1"}}}}}},
			codes.PermissionDenied, "policies[0].rules[0].set_prefsrc", false,
		},
	} {
		b := &tenantry{fake: newFake(), made: tc.made}
		answer, err := New(b).ApplyVrf(as(t, b, tc.role), &v1.ApplyVrfRequest{Vrf: tc.spec})
		wantCode(t, err, tc.code, tc.words)
		if err == nil && (answer.GetGeneration() != 7 || b.request.Alone != tc.alone) {
			t.Errorf("%s, %v: %v, %+v", tc.role, tc.spec, answer, b.request)
		}
	}
	limits := func(field string, was, is any) error { return access.OwnField("a", field, was, is) }
	for name, err := range map[string]error{
		"its own policy":             limits("export.policy", "a/x", "a/y"),
		"the first one":              limits("import.policy", nil, "a/y"),
		"interfaces":                 limits("import.interface_list", nil, []any{"eth0"}),
		"lists of its own":           limits("import_policy_list", []any{"a/x"}, []any{}),
		"! an administrator's limit": limits("export.policy", "limit", "a/y"),
		"! without it":               limits("export.policy", "limit", nil),
		"! another's policy":         limits("bgp.send", nil, "b/y"),
		"! a quota":                  limits("export.max_routes", 1, 2),
		"! leaks":                    limits("bgp.leak_from", nil, []any{"b"}),
		"! a whole section":          limits("bgp", nil, nil),
		"! the AS":                   limits("peer_as", 1, 2),
	} {
		if (err == nil) == strings.HasPrefix(name, "!") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsOfApplying(t *testing.T) {
	b := &tenantry{fake: newFake()}
	apply := func(fails error) error {
		b.fails = fails
		_, err := New(b).ApplyVrf(as(t, b, access.Admin), &v1.ApplyVrfRequest{Vrf: &v1.VrfSpec{Name: "vrf-red"}})
		return err
	}
	err := apply(vrf.FieldFaults{{Field: "export.metric", Why: "is bad"}, {Field: "mask", Why: "too"}, {Why: "the rest"}})
	wantCode(t, err, codes.InvalidArgument, "vrf.export.metric: is bad", "mask: too", "vrf: the rest")
	if st, _ := status.FromError(err); !namesField(st) {
		t.Error("the details name no field")
	}
	wantCode(t, apply(fmt.Errorf("x: %w", vrf.ErrStale)), codes.Aborted)
	wantCode(t, apply(fmt.Errorf("x: %w", vrf.ErrUnknown)), codes.NotFound)
	wantCode(t, apply(fmt.Errorf("x: %w", vrf.ErrBelow)), codes.PermissionDenied, "role admin")
	wantCode(t, apply(fmt.Errorf("GoBGP: no")), codes.FailedPrecondition, "GoBGP: no")
	_, err = New(b).ApplyVrf(as(t, b, access.Admin), &v1.ApplyVrfRequest{})
	wantCode(t, err, codes.InvalidArgument, "vrf.name")
	_, err = New(b).ApplyVrf(as(t, b, access.Admin), &v1.ApplyVrfRequest{Vrf: &v1.VrfSpec{Name: "a"}, Mask: &fieldmaskpb.FieldMask{}})
	wantCode(t, err, codes.InvalidArgument, "mask")
	_, err = New(b).ApplyNeighbor(as(t, b, access.Admin), &v1.ApplyNeighborRequest{Neighbor: &v1.NeighborSpec{Address: "x"}})
	wantCode(t, err, codes.InvalidArgument, "neighbor.address")
}

// TestADeletionAnswersAtItsDeadline, and goes on.
func TestADeletionAnswersAtItsDeadline(t *testing.T) {
	b := &tenantry{fake: newFake(), slow: make(chan struct{})}
	defer close(b.slow)
	ctx, cancel := context.WithTimeout(as(t, b, access.Admin), 400*time.Millisecond)
	defer cancel()
	answer, err := New(b).DeleteVrf(ctx, &v1.DeleteVrfRequest{Vrf: "vrf-red"})
	if err != nil || answer.GetGone() || !strings.Contains(answer.GetReason(), "under way") {
		t.Errorf("%v, %v", answer, err)
	}
	fast := &tenantry{fake: newFake(), fails: &vrf.Incomplete{Err: fmt.Errorf("3 routes stay")}}
	if answer, err := New(fast).DeleteVrf(as(t, fast, access.Admin), &v1.DeleteVrfRequest{Vrf: "vrf-red"}); err != nil || answer.GetGone() || answer.GetReason() != "3 routes stay" {
		t.Errorf("%v, %v", answer, err)
	}
}

// TestAudit has each call that changes something once, without passwords, and none that does not.
func TestAudit(t *testing.T) {
	client := v1.NewRedistributionClient(serve(t, newFake()))
	watch, err := client.WatchAudit(t.Context(), &v1.WatchAuditRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ApplyNeighbor(t.Context(), &v1.ApplyNeighborRequest{Neighbor: &v1.NeighborSpec{Address: "10.0.0.2", Vrf: "vrf-red", Password: "geheim"}, Owner: "me"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*v1.ApplyVrfRequest{{Vrf: &v1.VrfSpec{Name: "vrf-red"}, DryRun: true}, {}} {
		_, _ = client.ApplyVrf(t.Context(), r) // nothing, and a failure
	}
	if _, err := client.ListVrfs(t.Context(), &v1.ListVrfsRequest{}); err != nil {
		t.Fatal(err)
	}
	first, err := watch.Recv()
	if err != nil {
		t.Fatal(err)
	}
	second, err := watch.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if first.GetMethod() != "ApplyNeighbor" || first.GetVrf() != "vrf-red" || first.GetOutcome() != "OK" || first.GetWhat() != `neighbour 10.0.0.2; the whole; owner "me"` ||
		!strings.HasPrefix(first.GetCaller(), "uid ") || strings.Contains(first.String(), "geheim") {
		t.Errorf("%v", first)
	}
	if second.GetMethod() != "ApplyVrf" || second.GetOutcome() != "InvalidArgument" || second.GetNumber() != first.GetNumber()+1 || second.GetReason() == "" {
		t.Errorf("%v", second)
	}
	again, err := client.WatchAudit(t.Context(), &v1.WatchAuditRequest{After: first.GetNumber()})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := again.Recv(); err != nil || e.GetNumber() != second.GetNumber() {
		t.Errorf("after the first: %v, %v", e, err)
	}
}
