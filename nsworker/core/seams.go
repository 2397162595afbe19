package core

import (
	"context"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Kernel opens the core, and makes devices over it. It is safe for concurrent use.
type Kernel interface {
	// Open opens the tables of the core's namespace, by which packets of this router's address
	// there go. Where the namespace is not there, the error matches rib.ErrAbsent.
	Open(ctx context.Context, is rib.Core) (Tables, error)
	// Await is signalled whenever a namespace that is absent might be there now, until stop.
	Await(in rib.Binding) (changed <-chan struct{}, stop func(), err error)
	// MakeVXLAN has a device in the namespace, and in the VRF device, of a VRF: one that is
	// there with the same alias is changed where it differs.
	MakeVXLAN(ctx context.Context, core, vrf rib.Binding, d Device) error
	// RemoveVXLAN removes a device that has an alias. Another one of that name is left, and
	// that there is none is no error.
	RemoveVXLAN(ctx context.Context, vrf rib.Binding, name, alias string) error
	// OpenEntrances opens the labels and SIDs of a namespace; protocol is that of our own. Where
	// the namespace is not there, the error matches rib.ErrAbsent.
	OpenEntrances(ctx context.Context, in rib.Binding, protocol uint8) (Entrances, error)
}

// Fixtures makes what VRFs have in the core's namespace beside labels and SIDs. What is there
// already is no error, nor is what is to be removed and is not there; what is another program's is
// left. It is safe for concurrent use.
type Fixtures interface {
	// MakeVRF has a VRF device whose table ends in unreachable routes.
	MakeVRF(ctx context.Context, in rib.Binding, d rib.VRFDevice, protocol uint8) error
	RemoveVRF(ctx context.Context, in rib.Binding, d rib.VRFDevice, protocol uint8) error
	// AddRule has what comes in by an interface looked up in a table.
	AddRule(ctx context.Context, in rib.Binding, r rib.Rule, protocol uint8) error
	RemoveRule(ctx context.Context, in rib.Binding, r rib.Rule, protocol uint8) error
	// AddUnreachable ends a table, or a locator.
	AddUnreachable(ctx context.Context, in rib.Binding, u rib.Unreachable, protocol uint8) error
	RemoveUnreachable(ctx context.Context, in rib.Binding, u rib.Unreachable, protocol uint8) error
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

// Entrances are the labels and SIDs in the core's namespace. They have one user.
type Entrances interface {
	// Read returns those that are there, whoever wrote them.
	Read(ctx context.Context) ([]rib.StandingEntrance, error)
	// Add adds one, and only where nothing of that label or SID is there: else the error matches
	// ErrTaken.
	Add(ctx context.Context, e rib.Entrance) error
	// Remove removes one of ours, where it stands as it is said to: the kernel itself does not
	// look at whose it is (net/mpls/af_mpls.c), so that is looked at before. That none is there is
	// no error; that another's is matches ErrTaken.
	Remove(ctx context.Context, e rib.Entrance) error
	// Labels is how many labels the kernel has room for (net.mpls.platform_labels); 0: none, or
	// it has no MPLS.
	Labels(ctx context.Context) (uint32, error)
	// Changed is signalled when one of them, or the room, may be another than before.
	Changed() <-chan struct{}
	Close() error
}
