package speaker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// injectBatch is how many paths a server takes at once, whole or not at all: other
// tenants wait for it meanwhile.
const injectBatch = 100

// lookupBatch is how many prefixes a server is asked for at once.
const lookupBatch = 512

// patience is how long one message to a server may take before the server counts as
// stuck.
const patience = time.Minute

// Injector puts announcements into a BGP server.
type Injector interface {
	// Inject makes changes to the announcements of a VRF: all, or none where it fails. It
	// may wait for the server without end.
	Inject(vrf string, changes []rib.AnnounceChange) error
	// Injected returns for which of these announcements of a VRF the server has a path.
	Injected(ctx context.Context, vrf string, want []rib.Announcement) (map[netip.Prefix]bool, error)
}

// Announcer puts the routes that VRFs import from their kernel tables into BGP, and
// keeps a Ledger for each VRF.
type Announcer struct {
	into  Injector
	feeds *Feeds // of the VRFs that may announce

	mu      sync.Mutex
	ledgers map[string]*Ledger // guarded by mu; by VRF
}

// NewAnnouncer returns one that has announced nothing.
func NewAnnouncer(into Injector, feeds *Feeds) *Announcer {
	return &Announcer{into: into, feeds: feeds, ledgers: make(map[string]*Ledger)}
}

// Ledger returns the ledger of a VRF, and makes it where it is new.
func (a *Announcer) Ledger(vrf string) *Ledger {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.ledgers[vrf]
	if l == nil {
		l = newLedger()
		a.ledgers[vrf] = l
	}
	return l
}

// VRFs are those in which something was announced, in any order.
func (a *Announcer) VRFs() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.ledgers))
}

// Keep drops the ledgers of all other VRFs, with which their announcements went.
func (a *Announcer) Keep(vrfs []VRF) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := namesOf(vrfs)
	maps.DeleteFunc(a.ledgers, func(name string, _ *Ledger) bool { return !kept[name] })
}

// Announced returns the announcements of a VRF that BGP confirmed, by prefix.
func (a *Announcer) Announced(vrf string) []rib.Announcement { return a.Ledger(vrf).list() }

// Announce makes changes to the announcements of a VRF: into its VPN table with its RD and
// export route targets, or for Default into the global table. The nexthop is whatever
// address each session has here, the origin is incomplete.
//
// BGP takes the changes in batches. Where one fails, the batches before it hold, and
// Announced has what BGP confirmed. Withdrawals for a VRF that is not configured any
// more succeed: its routes went with it.
func (a *Announcer) Announce(ctx context.Context, vrf string, changes []rib.AnnounceChange) error {
	for _, c := range changes {
		if !c.Prefix.IsValid() || c.Prefix != c.Prefix.Masked() {
			return fmt.Errorf("announce routes of VRF %q: %v is no prefix without host bits", vrf, c.Prefix)
		}
	}
	l := a.Ledger(vrf)
	l.order.Lock()
	defer l.order.Unlock()
	if _, err := a.feeds.Feed(vrf); err != nil {
		if slices.ContainsFunc(changes, func(c rib.AnnounceChange) bool { return !c.Withdraw }) {
			return err
		}
		return nil
	}
	return a.Send(ctx, vrf, l, changes)
}

// Send makes changes to the announcements of a VRF. The caller has locked the ledger.
func (a *Announcer) Send(ctx context.Context, vrf string, l *Ledger, changes []rib.AnnounceChange) error {
	if first := l.unanswered(); len(first) > 0 {
		changes = append(first, changes...)
	}
	done := 0
	for batch := range slices.Chunk(changes, injectBatch) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("announce routes of VRF %q: %d of %d are done: %w", vrf, done, len(changes), err)
		}
		// A batch that is on its way is seen through: giving up in the middle
		// would leave unknown what BGP has.
		bctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		err := a.inject(bctx, vrf, batch)
		cancel()
		if err != nil {
			l.failed(batch, err)
			return fmt.Errorf("announce routes of VRF %q: %d of %d are done, the batch from %s on failed: %w",
				vrf, done, len(changes), batch[0].Prefix, err)
		}
		l.confirmed(batch)
		done += len(batch)
	}
	return nil
}

// inject waits for the server no longer than ctx lasts.
func (a *Announcer) inject(ctx context.Context, vrf string, batch []rib.AnnounceChange) error {
	answer := make(chan error, 1)
	go func() { answer <- a.into.Inject(vrf, batch) }() // a server that never answers cannot be left
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoAnswer, ctx.Err())
	}
}

// Repeat sends all announcements of a VRF again, so that BGP judges them by the policies that
// it has now. Between its parts the VRF's worker has its turn.
func (a *Announcer) Repeat(ctx context.Context, vrf string) error {
	if _, err := a.feeds.Feed(vrf); err != nil {
		return nil // the VRF went, with all that was announced in it
	}
	l := a.Ledger(vrf)
	for part := range slices.Chunk(l.prefixes(nil), lookupBatch) {
		if err := a.repeat(ctx, vrf, l, part); err != nil {
			return err
		}
	}
	return nil
}

func (a *Announcer) repeat(ctx context.Context, vrf string, l *Ledger, part []netip.Prefix) error {
	l.order.Lock()
	defer l.order.Unlock()
	var again []rib.AnnounceChange
	for _, w := range l.these(part) {
		again = append(again, rib.AnnounceChange{Announcement: w})
	}
	return a.Send(ctx, vrf, l, again)
}

// Reannounce looks for announcements of a VRF in BGP, of some prefixes or, where that is
// nil, of all, sends again the missing ones, and returns how many of those came to be
// there. Between its parts the VRF's worker has its turn.
func (a *Announcer) Reannounce(ctx context.Context, vrf string, some map[netip.Prefix]bool) (n int, err error) {
	if _, err := a.feeds.Feed(vrf); err != nil {
		return 0, nil // the VRF went, with all that was announced in it
	}
	l := a.Ledger(vrf)
	for part := range slices.Chunk(l.prefixes(some), lookupBatch) {
		sent, err := a.reannounce(ctx, vrf, l, part)
		n += sent
		if err != nil {
			return n, fmt.Errorf("look for the announcements of VRF %q in BGP: %w", vrf, err)
		}
	}
	return n, nil
}

func (a *Announcer) reannounce(ctx context.Context, vrf string, l *Ledger, part []netip.Prefix) (int, error) {
	l.order.Lock()
	defer l.order.Unlock()
	want := l.these(part)
	there, err := a.into.Injected(ctx, vrf, want)
	if err != nil {
		return 0, err
	}
	var again []rib.AnnounceChange
	for _, w := range want {
		if !there[w.Prefix] {
			again = append(again, rib.AnnounceChange{Announcement: w})
		}
	}
	if len(again) == 0 {
		return 0, nil
	}
	if err := a.Send(ctx, vrf, l, again); err != nil {
		return 0, err
	}
	// An announcement that a policy keeps out of BGP was not lost.
	lost := slices.DeleteFunc(want, func(w rib.Announcement) bool { return there[w.Prefix] })
	there, err = a.into.Injected(ctx, vrf, lost)
	return len(there), err
}
