// Package relay gives GoBGP sessions inside other network namespaces.
//
// GoBGP dials and listens in one namespace, and knows its neighbours by their
// address alone. The relay has sockets of its own in each tenant's namespace:
// it listens on the tenant's address and dials the peer, and joins each
// connection to GoBGP's listener by a second one, which comes from an alias of
// its own in 127.0.0.0/8. GoBGP sees a passive neighbour with the alias for an
// address; so two tenants may have peers of the same address. What only the
// outer socket can do is done here: TCP MD5 (RFC 2385), the TTL of eBGP and
// TTL security (RFC 5082).
//
// One connection of a neighbour lives at a time, as in GoBGP itself, which has
// no collision detection (RFC 4271, section 6.8): the first wins. One that the
// peer opens while ours is being dialled ends the dialling; one that comes while
// another lives is refused, but where the peer has said nothing over that for 2 s:
// then the new one takes its place. Where two speakers refuse each other at the
// same moment, both try again after delays that differ.
package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// Sockets enters network namespaces.
type Sockets interface {
	// InNetns runs f on a thread that is inside a namespace, so that sockets
	// which f makes belong to it. f does not block. A netns is a name below
	// /run/netns or an absolute path. Where it is not there, the error matches
	// rib.ErrAbsent; an error of f is returned so that errors.Is finds it. It is
	// called by several goroutines at once.
	InNetns(netns string, f func() error) error
	// WatchLinks calls told for each interface of a namespace over which nothing goes
	// any more, and when something does again, until ctx ends, which is no error.
	WatchLinks(ctx context.Context, netns string, told func(rib.LinkFate)) error
}

// Relay carries the sessions of a set of neighbours. All methods but Run may be
// called at any time, by several goroutines.
type Relay struct {
	server  netip.AddrPort
	sockets Sockets
	log     *slog.Logger
	changed chan struct{} // signalled when entries changed
	inside  chan struct{} // held by whoever is in a namespace

	endAfter func(end func())                      // see EndAfter; set before Run
	called   func(netns string, caller netip.Addr) // see OnCall; set before Run

	mu      sync.Mutex              // guards what follows
	entries map[rib.Neighbor]*entry // the set that is wanted
	doors   []rib.Doorway           // likewise
	spaces  map[string]*space       // those that run, by namespace; Run's to change
}

// New returns a relay to the BGP server that listens on server, in the daemon's
// own namespace: a loopback address, which an alias reaches.
func New(server netip.AddrPort, s Sockets, log *slog.Logger) *Relay {
	return &Relay{
		server:  server,
		sockets: s,
		log:     log,
		changed: make(chan struct{}, 1),
		inside:  make(chan struct{}, mostInside),
		entries: make(map[rib.Neighbor]*entry),
		spaces:  make(map[string]*space),

		endAfter: func(end func()) { end() },
		called:   func(string, netip.Addr) {},
	}
}

// EndAfter has f call what ends a session whose link has gone, now or later: at once where
// nobody says otherwise. It is called before Run.
func (r *Relay) EndAfter(f func(end func())) { r.endAfter = f }

// OnCall has f called with the address of whoever wants to begin a session through a doorway. The
// connection itself is refused: once its neighbour is there it is dialled, or comes again. It is called
// before Run, and f does not wait.
func (r *Relay) OnCall(f func(netns string, caller netip.Addr)) { r.called = f }

// Open brings the doorways to these.
func (r *Relay) Open(doors []rib.Doorway) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.doors, doors) {
		r.doors = slices.Clone(doors)
		signal(r.changed)
	}
}

// Set brings the neighbours to these. The sessions of those that are unchanged
// in every field stay; a changed one loses its session and gets a new one. A
// contradiction between neighbours is an error, and then nothing changes. Set
// does not wait until it is done.
func (r *Relay) Set(neighbors []rib.Neighbor) error {
	if err := check(neighbors); err != nil {
		return fmt.Errorf("set the neighbours in namespaces: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[rib.Neighbor]*entry, len(neighbors))
	for _, n := range neighbors {
		e := r.entries[n]
		if e == nil {
			e = newEntry(neighbor{n}, r.log)
		}
		next[n] = e
	}
	r.entries = next
	signal(r.changed)
	return nil
}

// Retry looks at a namespace at once: whether it is there, is still the same
// one, and whether its peers can be reached now. It is for whoever learns that
// a namespace came, went or had its links changed.
func (r *Relay) Retry(netns string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.spaces[netns]; s != nil {
		signal(s.retry)
	}
}

// Status returns what is known of each neighbour, in the order of namespace,
// VRF and address.
func (r *Relay) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Status, 0, len(r.entries))
	for _, e := range r.entries {
		all = append(all, e.status())
	}
	slices.SortFunc(all, func(a, b Status) int {
		if c := strings.Compare(a.Netns, b.Netns); c != 0 {
			return c
		}
		if c := strings.Compare(a.VRF, b.VRF); c != 0 {
			return c
		}
		return a.Peer.Compare(b.Peer)
	})
	return all
}

// Run carries the sessions until ctx ends, then closes them all and joins
// whatever it started. The end of ctx is no error. It is called once.
func (r *Relay) Run(ctx context.Context) error {
	for {
		r.arrange(ctx)
		select {
		case <-ctx.Done():
			r.mu.Lock()
			running := r.spaces
			r.spaces = make(map[string]*space)
			r.mu.Unlock()
			for _, s := range running {
				s.stop()
			}
			return nil
		case <-r.changed:
		}
	}
}

// arrange starts and stops namespaces, and tells each what it is to have.
func (r *Relay) arrange(ctx context.Context) {
	r.mu.Lock()
	wanted := make(map[string][]*entry)
	for n, e := range r.entries {
		wanted[n.Netns] = append(wanted[n.Netns], e)
	}
	doors := make(map[string][]rib.Doorway)
	for _, d := range r.doors {
		doors[d.Netns] = append(doors[d.Netns], d)
		if wanted[d.Netns] == nil {
			wanted[d.Netns] = []*entry{}
		}
	}
	var gone []*space
	for name, s := range r.spaces {
		if wanted[name] == nil {
			delete(r.spaces, name)
			gone = append(gone, s)
		}
	}
	for name, entries := range wanted {
		s := r.spaces[name]
		if s == nil {
			s = newSpace(r, name)
			r.spaces[name] = s
			s.want(entries, doors[name])
			s.start(ctx)
			continue
		}
		s.want(entries, doors[name])
	}
	r.mu.Unlock()
	for _, s := range gone {
		s.stop()
	}
}

// mostInside is how many threads are inside namespaces at once. Go keeps every
// thread that it had to make, and a thousand neighbours may dial at once.
const mostInside = 4

// inNetns runs f inside a namespace.
func (r *Relay) inNetns(netns string, f func() error) error {
	r.inside <- struct{}{}
	defer func() { <-r.inside }()
	return r.sockets.InNetns(netns, f)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
