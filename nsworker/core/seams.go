package core

import (
	"context"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Kernel opens the core, and makes devices over it. It is safe for concurrent use.
type Kernel interface {
	// Open opens the tables of the core's namespace. Where that is not there, the error
	// matches rib.ErrAbsent.
	Open(ctx context.Context, in rib.Binding) (Tables, error)
	// Await is signalled whenever a namespace that is absent might be there now, until stop.
	Await(in rib.Binding) (changed <-chan struct{}, stop func(), err error)
	// MakeVXLAN has a device in the namespace, and in the VRF device, of a VRF: one that is
	// there with the same alias is changed where it differs.
	MakeVXLAN(ctx context.Context, core, vrf rib.Binding, d Device) error
	// RemoveVXLAN removes a device that has an alias. Another one of that name is left, and
	// that there is none is no error.
	RemoveVXLAN(ctx context.Context, vrf rib.Binding, name, alias string) error
}

// Device is a VXLAN device to be.
type Device struct {
	Name string
	rib.VXLAN
}

// Tables are the core's tables. They have one user.
type Tables interface {
	// Lookup is the route by which the kernel sends packets to an address, with its hops. An
	// error says that there is none, or matches ErrUnknown where it could not be found out.
	Lookup(ctx context.Context, to netip.Addr) (rib.Route, error)
	// Links are the interfaces of the namespace.
	Links() rib.Links
	// Where is the identity of its main table.
	Where() rib.Where
	// Ready is signalled when Events has something.
	Ready() <-chan struct{}
	// Events takes what happened since the last call.
	Events() Events
	Close() error
}

// Events are what may have changed how PEs are reached.
type Events struct {
	Prefixes []netip.Prefix // of which a route changed
	All      bool           // any answer may be another
	Gone     string         // what is gone, without which there are no more events; "": nothing
}
