package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"
)

// attend tells the service manager how the VRFs fare until ctx ends, and has the daemon
// watched where the manager asks for that: while all probes answer it is alive.
func (m *manager) attend(ctx context.Context, vrfs faring, probes ...probe) {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn("the watchdog of the service manager is not fed", "err", err)
		interval = 0
	}
	var beside sync.WaitGroup
	if interval > 0 {
		beside.Go(func() { m.watchdog(ctx, interval, probes...) })
	}
	m.report(ctx, vrfs)
	beside.Wait()
}

// probe is a part of the daemon whose answer shows that it is not stuck.
type probe struct {
	name   string
	answer func(context.Context) error
}

// watchdog tells the manager that the daemon is alive, three times in every
// interval, for as long as all parts answer within such a third. It ends with
// ctx, and does not wait for a part that is stuck: there is no way to end that.
func (m *manager) watchdog(ctx context.Context, interval time.Duration, probes ...probe) {
	every := interval / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	var asked chan error // nil: nobody is being asked
	late := false
	for {
		if asked == nil {
			asked = make(chan error, 1)
			go func() { asked <- ask(ctx, probes) }()
		}
		select {
		case <-ctx.Done():
			return
		case err := <-asked:
			asked = nil
			switch {
			case err == nil:
				late = false
				m.alive()
			case ctx.Err() == nil:
				m.log.Warn("a part of the daemon does not answer", "err", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		case <-tick.C:
			if !late {
				late = true
				m.log.Warn("a part of the daemon does not answer; the service manager restarts it unless that does", "watchdog", interval)
			}
		}
	}
}

// ask waits until all probes have answered.
func ask(ctx context.Context, probes []probe) error {
	var all errgroup.Group
	for _, p := range probes {
		all.Go(func() error {
			if err := p.answer(ctx); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return all.Wait()
}

// ping has a loop answer.
func ping(ctx context.Context, loop chan<- chan struct{}) error {
	answer := make(chan struct{})
	select {
	case loop <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
