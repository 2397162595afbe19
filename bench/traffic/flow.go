// Package traffic sends packets through a router at a steady rate, and sees which of them
// pass a link: so that those that a change of routes costs can be counted, and told from
// those that were on a wire when it broke.
package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// port is the UDP port of the packets.
const port = 4242

// Flow is packets on their way: numbered from 0 on, each to the next of its targets.
type Flow struct {
	fd    int
	sent  atomic.Int64
	stop  chan struct{}
	parts sync.WaitGroup
	err   error // of sending; read after parts
}

// Enter runs a function in a network namespace.
type Enter func(func() error) error

// Send starts to send UDP packets out of a namespace, so many a second.
func Send(enter Enter, targets []netip.Addr, perSecond int) (*Flow, error) {
	f := &Flow{stop: make(chan struct{})}
	err := enter(func() (err error) {
		f.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a socket to send from: %w", err)
	}
	f.parts.Go(func() { f.err = f.send(targets, time.Second/time.Duration(perSecond)) })
	return f, nil
}

func (f *Flow) send(targets []netip.Addr, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	for n := int64(0); ; n++ {
		// A sender that was kept off the processor makes up for it.
		for time.Since(began) < time.Duration(n)*every {
			select {
			case <-f.stop:
				return nil
			case <-tick.C:
			}
		}
		to := unix.SockaddrInet4{Port: port, Addr: targets[int(n)%len(targets)].As4()}
		if err := unix.Sendto(f.fd, binary.BigEndian.AppendUint64(nil, uint64(n)), 0, &to); err != nil {
			return fmt.Errorf("send packet %d to %v: %w", n, targets[int(n)%len(targets)], err)
		}
		f.sent.Add(1)
	}
}

// Sent is how many packets were sent so far.
func (f *Flow) Sent() int { return int(f.sent.Load()) }

// Stop ends the flow, and returns how many packets were sent.
func (f *Flow) Stop() (int, error) {
	close(f.stop)
	f.parts.Wait()
	return f.Sent(), errors.Join(f.err, unix.Close(f.fd))
}
