package routeradvert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

const (
	// interval is between two advertisements, lifetime how long one counts: FRR's values
	// for unnumbered neighbours (BGP_UNNUM_DEFAULT_RA_INTERVAL; three intervals).
	interval = 10 * time.Second
	lifetime = 30 * time.Second
	// The first advertisements follow each other sooner (RFC 4861, 6.2.4).
	initialInterval = time.Second
	initialOnes     = 3
	// mostDelay is how long an answer to a solicitation is put off, and leastGap how long
	// no other one follows (MAX_RA_DELAY_TIME, MIN_DELAY_BETWEEN_RAS: RFC 4861, 10).
	mostDelay = 500 * time.Millisecond
	leastGap  = 3 * time.Second
	// probing is how long another program of this host has to answer our solicitation.
	probing = time.Second
	// others is how long we are quiet after another program's advertisement: longer than
	// the longest interval that RFC 4861, 6.2.1 allows.
	others = 1800*time.Second + interval
	// again is when a link that cannot be used is tried again.
	again = time.Second
)

var (
	allNodes   = netip.MustParseAddr("ff02::1")
	allRouters = netip.MustParseAddr("ff02::2")
)

// link is one interface and the goroutine that advertises on it.
type link struct {
	device string
	log    *slog.Logger
	said   string // the reason why it cannot advertise that was logged last
}

func newLink(device string, log *slog.Logger) *link {
	return &link{device: device, log: log.With("interface", device)}
}

// start runs the link's goroutine. The function that it returns ends and joins it.
func (l *link) start(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	return func() { cancel(); <-done }
}

// run advertises whenever the interface can be used, until ctx ends.
func (l *link) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.live(ctx); err != nil && ctx.Err() == nil {
			l.say(err.Error())
		}
		sleep(ctx, again)
	}
}

// say logs why nothing is advertised, once as long as it stays so.
func (l *link) say(why string) {
	if l.said != why {
		l.said = why
		l.log.Warn("no router advertisements are sent on the interface; it is tried again", "reason", why)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// live lives through one life of the interface.
func (l *link) live(ctx context.Context) error {
	device, err := net.InterfaceByName(l.device)
	if err != nil {
		return fmt.Errorf("the interface %s is not there", l.device)
	}
	conn, own, err := listen(device)
	if err != nil {
		return err
	}
	r := newReceiver(conn, own)
	defer r.close()
	s := &sender{conn: conn, mac: device.HardwareAddr}
	if err := s.solicit(); err != nil {
		return err
	}
	l.said = ""
	return l.serve(ctx, r, s)
}

// serve advertises at intervals and when it is asked, until ctx ends or the interface cannot
// be used. At its end it takes the advertisements back.
func (l *link) serve(ctx context.Context, r *receiver, s *sender) (err error) {
	sent, last := 0, time.Time{}
	quiet := time.Time{}
	next := time.NewTimer(probing)
	defer next.Stop()
	defer func() {
		if sent > 0 && time.Now().After(quiet) {
			err = errors.Join(err, s.advertise(allNodes, 0))
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-r.failed:
			return err
		case <-r.others:
			if time.Now().After(quiet) {
				l.log.Info("another program of this host sends router advertisements on the interface: ours are not needed")
			}
			quiet = time.Now().Add(others)
		case <-r.asked:
			if wait := rand.N(mostDelay); time.Since(last) > leastGap { // else the one before was heard
				next.Reset(wait)
			}
		case <-next.C:
			if time.Now().After(quiet) {
				if err := s.advertise(allNodes, lifetime); err != nil {
					return err
				}
				sent, last = sent+1, time.Now()
			}
			if next.Reset(interval); sent < initialOnes {
				next.Reset(initialInterval)
			}
		}
	}
}
