package frrpe_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// pinger sends ten packets a second from one namespace, and counts those without an answer.
type pinger struct {
	what       string
	sent, lost atomic.Int64
	stop       chan struct{}
	done       sync.WaitGroup
}

func ping(from *lab.Namespace, to string) *pinger {
	p := &pinger{what: from.Role + " to " + to, stop: make(chan struct{})}
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

// pingers are those between the hosts of a tenant, both ways and in both families.
func (n *network) pingers(name string) (all []*pinger) {
	for _, six := range []bool{false, true} {
		all = append(all, ping(n.ours.tenants[name].host, host(2, six)), ping(n.frr.tenants[name].host, host(1, six)))
	}
	return all
}

// wait waits until so many packets more were sent.
func (p *pinger) wait(t testing.TB, packets int64) {
	t.Helper()
	until := p.sent.Load() + packets
	lab.WaitFor(t, fmt.Sprintf("%s: %d packets", p.what, packets), time.Duration(packets)*time.Second, func() string {
		if sent := p.sent.Load(); sent < until {
			return fmt.Sprint(until-sent, " are to be sent")
		}
		return ""
	})
}

// end ends it, and returns how many packets were lost.
func (p *pinger) end() int64 {
	close(p.stop)
	p.done.Wait()
	return p.lost.Load()
}

// endWhole ends it, and fails the test where a packet was lost.
func (p *pinger) endWhole(t testing.TB) {
	t.Helper()
	if lost := p.end(); lost > 0 {
		t.Errorf("%s: %d of %d packets were lost", p.what, lost, p.sent.Load())
	}
}
