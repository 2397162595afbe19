package pe_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// pinger sends ten packets a second from one namespace, and counts those without an answer.
type pinger struct {
	sent, lost atomic.Int64
	stop       chan struct{}
	done       sync.WaitGroup
}

func ping(from *lab.Namespace, to string) *pinger {
	p := &pinger{stop: make(chan struct{})}
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
	return p
}

// end ends it, and fails the test where a packet was lost.
func (p *pinger) end(t *testing.T, what string) {
	t.Helper()
	close(p.stop)
	p.done.Wait()
	if n := p.lost.Load(); n > 0 {
		t.Errorf("%s: %d of %d packets were lost", what, n, p.sent.Load())
	}
}

// TestCrash: a PE's daemon is killed and away for 15 seconds; of ten packets a second each way, in
// both families, none is lost. It comes back with the same VNI and MAC address, and writes nothing
// that stands.
func TestCrash(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.pes[0], m.pes[1]
	m.reach("red", one, two)
	m.reach("red", two, one)
	mac := one.mac(t, "red")
	pingers := map[string]*pinger{
		"out, IPv4": ping(one.hosts["red"], host(2, false)), "in, IPv4": ping(two.hosts["red"], host(1, false)),
		"out, IPv6": ping(one.hosts["red"], host(2, true)), "in, IPv6": ping(two.hosts["red"], host(1, true)),
	}
	one.daemon.Kill()
	away := pingers["out, IPv4"].sent.Load() + 150
	lab.WaitFor(t, "15 seconds have passed", time.Minute, func() string {
		if pingers["out, IPv4"].sent.Load() < away {
			return "not yet"
		}
		return ""
	})
	mark := one.tenants["red"].Mark()
	one.daemon.Start()
	lab.WaitFor(t, "the VRF is ready again", lab.Patience, func() string {
		var vrfs struct {
			Vrfs []struct{ Name, State, Reason string }
		}
		one.daemon.JSON(&vrfs, "vrf")
		for _, v := range vrfs.Vrfs {
			if v.State != "ready" {
				return v.Name + " is " + v.State + ": " + v.Reason
			}
		}
		return ""
	})
	after := pingers["out, IPv4"].sent.Load() + 50
	lab.WaitFor(t, "five seconds more have passed", time.Minute, func() string {
		if pingers["out, IPv4"].sent.Load() < after {
			return "not yet"
		}
		return ""
	})
	for what, p := range pingers {
		p.end(t, what)
	}
	for _, ev := range one.tenants["red"].Since(mark) {
		t.Errorf("after the restart: %v", ev)
	}
	lab.Equal(t, "the MAC address", mac, one.mac(t, "red"))
	m.reach("blue", one, two)
}
