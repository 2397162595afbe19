package api

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// told renders a message in one line.
func told(m *v1.WatchVrfsResponse) string {
	s := fmt.Sprintf("%s %s->%s", m.GetVrf().GetName(), m.GetWas(), m.GetVrf().GetState())
	if a := m.GetActivity(); a != nil {
		s += fmt.Sprintf(" +%d -%d", a.GetAdded(), a.GetDeleted())
	}
	if m.GetGone() {
		s += " gone"
	}
	return s
}

func TestWatchVrfs(t *testing.T) {
	f := newFake()
	server := New(f)
	server.watches.pace = pace{look: time.Millisecond, activity: 50 * time.Millisecond, patience: time.Minute}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := v1.NewRedistributionClient(serveServer(t, server, nil)).WatchVrfs(ctx, &v1.WatchVrfsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if got := told(m); got != line {
				t.Errorf("got %q, want %q", got, line)
			}
		}
	}
	want("default ->ready", "vrf-red ->degraded")
	f.set("vrf-red", func(st *vrf.Status) { st.State, st.Reason = vrf.Ready, "" })
	want("vrf-red degraded->ready")
	f.set("vrf-red", func(st *vrf.Status) { st.Totals.Writes[rib.IPv4].Added = 5 })
	want("vrf-red ready->ready +5 -0")
	f.set("vrf-red", func(st *vrf.Status) { st.State, st.Reason, st.Totals.Writes[rib.IPv6].Deleted = vrf.Failed, "why", 2 })
	want("vrf-red ready->failed +0 -2")
	f.set("vrf-new", func(st *vrf.Status) { st.State = vrf.Pending })
	want("vrf-new ->pending")
	f.set("vrf-new", nil)
	want("vrf-new pending-> gone")
}

func TestWatchOneVRF(t *testing.T) {
	f := newFake()
	client := v1.NewRedistributionClient(serve(t, f))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := client.WatchVrfs(ctx, &v1.WatchVrfsRequest{Vrf: "vrf-red"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || told(m) != "vrf-red ->degraded" {
		t.Fatalf("%v, %v", m, err)
	}
	f.set("default", func(st *vrf.Status) { st.State = vrf.Failed })
	f.set("vrf-red", func(st *vrf.Status) { st.State = vrf.Failed })
	if m, err := stream.Recv(); err != nil || told(m) != "vrf-red degraded->failed" {
		t.Fatalf("%v, %v", m, err)
	}
	none, err := client.WatchVrfs(ctx, &v1.WatchVrfsRequest{Vrf: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = none.Recv()
	wantCode(t, err, codes.NotFound, "nobody")
}

// What happens often is told once in a while, with its sum.
func TestActivityIsSummedUp(t *testing.T) {
	w := watcher{every: time.Second, seen: make(map[string]sight)}
	st := vrf.Status{Spec: vrf.Spec{Name: "red"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}
	start := time.Unix(1000, 0)
	w.look([]vrf.Status{st}, start)
	for i := range 9 {
		st.Totals.Writes[rib.IPv4].Added++
		st.Totals.Resyncs[rib.ResyncLink]++
		messages, again := w.look([]vrf.Status{st}, start.Add(time.Duration(i)*100*time.Millisecond))
		if len(messages) != 0 || again != time.Second-time.Duration(i)*100*time.Millisecond {
			t.Fatalf("look %d: %v, again in %v", i, messages, again)
		}
	}
	messages, again := w.look([]vrf.Status{st}, start.Add(time.Second))
	if len(messages) != 1 || messages[0].GetActivity().GetAdded() != 9 || messages[0].GetActivity().GetResyncs() != 9 || messages[0].GetChanged() || again != 0 {
		t.Errorf("%v, again in %v", messages, again)
	}
	st.Totals = vrf.Totals{Writes: rib.ByFamily[vrf.Writes]{{Added: 2}}}
	messages, _ = w.look([]vrf.Status{st}, start.Add(3*time.Second))
	if messages[0].GetActivity().GetAdded() != 2 {
		t.Errorf("counted from zero again: %v", messages)
	}
}

// A watcher that does not read is dropped, and holds nobody up meanwhile.
func TestASlowWatcherIsDropped(t *testing.T) {
	f := newFake()
	server := New(f)
	server.watches.pace = pace{look: time.Microsecond, activity: time.Microsecond, patience: 200 * time.Millisecond}
	dropped, ended := make(chan error, 2), make(chan error, 1)
	client := v1.NewRedistributionClient(serveServer(t, server, func(handle grpc.StreamHandler) grpc.StreamHandler {
		return func(srv any, stream grpc.ServerStream) error {
			err := handle(srv, stream)
			dropped <- err
			return err
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	slow, err := client.WatchVrfs(ctx, &v1.WatchVrfsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	brisk, err := client.WatchVrfs(ctx, &v1.WatchVrfsRequest{Vrf: "vrf-red"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if m, err := brisk.Recv(); err != nil || m.GetVrf().GetReason() == "the end" {
				ended <- err
				return
			}
		}
	}()
	reason := string(make([]byte, 8<<10)) // flow control holds 64 KiB back
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i, read := 0, false; !read; i++ {
		select {
		case err := <-dropped:
			wantCode(t, err, codes.ResourceExhausted, "did not read")
			read = true
		case <-tick.C:
			f.set("default", func(st *vrf.Status) { st.Reason = fmt.Sprint(i, reason) })
		case <-ctx.Done():
			t.Fatal("the slow watcher is not dropped")
		}
	}
	f.set("vrf-red", func(st *vrf.Status) { st.Reason = "the end" })
	if err := <-ended; err != nil {
		t.Errorf("the other watcher: %v", err)
	}
	for err == nil {
		_, err = slow.Recv()
	}
	wantCode(t, err, codes.ResourceExhausted, "did not read")
}
