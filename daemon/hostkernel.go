package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// hostKernel gives the workers a kernel.Host as the interface they declare.
type hostKernel struct {
	*kernel.Host
	prepare func(netns string) // is told of each namespace in which a table was opened
}

func (h hostKernel) Open(ctx context.Context, b rib.Binding, protocol uint8) (nsworker.Table, error) {
	c, err := h.Own(ctx, b, protocol)
	if err != nil {
		return nil, err // a nil *Conn in the interface would not be nil
	}
	h.prepare(b.Netns)
	return c, nil
}

// onlooker opens the kernel's tables to look at them: unlike hostKernel it
// prepares nothing, and owns nothing.
type onlooker struct{ *kernel.Host }

func (o onlooker) Open(ctx context.Context, b rib.Binding, protocol uint8) (nsworker.Table, error) {
	c, err := o.Host.Open(ctx, b, protocol)
	if err != nil {
		return nil, err // a nil *Conn in the interface would not be nil
	}
	return c, nil
}

// owning is a worker whose table stays this daemon's over its failures, until the
// worker is told to end, and whose VRF device stays for as long as it runs.
type owning struct {
	vrf.Worker
	host    *kernel.Host
	binding rib.Binding
	table   uint32 // of the VRF device, where that is made here
	devices *devices.Keeper
}

// deviceTime bounds how long the end of a worker waits for its VRF device to go.
const deviceTime = 10 * time.Second

func (o owning) Run(ctx context.Context) (err error) {
	release := o.devices.Hold(o.binding, o.table)
	defer func() {
		release()
		if errors.Is(context.Cause(ctx), vrf.ErrRemoved) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deviceTime)
			defer cancel()
			err = errors.Join(err, o.devices.Gone(ctx, o.binding))
		}
	}()
	defer func() { // after a panic too
		if ctx.Err() != nil {
			o.host.Disown(o.binding)
		}
	}()
	return o.Worker.Run(ctx)
}

// hostLinks gives the speaker what the kernel knows of the neighbours on interfaces.
type hostLinks struct {
	host    *kernel.Host
	changed chan struct{}
}

func newHostLinks(host *kernel.Host) hostLinks { return hostLinks{host, make(chan struct{}, 1)} }

func (l hostLinks) Adjacent(ctx context.Context) (rib.Adjacencies, error) {
	return l.host.Adjacent(ctx)
}

func (l hostLinks) Changed() <-chan struct{} { return l.changed }

// Run watches until ctx ends.
func (l hostLinks) Run(ctx context.Context) error { return l.host.WatchAdjacent(ctx, l.changed) }

// linkWaits says why nobody is there on an interface of this process's namespace; "":
// somebody is, or it is not known.
func linkWaits(device string) string {
	now, err := kernel.NewHost(slog.New(slog.DiscardHandler)).Adjacent(context.Background())
	if err != nil {
		return "" // the start meets it too, and says so
	}
	return now.Waits(device)
}
