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
	is := core.Settings{Core: c.Core, Interfaces: c.CoreInterfaces, Protocol: rib.ProtoOwn, Numbers: make(map[core.Number]struct{})}
	for i := range c.VRFs {
		s := &c.VRFs[i]
		is.Protocol = s.Protocol
		if s.Carriage.Label != 0 {
			is.Numbers[core.Number{Label: s.Carriage.Label}] = struct{}{}
		}
		for _, sid := range []netip.Addr{s.Carriage.SRv6.SID, s.Carriage.SRv6.SID6} {
			if sid.IsValid() {
				is.Numbers[core.Number{SID: sid}] = struct{}{}
			}
		}
	}
	return is
}

// coreKernel gives the core a kernel.Host as the interface that it declares.
type coreKernel struct{ *kernel.Host }

func (k coreKernel) Open(ctx context.Context, is rib.Core) (core.Tables, error) {
	u, err := k.OpenUnderlay(ctx, is.Netns, is.VTEP)
	if err != nil {
		return nil, err // a nil *Underlay in the interface would not be nil
	}
	return coreTables{u}, nil
}

func (k coreKernel) MakeVXLAN(ctx context.Context, in, tenant rib.Binding, d core.Device) error {
	return k.Host.MakeVXLAN(ctx, in, tenant, kernel.VXLANDevice{Name: d.Name, VXLAN: d.VXLAN})
}

func (k coreKernel) OpenEntrances(ctx context.Context, in rib.Binding, protocol uint8) (core.Entrances, error) {
	return k.Entrances(ctx, in, protocol)
}

// Entrances implements standingKernel.
func (k coreKernel) Entrances(ctx context.Context, in rib.Binding, protocol uint8) (core.Entrances, error) {
	e, err := k.Host.OpenEntrances(ctx, in, protocol)
	if err != nil {
		return nil, err // a nil *kernel.Entrances in the interface would not be nil
	}
	return e, nil
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
