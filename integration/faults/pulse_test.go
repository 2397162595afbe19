package faults_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// pulse sends ten packets a second on each of some ways, and counts those without an answer.
type pulse struct {
	stop       chan struct{}
	done       sync.WaitGroup
	sent, lost atomic.Int64
}

func newPulse() *pulse { return &pulse{stop: make(chan struct{})} }

// between adds a way.
func (p *pulse) between(from *lab.Namespace, to string) {
	p.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			p.sent.Add(1)
			if from.Ping("", to) != nil {
				p.lost.Add(1)
			}
		}
	})
}

// lasts waits until so much time has passed, in which packets went on being sent.
func (p *pulse) lasts(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	began, sent := time.Now(), p.sent.Load()
	lab.WaitFor(t, "the time has passed", d+lab.Patience, func() string {
		if left := d - time.Since(began); left > 0 || p.sent.Load() == sent {
			return left.String() + " are left"
		}
		return ""
	})
	return time.Since(began)
}

// end ends it.
func (p *pulse) end() (sent, lost int) {
	close(p.stop)
	p.done.Wait()
	return int(p.sent.Load()), int(p.lost.Load())
}

// waitReady waits until a VRF of a PE is.
func (pe *edge) waitReady(t *testing.T, vrf string) {
	t.Helper()
	lab.WaitFor(t, vrf+" is ready", limit(), func() string {
		var list struct {
			Vrfs []struct{ Name, State, Reason string }
		}
		pe.daemon.JSON(&list, "vrf")
		for _, v := range list.Vrfs {
			if v.Name == vrf && v.State == "ready" {
				return ""
			}
		}
		return pe.daemon.Do("vrf")
	})
}
