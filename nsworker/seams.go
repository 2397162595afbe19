package nsworker

import (
	"context"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Kernel opens tables. It is safe for concurrent use.
type Kernel interface {
	// Open binds to a VRF's table. Where the namespace, device or table is not
	// there, the error matches rib.ErrAbsent; nothing falls back to main.
	Open(ctx context.Context, b rib.Binding, protocol uint8) (Table, error)
	// Await returns a channel that is signalled whenever a binding that is
	// absent might be there now, and a function that ends the watch. A signal
	// may be false: Open decides.
	Await(b rib.Binding) (changed <-chan struct{}, stop func(), err error)
}

// Table is the open table of one VRF. Read, Apply and Close are called by its
// one owner; Ready may be waited on by it.
type Table interface {
	// Where is the identity of the table.
	Where() rib.Where
	// Read reads the whole table and the namespace's links, and other tables of the
	// namespace, of which there are events from then on. It repeats an interrupted dump,
	// and returns an error rather than a part.
	Read(ctx context.Context, beside ...uint32) (rib.Table, error)
	// Apply makes changes in their order, and goes on after one that fails.
	// The answer has one error for each change, nil where the kernel confirmed
	// it. The second result is the failure of the whole batch (the socket, the
	// context): then nothing is known, and the table must be read again.
	Apply(ctx context.Context, changes []rib.Change) ([]error, error)
	// Ready is signalled when Events has something.
	Ready() <-chan struct{}
	// Events takes what happened in the table and the namespace since the last
	// call, without our own changes.
	Events() rib.KernelEvents
	// Close frees the sockets. It is called once.
	Close() error
}

// BGP is what a worker needs of the speaker. It is safe for concurrent use.
type BGP interface {
	Library
	// Feed returns the mailbox of a VRF. It is the same one after a restart of
	// the worker.
	Feed(vrf string) (*rib.Feed, error)
	// Announced returns what is announced for a VRF now, also by an earlier
	// worker of it.
	Announced(vrf string) []rib.Announcement
	// Announce makes changes to what is announced. After an error nothing is
	// known of any of them: ask Announced.
	Announce(ctx context.Context, vrf string, changes []rib.AnnounceChange) error
	// Unreached says which nexthops of the paths that a VRF's neighbours sent are not
	// reached: BGP's own choice is to leave them out. It replaces what was said before; nil
	// ends it. The map is not changed any more.
	Unreached(vrf string, of map[rib.PathNexthop]struct{})
	// Confirmed says for which prefixes the kernel has what the VRF means it to have, and for
	// which not any more; whole: for no others. The list is not changed any more.
	Confirmed(vrf string, whole bool, changes []rib.Confirmation)
	// Takes says by what a VRF whose packets are carried takes them from other PEs now, which are told
	// so; the zero one: it takes none, and they are told of none of its routes. told is called when
	// they have been told, unless Takes has been called again by then.
	Takes(vrf string, by rib.Carried, told func())
	// Chose says what a VRF goes by for some prefixes, where rib.Feed.Asked says that others
	// leak it. It is called each time that the worker has taken something from the feed. The
	// list is BGP's then.
	Chose(vrf string, list []rib.Choice)
}

// Library is where a person who asks looks up what BGP has, and what it has not. It is not for
// the loop.
type Library interface {
	// Candidates returns every path that BGP has for a prefix of the VRF's
	// table, with whatever route targets.
	Candidates(ctx context.Context, vrf string, prefix netip.Prefix) ([]rib.Path, error)
	// Refused returns the neighbours of the VRF whose announcement of a prefix was not
	// taken, because of what it said; of no prefix: of all that are remembered.
	Refused(vrf string, prefix netip.Prefix) []rib.Refusal
	// Offers returns what neighbours sent of a prefix and BGP does not have: a policy of
	// BGP's rejected it, say.
	Offers(ctx context.Context, vrf string, prefix netip.Prefix) ([]rib.Offer, error)
	// Telling returns what neighbours are told of a prefix of the VRF, and why others are not.
	Telling(vrf string, prefix netip.Prefix) (rib.Telling, error)
}

// Tracer is who is told the ways of single routes. It is safe for concurrent use, and never
// waits.
type Tracer interface {
	// Follow is asked of each route of which BGP changed a path, at about that time, and
	// returns what is to be told the whole way; nil: this route is not followed.
	Follow(vrf string, prefix netip.Prefix, changed time.Time) func(vrf.RouteWay)
}
