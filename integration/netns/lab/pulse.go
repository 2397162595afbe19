package lab

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Pulse sends ten packets a second on each of some ways, and counts those without an answer.
type Pulse struct {
	t    testing.TB
	stop chan struct{}
	done sync.WaitGroup
	ways []*pulseWay
}

type pulseWay struct {
	what       string
	sent, lost atomic.Int64
	first      sync.Once
	why        string // the first one was lost, and when it was sent
}

// lateAnswer is how long the answer to a packet of a Pulse is waited for. One that comes late, on a
// machine whose processors are emulated or busy, was not lost.
const lateAnswer = 5 * time.Second

// Pulse returns one without a way. It ends with the test.
func (l *Lab) Pulse() *Pulse {
	p := &Pulse{t: l.T, stop: make(chan struct{})}
	l.T.Cleanup(p.end)
	return p
}

// Between adds the way from a namespace to an address.
func (p *Pulse) Between(from *Namespace, to string) {
	w := &pulseWay{what: from.Role + " to " + to}
	p.ways = append(p.ways, w)
	p.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			w.sent.Add(1)
			p.done.Go(func() { // the next one does not wait for its answer
				at := time.Now()
				if err := from.ping("", to, lateAnswer); err != nil {
					w.first.Do(func() { w.why = fmt.Sprintf("sent at %s: %v", at.UTC().Format("15:04:05.000"), err) })
					w.lost.Add(1)
				}
			})
		}
	})
}

// Lasts waits until so much time has passed, in which packets went on being sent, and returns how
// much it was.
func (p *Pulse) Lasts(d time.Duration) time.Duration {
	p.t.Helper()
	began, before := time.Now(), p.sent()
	WaitFor(p.t, "packets are sent for a while", d+Patience, func() string {
		if left := d - time.Since(began); left > 0 || p.sent() == before {
			return fmt.Sprintf("%v are left, %d packets were sent", left, p.sent()-before)
		}
		return ""
	})
	return time.Since(began)
}

func (p *Pulse) sent() (n int64) {
	for _, w := range p.ways {
		n += w.sent.Load()
	}
	return n
}

func (p *Pulse) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.done.Wait()
}

// End ends it, and returns how many packets were sent and how many lost.
func (p *Pulse) End() (sent, lost int) {
	p.end()
	for _, w := range p.ways {
		lost += int(w.lost.Load())
	}
	return int(p.sent()), lost
}

// EndWhole ends it, and fails the test where a packet was lost.
func (p *Pulse) EndWhole() (sent int) {
	p.t.Helper()
	p.end()
	for _, w := range p.ways {
		if lost := w.lost.Load(); lost > 0 {
			p.t.Errorf("%s: %d of %d packets were lost, the first one %s", w.what, lost, w.sent.Load(), w.why)
		}
	}
	return int(p.sent())
}
