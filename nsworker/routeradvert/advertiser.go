package routeradvert

import (
	"context"
	"log/slog"
	"sync"
)

// Advertiser advertises on a set of links of the daemon's own namespace. Set may be called at
// any time, by several goroutines.
type Advertiser struct {
	log     *slog.Logger
	changed chan struct{} // signalled when wanted changed

	mu     sync.Mutex
	wanted map[string]struct{} // guarded by mu; interfaces by name
}

// New returns an Advertiser with no links.
func New(log *slog.Logger) *Advertiser {
	return &Advertiser{log: log, changed: make(chan struct{}, 1), wanted: make(map[string]struct{})}
}

// Set brings the links to these interfaces. One that is not there is waited for.
func (a *Advertiser) Set(devices []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = make(map[string]struct{}, len(devices))
	for _, d := range devices {
		a.wanted[d] = struct{}{}
	}
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// Run advertises until ctx ends, which is no error, and then takes the advertisements back. It
// is called once.
func (a *Advertiser) Run(ctx context.Context) error {
	running := make(map[string]func())
	defer func() { a.arrange(ctx, running, nil) }()
	for {
		a.mu.Lock()
		wanted := a.wanted
		a.mu.Unlock()
		a.arrange(ctx, running, wanted)
		select {
		case <-ctx.Done():
			return nil
		case <-a.changed:
		}
	}
}

// arrange starts the links that are wanted, and ends and joins the others.
func (a *Advertiser) arrange(ctx context.Context, running map[string]func(), wanted map[string]struct{}) {
	var leaving []func()
	for device, end := range running {
		if _, stays := wanted[device]; !stays {
			delete(running, device)
			leaving = append(leaving, end)
		}
	}
	var all sync.WaitGroup
	for _, end := range leaving {
		all.Go(end)
	}
	all.Wait()
	for device := range wanted {
		if running[device] == nil {
			running[device] = newLink(device, a.log).start(ctx)
		}
	}
}
