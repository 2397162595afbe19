package api

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	client := vrfredistv1.NewRedistributionClient(serve(t, newFake()))
	ask := func(r *vrfredistv1.PlanRequest) (items []*vrfredistv1.PlanItem, err error) {
		stream, err := client.Plan(t.Context(), r)
		if err != nil {
			return nil, err
		}
		for {
			i, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return items, nil
			}
			if err != nil {
				return items, err
			}
			items = append(items, i)
		}
	}
	items, err := ask(&vrfredistv1.PlanRequest{File: "good.toml", Content: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]*vrfredistv1.PlanItem{
		{Kind: "vrf", Op: "change", Vrf: "vrf-red", Text: "vrf-red (main)", Details: []string{"export.metric: 20 -> 30"}, Notes: []string{"n"}},
		{Kind: "route", Op: "add", Vrf: "vrf-red", Text: "10.0.0.0/8 dev eth0", Prefix: "10.0.0.0/8", Where: "netns red"},
		{Kind: "summary", Counts: &vrfredistv1.PlanCounts{Added: 1, Vrfs: 1}},
	}, items, protocmp.Transform()); d != "" {
		t.Errorf("the plan (-want +got)\n%s", d)
	}
	for _, tc := range []struct {
		request *vrfredistv1.PlanRequest
		code    codes.Code
		says    string
	}{
		{&vrfredistv1.PlanRequest{Content: []byte("x")}, codes.InvalidArgument, "file"},
		{&vrfredistv1.PlanRequest{File: "a.toml"}, codes.InvalidArgument, "content"},
		{&vrfredistv1.PlanRequest{File: "a.toml", Content: []byte("x"), Lines: -2}, codes.InvalidArgument, "lines"},
		{&vrfredistv1.PlanRequest{File: "bad.toml", Content: []byte("x")}, codes.FailedPrecondition, "bad.toml:3: no"},
		{&vrfredistv1.PlanRequest{File: "busy.toml", Content: []byte("x")}, codes.ResourceExhausted, "another plan"},
	} {
		_, err := ask(tc.request)
		wantCode(t, err, tc.code, tc.says)
	}
}

// A reload that waits to be confirmed is told of, until it is.
func TestConfirm(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.reload = func() ([]string, error) { return []string{"one"}, nil }
	client := vrfredistv1.NewRedistributionClient(serve(t, f))
	_, err := client.Confirm(t.Context(), &vrfredistv1.ConfirmRequest{})
	wantCode(t, err, codes.FailedPrecondition, "no reload waits")
	_, err = client.Reload(t.Context(), &vrfredistv1.ReloadRequest{ConfirmSeconds: 1 << 31})
	wantCode(t, err, codes.InvalidArgument, "confirm_seconds", "a day")
	r, err := client.Reload(t.Context(), &vrfredistv1.ReloadRequest{ConfirmSeconds: 60})
	if err != nil || r.GetRollbackUnix() == 0 || len(r.GetChanges()) != 1 {
		t.Errorf("the reload: %v, %v", r, err)
	}
	list, err := client.ListVrfs(t.Context(), &vrfredistv1.ListVrfsRequest{})
	if u := list.GetUnconfirmed(); err != nil || u.GetLeftSeconds() < 50 || u.GetLeftSeconds() > 60 || u.GetRollbackUnix() != r.GetRollbackUnix() {
		t.Errorf("while it waits: %v, %v", u, err)
	}
	watch, err := client.WatchVrfs(t.Context(), &vrfredistv1.WatchVrfsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := watch.Recv(); err != nil || m.GetUnconfirmed().GetRollbackUnix() == 0 || m.GetVrf() != nil {
		t.Errorf("the first word of a watch: %v, %v", m, err)
	}
	if _, err := client.Confirm(t.Context(), &vrfredistv1.ConfirmRequest{}); err != nil {
		t.Error(err)
	}
	f.set("default", func(*vrf.Status) {}) // wakes the watch
	for {
		m, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if u := m.GetUnconfirmed(); u != nil {
			if u.GetRollbackUnix() != 0 {
				t.Errorf("after it was confirmed: %v", u)
			}
			break
		}
	}
	if one, err := client.GetVrf(t.Context(), &vrfredistv1.GetVrfRequest{Vrf: "vrf-red"}); err != nil || one.GetUnconfirmed() != nil {
		t.Errorf("after it was confirmed: %v, %v", one.GetUnconfirmed(), err)
	}
}
