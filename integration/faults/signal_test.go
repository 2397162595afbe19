package faults_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A daemon ends by SIGTERM and by SIGINT, in good order, however many reloads are
// asked for before and after; and while it starts.
func TestFault51SignalStorm(t *testing.T) {
	w := newNetwork(t, 1000)
	w.daemon = w.rtr.Daemon(exporting(`on_exit = "remove"`))
	w.wait(all(1000), all(routes6))
	ends := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	var longest time.Duration
	rounds := scaled(4, 20)
	for i := range rounds {
		if i > 0 {
			w.daemon.Start()
		}
		longest = max(longest, w.storm(ends[i%2]))
		lab.Equal(t, "what is left of the daemon's routes", 0, len(w.rtr.OwnEverywhere()))
	}
	for i := range rounds {
		socket := filepath.Join(w.Dir, "api.sock")
		if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		w.daemon.Launch()
		if i >= rounds/2 { // the others from the first moment on
			lab.WaitFor(t, "BGP has started", limit(), func() string {
				if _, err := os.Stat(socket); err != nil {
					return err.Error()
				}
				return ""
			})
		}
		began := time.Now()
		w.daemon.Signal(ends[i%2])
		_ = w.daemon.Wait(limit()) // before its first line it ends by the signal itself
		if w.daemon.Running() {
			t.Errorf("a start does not end by %v", ends[i%2])
		}
		longest = max(longest, time.Since(began))
	}
	promised(t, "ended each time; the longest", longest, 10*time.Second)
}

// storm sends SIGHUPs to the daemon without an end, and one signal that ends it
// between them, and waits for its end.
func (w *network) storm(end os.Signal) time.Duration {
	w.T.Helper()
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- w.daemon.Wait(limit()) }()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		sig := os.Signal(syscall.SIGHUP)
		if i == 20 {
			sig = end
		}
		_ = w.daemon.TrySignal(sig) // it may have ended
		select {
		case err := <-ended:
			if err != nil {
				w.T.Errorf("it did not end well by %v: %v", end, err)
			}
			return time.Since(began)
		case <-tick.C:
		}
	}
}
