package speaker

import "context"

// Preview has the changes that another configuration would make in BGP. Nothing of it has
// happened. It is immutable, and its methods may be called from any goroutine.
type Preview struct {
	// Neighbors are ordered by address.
	Neighbors []NeighborChange
	// Others are the changes of peer groups, dynamic neighbours and policies, a
	// line each.
	Others []string
	// Notes name effects that cannot be known before.
	Notes []string

	Foresight
	// Told works out what neighbours would be told otherwise, in the order of their VRFs and
	// addresses, each with at most so many changes; -1: with all. It has those alone for whom
	// something changes, or for whom that cannot be known. nil: BGP does not run.
	Told func(ctx context.Context, of Outcome, most int) ([]Told, error)
}

// ChangeKind says whether a neighbour comes, goes or stays.
type ChangeKind uint8

// The kinds of change.
const (
	Added ChangeKind = iota + 1
	Removed
	Changed
)

// NeighborChange is a neighbour that a configuration adds, removes or changes.
type NeighborChange struct {
	Kind     ChangeKind
	Address  string // BGP's: the alias of a neighbour in a namespace
	VRF      string // "": the global table
	PeerAS   uint32
	Keys     []string // of Changed: "timers.config.hold-time: 90 -> 30", a line each
	Restarts bool     // its session ends, and another begins
	Notes    []string
}
