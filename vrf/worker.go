package vrf

import (
	"context"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Direction is which way a route travels.
type Direction uint8

// Import is kernel to BGP, Export is BGP to kernel.
const (
	Import Direction = iota + 1
	Export
)

// RouteQuery says which routes of a VRF are asked for.
type RouteQuery struct {
	Direction Direction
	// Within tells whether a prefix is asked for; nil: all are. It is called for every
	// prefix.
	Within func(netip.Prefix) bool
	// Only is the one prefix that is asked for, which Within says too; invalid: there may be
	// several. Who answers need not look for it among all.
	Only netip.Prefix
	// States are the states to list; none: all.
	States []rib.State
}

// Wants tells whether a route is asked for.
func (q RouteQuery) Wants(prefix netip.Prefix, state rib.State) bool {
	return (len(q.States) == 0 || slices.Contains(q.States, state)) && (q.Within == nil || q.Within(prefix))
}

// Worker keeps one VRF true. The supervisor owns it: it calls Run once, in a
// goroutine that it joins, and a new Worker is made for every start.
type Worker interface {
	// Run works until ctx ends and then returns nil, leaving kernel routes and
	// announcements as they are, or taking them out where the context's cause
	// says so (ErrRemoved, ErrExit with Spec.OnExit Remove).
	// Any other return is a failure: the supervisor restarts it with backoff.
	// Run may be called with a context that has ended already, where the worker
	// before it failed: then it does only the work that the cause asks for.
	Run(ctx context.Context) error
	// Reconfigure hands over a changed Spec with the same Name and Binding. It
	// does not wait. Routes that both allow stay untouched.
	Reconfigure(Spec)
	// Settled returns when all that was handed over is in force: every prefix was judged by
	// it, and the kernel and BGP have what came of that. It may be called as Routes may; where
	// the VRF has no table there is nothing to wait for.
	Settled(ctx context.Context) error
	// Routes calls yield with each route that q asks for, ordered by prefix, until
	// it returns false. Each is as it is when its turn comes. It may be called from
	// any goroutine while Run runs; it ends with ctx. Where the VRF loses its table
	// meanwhile the error matches ErrPending.
	Routes(ctx context.Context, q RouteQuery, yield func(rib.RouteStatus) bool) error
	// Resync reads the table again now, puts the differences right, and returns
	// when that is done. It may be called as Routes may. Where the VRF has no
	// table the error matches ErrPending.
	Resync(ctx context.Context) (Repair, error)
	// Explain says why a prefix is, or is not, in the VRF's table and in BGP. It
	// may be called as Routes may, also where there is no table.
	Explain(ctx context.Context, q rib.Question) (rib.Explanation, error)
}

// Report tells the supervisor how a worker fares. It may be called from any
// goroutine and does not block.
type Report func(WorkerStatus)

// Factory makes a worker for one start of a VRF.
type Factory func(Spec, Report) Worker

// Causes of the end of a worker's context (context.Cause).
var (
	// ErrRemoved: the VRF left the configuration, or its binding changed. The
	// worker takes its routes out of the kernel and its announcements out of
	// BGP before Run returns.
	ErrRemoved = cause("the VRF was removed")
	// ErrExit: the daemon ends. Spec.OnExit rules whether the routes stay.
	ErrExit = cause("the daemon ends")
)

type cause string

func (c cause) Error() string { return string(c) }
