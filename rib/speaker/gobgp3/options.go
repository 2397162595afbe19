package gobgp3

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Options are the parameters of New.
type Options struct {
	// Config is GoBGP's part of the configuration file as JSON, with GoBGP's
	// own kebab-case keys.
	Config []byte
	// Extras are the configuration of BGP beside Config.
	rib.Extras
	// Listen are the gRPC addresses for users: "unix:///path" or "host:port",
	// with a loopback host unless Secured.
	Listen []string
	// SocketGroup is the gid that the unix sockets get; nil: that of the process.
	SocketGroup *int
	// Server serves GoBGP's API on them, beside the services that are registered with it
	// already; nil: a server of GoBGP's API alone, open to everybody.
	Server GRPC
	// Secured says that Server has TCP clients prove who they are.
	Secured bool
	// GracefulRestart starts as `gobgpd -r`: neighbours with graceful restart
	// are told that we restart, and keep their routes to us meanwhile.
	GracefulRestart bool
	// Links says who is on the interfaces that neighbours are named by; nil: GoBGP looks
	// once, and refuses the configuration where nobody is.
	Links speaker.Links
	// Who says who makes a call to the API, as it stands in a log; nil: nobody knows.
	Who func(ctx context.Context) string
	// Serves tells whether a VRF's routes are in a kernel table, so that it may not be
	// deleted by another client; nil: those of all VRFs of the configuration are.
	Serves func(vrf string) bool
	// Called is what people call the neighbour that BGP calls name; nil: the same.
	Called func(name string) string
	// Drifted is called when Drift has another result; nil: nobody is.
	Drifted func()
	Logger  *slog.Logger // nil: none
	// OwnPrefix tells whether a prefix is a subnet connected in a VRF, or one of its own
	// addresses: neighbours may not announce those. It is called for every route of an
	// eBGP neighbour, by many goroutines. nil: none is known.
	OwnPrefix func(vrf string, p netip.Prefix) bool
	// OwnSix returns this router's IPv6 address on the link on which it has an IPv4 address,
	// where the session of a neighbour is, by BGP's name for it, whose socket may be bound to
	// an interface or VRF device; invalid: none. It may block for a moment. nil: none is known.
	OwnSix func(neighbour string, local netip.Addr, bound string) netip.Addr
	// Stops is where it is kept which neighbours somebody disabled; nil: nowhere, so that a restart
	// enables them.
	Stops Stops
	// Imports tells how far a VRF is with announcing what it imports since the start: neighbours are
	// told that they were told all when all have. It is called in BGP's loop, and waits for nothing.
	// nil: nothing is imported.
	Imports func(vrf string) Imports
	// StartedBy is who started BGP, as it stands in a log, with what Config has of it; "": nobody, it
	// is of the file.
	StartedBy string
	// RPKI is where what BGP has of RPKI caches is put, if policies outside of BGP ask for it;
	// nil: they are told nothing.
	RPKI *rib.RPKI
}
