package speaker

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
