package faults_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// quarrel is what goes wrong at the API while tenants come and go: requests that say what cannot be, and
// two programs that change one VRF, each by what it read of it.
type quarrel struct {
	api        *client.Client
	generation uint64 // of the VRF
	metric     uint32
	refused    int
}

// quarrelled is the name of the VRF that two programs change.
const quarrelled = "quarrelled"

func newQuarrel(t *testing.T, api *client.Client) *quarrel {
	t.Helper()
	q := &quarrel{api: api, metric: 100}
	answer, err := q.apply(t.Context(), 0, q.metric)
	if err != nil {
		t.Fatal(err)
	}
	q.generation = answer.GetGeneration()
	return q
}

func (q *quarrel) apply(ctx context.Context, generation uint64, metric uint32) (*vrfredistv1.ApplyVrfResponse, error) {
	enabled := true
	return q.api.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Generation: &generation, Vrf: &vrfredistv1.VrfSpec{
		Name: quarrelled, Rd: "65000:9999", BothRtList: []string{"65000:9999"}, Table: 9999,
		Export: &vrfredistv1.ExportSpec{Enabled: &enabled, Metric: &metric},
	}})
}

// turn makes all of these requests at once, and says what was answered otherwise than it should be.
func (q *quarrel) turn(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(badRequests)+1)
	for i, bad := range badRequests {
		all.Go(func() {
			_, err := q.api.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Vrf: bad.vrf})
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), bad.why) {
				errs[i] = fmt.Errorf("what cannot be was answered by %w; want InvalidArgument, %s", err, bad.why)
			}
		})
	}
	all.Go(func() { errs[len(badRequests)] = q.two(ctx) })
	all.Wait()
	q.refused += len(badRequests) + 1
	return errors.Join(errs...)
}

// badRequests say what cannot be.
var badRequests = []struct {
	vrf *vrfredistv1.VrfSpec
	why string // the field first
}{
	{&vrfredistv1.VrfSpec{Name: "bad-rd", Rd: "no RD", BothRtList: []string{"65000:9998"}, Table: 9998}, "rd: "},
	{&vrfredistv1.VrfSpec{Name: "bad-same", Rd: "65000:9999", BothRtList: []string{"65000:9998"}, Table: 9998}, "rd: "},
	{&vrfredistv1.VrfSpec{Name: "bad-table", Rd: "65000:9998", BothRtList: []string{"65000:9998"}, Table: 9999}, "table"},
}

// two has two programs change the VRF by what both read of it: one of them does, and the other one is
// told that it changed.
func (q *quarrel) two(ctx context.Context) error {
	var both sync.WaitGroup
	var answers [2]*vrfredistv1.ApplyVrfResponse
	var errs [2]error
	for i := range errs {
		both.Go(func() { answers[i], errs[i] = q.apply(ctx, q.generation, q.metric+uint32(i)+1) })
	}
	both.Wait()
	won := 0
	if errs[0] != nil {
		won = 1
	}
	if errs[won] != nil || status.Code(errs[1-won]) != codes.Aborted {
		return fmt.Errorf("two who change generation %d at once were answered by %s and %s; want one Aborted", q.generation, status.Convert(errs[0]), status.Convert(errs[1]))
	}
	q.generation, q.metric = answers[won].GetGeneration(), q.metric+uint32(won)+1
	is, err := q.api.GetConfig(ctx, &vrfredistv1.GetConfigRequest{Vrf: quarrelled})
	if err == nil && !strings.Contains(is.String(), fmt.Sprint(q.metric)) {
		err = fmt.Errorf("the metric of who was not refused is %d, and in force is %s", q.metric, is)
	}
	return err
}

// end takes the VRF away, and returns how many requests were refused.
func (q *quarrel) end(t *testing.T) int {
	t.Helper()
	if answer, err := q.api.DeleteVrf(t.Context(), &vrfredistv1.DeleteVrfRequest{Vrf: quarrelled}); err != nil || !answer.GetGone() {
		t.Fatalf("it is not gone: %v, %v", answer, err)
	}
	return q.refused
}
