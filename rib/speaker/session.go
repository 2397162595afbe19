package speaker

import (
	"context"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Session is how a neighbour fares.
type Session struct {
	VRF     string // "": the global table
	Address netip.Addr
	PeerAS  uint32
	State   string    // as RFC 4271 names it, in lower case: idle, active, …, established; or Pending, or Deleted
	Since   time.Time // when it was established; zero: it is not
	// Interface is the neighbour's, where that is known: of a link-local address. A
	// neighbour that is Pending has no Address.
	Interface string
	// Reason is why there is no session, where that is known; of a neighbour that is
	// Pending, for which event it waits.
	Reason  string
	Stopped bool // somebody wants it so: the configuration, another client, or a limit of prefixes
	// Explained is when the last session ended, or did not begin, by a NOTIFICATION or by a rule
	// of ours, of which Reason is BGP's own word; zero: Reason may be that a connection broke.
	Explained time.Time
	// Disabled says that a client of the API keeps the neighbour down.
	Disabled    bool
	Draining    bool // graceful shutdown is under way (RFC 8326)
	Origin      Origin
	Down        time.Time // since when there is no session
	Established int       // how often one has come up
	Local       netip.Addr
	Families    []string // of the session that is up
	Traffic     rib.Traffic
	Heard, Said rib.Notification // the last ones
	// Removed counts the parts that were taken out of the neighbour's messages, by reason.
	// It is nobody's to change.
	Removed map[string]uint64
}

// Origin is how a neighbour came to be one.
type Origin string

// The origins of a neighbour.
const (
	Configured Origin = "configuration"
	Dynamic    Origin = "dynamic" // a peer group let it in
	Foreign    Origin = "another client"
)

// Deleted is the State of a neighbour of the configuration that another client of the
// API took out.
const Deleted = "deleted"

// AliasWord stands in the Reason of a neighbour that is Disabled for its address, where BGP has
// it by an alias.
const AliasWord = "ADDRESS"

// Pending is the State of a neighbour that waits for its interface, or for somebody
// to be heard on it: BGP does not have it meanwhile.
const Pending = "pending"

// Links says who is on the interfaces of the daemon's namespace.
type Links interface {
	// Adjacent returns the interfaces as they are now.
	Adjacent(ctx context.Context) (rib.Adjacencies, error)
	// Changed is signalled when Adjacent may have another answer.
	Changed() <-chan struct{}
}

// Report counts the messages of a neighbour that were changed before BGP read them.
type Report struct {
	Neighbour string // by BGP's name for it
	VRF       string // "": the global table
	Plain     uint64 // UPDATEs that passed as they came
	Rehearsed uint64 // UPDATEs that were tried on a copy first
	// Removed counts the parts that were cut out, withdrawn or held back, by reason.
	Removed map[string]uint64
}

// Limit is how far a neighbour, or a VRF, is from its limit of prefixes.
type Limit struct {
	VRF      string // Default: the global table
	Neighbor string // by BGP's name for it; "": that of the VRF
	Family   string // "": all
	Prefixes int
	Most     uint32
	Near     bool      // a warning was due
	Stopped  string    // the reason why the session was ended; "": it was not
	Restart  time.Time // when it starts again; zero: not by itself
}
