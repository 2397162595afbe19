// Package api serves vrfredist's gRPC services (api/v1) over the daemon, beside
// GoBGP's own services on the same address.
package api

import (
	"context"
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
	// List returns the VRFs that run, ordered by name.
	List() []vrf.Status
	// Get returns a configured VRF. The State of one that does not run, because
	// nothing is redistributed for it, is "".
	Get(name string) (vrf.Status, bool)
	// Changed returns a channel that is closed when a status that List returns
	// changes after the call.
	Changed() <-chan struct{}
	// Sessions returns the BGP neighbours of a VRF, "default" those of none.
	Sessions(ctx context.Context, name string) ([]vrf.Session, error)
	// AllSessions returns the BGP neighbours of every VRF.
	AllSessions(ctx context.Context) (map[string][]vrf.Session, error)
	// Redistribute applies change to one direction of the VRF's spec, keeps the
	// result for the next start, and brings it into force.
	Redistribute(ctx context.Context, name string, d vrf.Direction, change func(*vrf.Spec)) error
	// Listen hands on what happens to single routes, where wants returns true,
	// until the listener is closed.
	Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener
	// Routes calls yield with each route that q asks for, ordered by prefix, until
	// it returns false; with more than those, where it cannot tell before.
	Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error
	// Resync has a VRF's table read again now, and waits until what differed is
	// put right.
	Resync(ctx context.Context, name string) (vrf.Repair, error)
	// Restore puts right what BGP has otherwise than the configuration says of a VRF,
	// "" of any, and says what it did, a line each.
	Restore(ctx context.Context, name string) ([]string, error)
	// Explain says why a prefix is, or is not, in a VRF's table and in BGP.
	Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error)
	// Diagnose says what stands in the way of the daemon on its host.
	Diagnose(ctx context.Context) ([]doctor.Finding, error)
	// Reload applies the configuration file as it is now, and returns what
	// changed, a line each. After an error nothing has, unless it says so. Where
	// confirm is not 0, what was in force before comes back at until, unless
	// Confirm is called.
	Reload(ctx context.Context, confirm time.Duration) (changes []string, until time.Time, err error)
	// Confirm keeps what the last Reload brought. Its error may match
	// ErrNothingToConfirm.
	Confirm(ctx context.Context) error
	// Unconfirmed returns the last Reload where it was not confirmed.
	Unconfirmed() (vrf.Unconfirmed, bool)
	// Plan yields what a Reload of a file would change, and changes nothing. It
	// ends where yield fails. Its error may be a FileError or ErrBusy.
	Plan(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error
}

// Server implements the Redistribution service. It is safe for concurrent use.
type Server struct {
	vrfredistv1.UnimplementedRedistributionServer
	all   Backend // a handler sees it through view
	pace  pace
	lines lines // of changes that wait
}

// New returns a server over b. It must stand behind a Door: a call that came through
// none may see nothing.
func New(b Backend) *Server { return &Server{all: b, pace: usualPace()} }
