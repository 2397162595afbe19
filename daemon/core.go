package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/rib"
)

// coreOf are the settings of the core in a configuration.
func coreOf(c *config.Config) core.Settings {
	return core.Settings{Core: c.Core, Interfaces: c.CoreInterfaces}
}

// coreKernel gives the core a kernel.Host as the interface that it declares.
type coreKernel struct{ *kernel.Host }

func (k coreKernel) Open(ctx context.Context, in rib.Binding) (core.Tables, error) {
	u, err := k.OpenUnderlay(ctx, in.Netns)
	if err != nil {
		return nil, err // a nil *Underlay in the interface would not be nil
	}
	return coreTables{u}, nil
}

func (k coreKernel) MakeVXLAN(ctx context.Context, in, tenant rib.Binding, d core.Device) error {
	return k.Host.MakeVXLAN(ctx, in, tenant, kernel.VXLANDevice{Name: d.Name, VXLAN: d.VXLAN})
}

// coreTables are an Underlay as the core sees it.
type coreTables struct{ *kernel.Underlay }

func (t coreTables) Lookup(ctx context.Context, to netip.Addr) (rib.Route, error) {
	r, err := t.Underlay.Lookup(ctx, to)
	if err != nil && !errors.Is(err, kernel.ErrNoRoute) {
		err = fmt.Errorf("%w: %w", core.ErrUnknown, err)
	}
	return r, err
}

func (t coreTables) Events() core.Events {
	ev := t.Underlay.Events()
	switch {
	case ev.Gone:
		return core.Events{Gone: ev.GoneBy}
	case ev.Broken != nil: // what opens it again begins with a look at everything
		return core.Events{Gone: "the socket for its events (" + ev.Broken.Error() + ")"}
	}
	out := core.Events{All: ev.Resync || ev.Came || ev.Links != nil}
	for _, r := range ev.Routes {
		out.Prefixes = append(out.Prefixes, r.Route.Prefix)
	}
	return out
}
