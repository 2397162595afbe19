package daemon

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestWhatEndsTheDaemonIsNotLost: reloads that wait to be done keep no SIGTERM and
// no SIGINT out.
func TestWhatEndsTheDaemonIsNotLost(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := heedSignals()
		for range 3 {
			kill(t, syscall.SIGHUP)
			waitFor(t, "the reload is due", func() bool { return len(s.reload) == 1 })
		}
		kill(t, end)
		select {
		case got := <-s.end:
			if got != end {
				t.Errorf("sent %v, got %v", end, got)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%v was lost", end)
		}
		s.letGo()
		<-s.reload
		kill(t, syscall.SIGHUP) // which would end this process
		waitFor(t, "a reload is asked for after the end", func() bool { return len(s.reload) == 1 })
		signal.Stop(s.reload)
	}
}

func kill(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
