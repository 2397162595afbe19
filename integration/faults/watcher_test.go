package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// client is a client of the daemon, on a connection of its own. What it does not read
// the daemon keeps: its window is the smallest that gRPC allows, and does not grow.
func (w *network) client() vrfredistv1.RedistributionClient {
	w.T.Helper()
	const least = 1<<16 - 1
	conn, err := grpc.NewClient(w.daemon.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(least), grpc.WithStaticConnWindowSize(least))
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { conn.Close() })
	return vrfredistv1.NewRedistributionClient(conn)
}

// serving counts the goroutines with which the daemon answers calls. The connections,
// which stay, have some of their own.
func (w *network) serving() (n int) {
	w.T.Helper()
	for f, count := range w.daemon.Goroutines().Ours {
		if strings.Contains(f, "/vrfredist/api.") && !strings.Contains(f, "(*connection)") {
			n += count
		}
	}
	return n
}

// Clients watch what happens to each route, stop reading, and lose the stream, while
// routes come and go without end: routing goes on, and so do other clients.
func TestFault37SlowWatcher(t *testing.T) {
	const watchers, churning, patience = 5, 1000, 10 * time.Second // the API's patience
	w := newNetwork(t, routes)
	w.daemon = w.rtr.Daemon(exporting(), lab.Profiled...)
	w.wait(all(routes), all(routes6))
	idle, before := w.serving(), w.memory()
	began := time.Now()
	streams := make([]grpc.ServerStreamingClient[vrfredistv1.WatchVrfsResponse], watchers)
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit())
	defer cancel()
	for i := range streams {
		var err error
		if streams[i], err = w.client().WatchVrfs(ctx, &vrfredistv1.WatchVrfsRequest{Routes: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := streams[i].Recv(); err != nil { // it is under way
			t.Fatal(err)
		}
	}
	if n := w.serving(); n < idle+watchers {
		t.Fatalf("%d watchers, and %d goroutines that serve: counting them proves nothing", watchers, n-idle)
	}
	var slowest time.Duration
	changes := 0
	for w.serving() > idle {
		if time.Since(began) > limit() {
			t.Fatalf("%d of %d watchers that do not read are not dropped after %s and %d changes", w.serving()-idle, watchers, limit(), changes)
		}
		for _, four := range [][]int{all(routes)[churning:], all(routes)} {
			at := time.Now()
			w.resend(four, all(routes6))
			w.oracle.Wait(lab.Main, model(four, all(routes6)), limit())
			slowest = max(slowest, time.Since(at))
			changes += churning
		}
	}
	took := time.Since(began)
	if took < patience {
		t.Errorf("the watchers were dropped after %s, before they were slow", took)
	}
	w.atRest(routes + routes6)
	grown := w.memory() - before
	if grown > 1<<28 {
		t.Errorf("the daemon grew by %d MiB", grown>>20)
	}
	for i, stream := range streams {
		var err error
		for err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "did not read") {
			t.Errorf("watcher %d hears, when it reads at last: %v", i, err)
		}
	}
	measured(t, "%d watchers of single routes that do not read: dropped %s after they began, and told so; meanwhile %d changes of routes, %d in the kernel after %s at the latest; memory %+d MiB",
		watchers, round(took), changes, churning, round(slowest), grown>>20)
}

// A client asks for all routes and never reads the answer: routing goes on, and so do
// other clients.
func TestFault37ListsNobodyReads(t *testing.T) {
	w := installed(t, routes)
	client, before := w.client(), w.memory()
	const watchers = 20
	var streams []grpc.ServerStreamingClient[vrfredistv1.Route]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range watchers {
		stream, err := client.ListRoutes(ctx, &vrfredistv1.ListRoutesRequest{Direction: vrfredistv1.Direction_DIRECTION_EXPORT})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil { // it is under way
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	began := time.Now()
	w.resend(all(routes)[100:], all(routes6))
	w.oracle.Wait(lab.Main, model(all(routes)[100:], all(routes6)), limit())
	took := time.Since(began)
	w.atRest(routes + routes6 - 100)
	grown := w.memory() - before
	if grown > 1<<30 {
		t.Errorf("the daemon grew by %d MiB", grown>>20)
	}
	// Each still gets its whole answer, when it reads at last.
	for _, stream := range streams {
		var err error
		n := 1
		for ; err == nil; n++ {
			_, err = stream.Recv()
		}
		if n--; !errors.Is(err, io.EOF) || n < routes+routes6-100 {
			t.Errorf("a client that read late got %d routes: %v", n, err)
		}
	}
	measured(t, "%d clients that do not read: 100 withdrawals in the kernel after %s, other clients served, memory %s", watchers, round(took), fmt.Sprintf("%+d MiB", grown>>20))
}
