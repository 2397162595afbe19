// Package api serves vrfredist's gRPC services (api/v1) over the daemon, beside
// GoBGP's own services on the same address.
//
// It promises that nothing of a request is read before its caller was let in, that no
// client costs more memory, calls or connections than its user may have, that no answer
// names a VRF which its caller may not see, and that a panic ends one call and nothing
// else.
//
// Begin reading at Gateway, the gRPC server, whose Door lets connections and calls in:
// the door owns the accounts of the callers and the open connections, under one lock.
// Server then answers each call in the part for its subject, through a view of the
// Backend that is cut to the caller's roles. The Backend is the daemon's; this package
// keeps nothing of VRFs or routes between two calls.
package api

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// ErrUnknownVRF is matched by the error of a Backend that does not know the VRF.
var ErrUnknownVRF = vrf.ErrUnknown

// Backend is the daemon as the API needs it. It is safe for concurrent use.
type Backend interface {
	VRFs
	Neighbors
	Tables
	Configuration
	Tenants
	Logging
	// InForce returns the configuration that is in force.
	InForce(ctx context.Context) (vrf.InForce, error)
	// Policies returns the policies of the configuration, ordered by name.
	Policies() []vrf.Policy
	// Diagnose says what stands in the way of the daemon on its host.
	Diagnose(ctx context.Context) ([]doctor.Finding, error)
}

// VRFs is the state of the VRFs and of their neighbours.
type VRFs interface {
	// List returns the VRFs that run, ordered by name.
	List() []vrf.Status
	// Get returns a configured VRF. The State of one that does not run, because
	// nothing is redistributed for it, is "".
	Get(name string) (vrf.Status, bool)
	// Changed returns a channel that is closed when a status that List returns
	// changes after the call.
	Changed() <-chan struct{}
	// Leaks returns what a VRF takes of others beside route targets.
	Leaks(name string) []vrf.Leak
	// Sessions returns the BGP neighbours of a VRF; those of "default" are in no VRF.
	Sessions(ctx context.Context, name string) ([]vrf.Session, error)
	// AllSessions returns the BGP neighbours of every VRF.
	AllSessions(ctx context.Context) (map[string][]vrf.Session, error)
}

// Neighbors are the BGP neighbours one by one, as AllSessions has them.
type Neighbors interface {
	// NeighborRoutes calls yield with what a neighbour sent, or is told, of the prefixes that
	// are wanted (nil: all), in no order, until yield returns false.
	NeighborRoutes(ctx context.Context, of vrf.Session, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error
	// CountRoutes counts how many paths of each neighbour are in BGP's table, and of how many
	// prefixes it is told, and calls yield with that and the index of the neighbour. All of it looks
	// at most at so many routes (0: any number): neighbours that are more are passed over.
	CountRoutes(ctx context.Context, of []vrf.Session, most int, yield func(which, accepted, advertised int)) error
	// ResetNeighbor ends its session, which begins anew, or does what is softer.
	ResetNeighbor(ctx context.Context, of vrf.Session, soft rib.SoftReset, reason string) error
	// DisableNeighbor ends its session, and keeps it down; a graceful one at end.
	DisableNeighbor(ctx context.Context, of vrf.Session, how vrf.Shutdown) (end time.Time, err error)
	// EnableNeighbor lets it have a session again.
	EnableNeighbor(ctx context.Context, of vrf.Session) error
}

// Logging is the daemon's log.
type Logging interface {
	// LogLevel is the least level of what is logged: debug, info, warn or error.
	LogLevel() string
	// SetLogLevel sets it. by is who wants that.
	SetLogLevel(level, by string) error
}

// Tables are the routes of the VRFs, one table for each.
type Tables interface {
	// Listen hands on the events of single routes, where wants returns true, until the
	// listener is closed.
	Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener
	// Routes calls yield with each route that q asks for, ordered by prefix, until
	// yield returns false; with further routes too, where it cannot tell before.
	Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error
	// Resync has a VRF's table read again now, and waits until the differences are
	// put right.
	Resync(ctx context.Context, name string) (vrf.Repair, error)
	// Explain says why a prefix is, or is not, in a VRF's table and in BGP.
	Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error)
}

// Configuration is what the daemon is to do.
type Configuration interface {
	// Redistribute applies change to one direction of the VRF's spec, keeps the
	// result for the next start, and brings it into force.
	Redistribute(ctx context.Context, name string, d vrf.Direction, change func(*vrf.Spec)) error
	// Restore puts BGP's state of a VRF ("": of all) right where it differs from the
	// configuration, and returns a line for each thing done.
	Restore(ctx context.Context, name string) ([]string, error)
	// Reload applies the configuration file as it is now, and returns a line for each
	// change. After an error nothing has changed, unless the error says so. Where
	// confirm is not 0, the configuration before comes back at until, unless Confirm
	// is called.
	Reload(ctx context.Context, confirm time.Duration) (changes []string, until time.Time, err error)
	// Confirm keeps the configuration of the last Reload. Its error may match
	// ErrNothingToConfirm.
	Confirm(ctx context.Context) error
	// Unconfirmed returns the last Reload where it was not confirmed.
	Unconfirmed() (vrf.Unconfirmed, bool)
	// Plan yields what a Reload of a file would change, and changes nothing. It
	// ends where yield fails. Its error may be a FileError or ErrBusy.
	Plan(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error
}

// Server implements the Redistribution service, whose methods are its parts'. It is
// safe for concurrent use.
type Server struct {
	unimplemented
	states
	settings
	questions
	neighborCalls
	changes
	reloads
	applying
	auditing
	watches
}

// unimplemented answers the methods of later versions of the service. It lies one level
// below the parts, or its methods would be as near as theirs.
type unimplemented struct {
	vrfredistv1.UnimplementedRedistributionServer
}

// New returns a server over b. It must stand behind a Door: a call that came through
// none may see nothing.
func New(b Backend) *Server {
	v, pace := views{b}, usualPace()
	return &Server{
		states: states{v}, settings: settings{v}, questions: questions{v}, neighborCalls: neighborCalls{v, pace}, changes: changes{views: v},
		reloads: reloads{v, pace}, applying: applying{v, applyPatience}, auditing: auditing{newAudit(slog.New(slog.DiscardHandler)), pace}, watches: watches{v, pace},
	}
}

// Tenants are VRFs and neighbours that are made and changed over the API, beside the file.
type Tenants interface {
	// Apply brings a VRF or a neighbour into force as a request says, wholly or not at all, and
	// keeps it. Its error may be vrf.FieldFaults, or match vrf.ErrStale, vrf.ErrUnknown or
	// vrf.ErrBelow.
	Apply(ctx context.Context, r vrf.ApplyRequest) (generation uint64, err error)
	// PlanApply yields what Apply would change, and changes nothing.
	PlanApply(ctx context.Context, r vrf.ApplyRequest, yield func(vrf.PlanItem) error) error
	// Delete removes what was applied. below tells whether something of the file holds again. Its
	// error may also match vrf.ErrNothingApplied.
	Delete(ctx context.Context, r vrf.DeleteRequest) (below bool, err error)
	// Applied is what was applied: VRFs by name, and then neighbours.
	Applied() []vrf.Layer
	// Made tells whether a VRF was made over the API: the file does not have it.
	Made(name string) bool
}
