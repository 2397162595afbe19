package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// announceBatch is how many paths GoBGP's loop takes at once, whole or not at all:
// others wait for it meanwhile.
const announceBatch = 100

// announcer puts routes into BGP, past its API: see injector.
type announcer struct {
	into injector

	mu   sync.Mutex
	vrfs map[string]*announced // guarded by mu
}

// announced is what a VRF announces.
type announced struct {
	order sync.Mutex // held while changes are made

	mu     sync.Mutex
	routes map[netip.Prefix]rib.Announcement // guarded by mu; what BGP confirmed
	// doubt are prefixes of which a message was sent and no answer came. They
	// count as not announced, and are withdrawn before the next changes.
	doubt map[netip.Prefix]struct{} // guarded by mu
	// suspended is what is to be announced again when the VRF has been made anew.
	suspended []rib.AnnounceChange // guarded by mu
}

func newAnnouncer(k *keeper) *announcer {
	return &announcer{into: injector{k}, vrfs: make(map[string]*announced)}
}

// of returns what a VRF announces, and makes it where it is new.
func (a *announcer) of(vrf string) *announced {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.vrfs[vrf]
	if d == nil {
		d = &announced{routes: make(map[netip.Prefix]rib.Announcement), doubt: make(map[netip.Prefix]struct{})}
		a.vrfs[vrf] = d
	}
	return d
}

// Announced returns what is announced for a VRF, by prefix: what BGP confirmed.
func (s *Speaker) Announced(vrf string) []rib.Announcement {
	d := s.announcer.of(vrf)
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]rib.Announcement, 0, len(d.routes)+len(d.suspended))
	for _, r := range d.routes {
		list = append(list, r)
	}
	for _, c := range d.suspended {
		list = append(list, c.Announcement)
	}
	slices.SortFunc(list, func(x, y rib.Announcement) int { return x.Prefix.Compare(y.Prefix) })
	return list
}

// Announce makes changes to what a VRF announces: into its VPN table with its
// RD and export RTs, or for "default" into the global one. The nexthop is
// whatever address each session has here, the origin is incomplete. It waits
// until BGP runs.
//
// GoBGP takes the changes in batches. Where one fails, those before it hold,
// and Announced says what is announced. Withdrawals for a VRF that is not
// configured any more succeed: its routes went with it.
func (s *Speaker) Announce(ctx context.Context, vrf string, changes []rib.AnnounceChange) error {
	if err := s.waitStarted(ctx); err != nil {
		return fmt.Errorf("announce routes of VRF %q: %w", vrf, err)
	}
	for _, c := range changes {
		if !c.Prefix.IsValid() || c.Prefix != c.Prefix.Masked() {
			return fmt.Errorf("announce routes of VRF %q: %v is no prefix without host bits", vrf, c.Prefix)
		}
	}
	d := s.announcer.of(vrf)
	d.order.Lock()
	defer d.order.Unlock()
	if _, err := s.Feed(vrf); err != nil {
		if slices.ContainsFunc(changes, func(c rib.AnnounceChange) bool { return !c.Withdraw }) {
			return err
		}
		return nil
	}
	return s.announcer.send(ctx, vrf, d, changes)
}

// send makes changes; d.order is held.
func (a *announcer) send(ctx context.Context, vrf string, d *announced, changes []rib.AnnounceChange) error {
	changes = append(d.doubted(), changes...)
	done := 0
	for batch := range slices.Chunk(changes, announceBatch) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("announce routes of VRF %q: %d of %d are done: %w", vrf, done, len(changes), err)
		}
		// A batch that is on its way is seen through: giving up in the middle
		// would leave unknown what BGP has.
		bctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		err := a.sendBatch(bctx, vrf, batch)
		cancel()
		if err != nil {
			d.failed(batch, err)
			return fmt.Errorf("announce routes of VRF %q: %d of %d are done, the batch from %s on failed: %w",
				vrf, done, len(changes), batch[0].Prefix, err)
		}
		d.confirmed(batch)
		done += len(batch)
	}
	return nil
}

// errNoAnswer is that of a batch of which nobody knows whether BGP took it.
var errNoAnswer = errors.New("BGP does not answer")

// sendBatch waits for GoBGP's loop no longer than ctx lasts.
func (a *announcer) sendBatch(ctx context.Context, vrf string, batch []rib.AnnounceChange) error {
	answer := make(chan error, 1)
	go func() { answer <- a.into.put(vrf, batch) }() // a loop that never answers cannot be left
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNoAnswer, ctx.Err())
	}
}

func (d *announced) confirmed(batch []rib.AnnounceChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range batch {
		delete(d.doubt, c.Prefix)
		if c.Withdraw {
			delete(d.routes, c.Prefix)
		} else {
			d.routes[c.Prefix] = c.Announcement
		}
	}
}

// failed records a batch that BGP did not confirm. Where BGP refused it, all is
// as it was. Where no answer came, nothing is known.
func (d *announced) failed(batch []rib.AnnounceChange, err error) {
	if !errors.Is(err, errNoAnswer) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range batch {
		delete(d.routes, c.Prefix)
		d.doubt[c.Prefix] = struct{}{}
	}
}

// forget drops what is known of VRFs that are not in c: it went with them.
func (a *announcer) forget(c *conf) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name := range a.vrfs {
		if _, kept := c.vrf(name); !kept && name != Default {
			delete(a.vrfs, name)
		}
	}
}

// doubted returns the withdrawals that end all doubt.
func (d *announced) doubted() []rib.AnnounceChange {
	d.mu.Lock()
	defer d.mu.Unlock()
	var changes []rib.AnnounceChange
	for p := range d.doubt {
		changes = append(changes, rib.AnnounceChange{Announcement: rib.Announcement{Prefix: p}, Withdraw: true})
	}
	return changes
}

// all returns changes that announce, or withdraw, everything that d announces.
func (d *announced) all(withdraw bool) []rib.AnnounceChange {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := make([]rib.AnnounceChange, 0, len(d.routes))
	for _, r := range d.routes {
		changes = append(changes, rib.AnnounceChange{Announcement: r, Withdraw: withdraw})
	}
	return changes
}

// suspend notes what the VRF announced, which has been withdrawn.
func (d *announced) suspend(all []rib.AnnounceChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.doubt)
	d.suspended = all
}

// resume returns what suspend noted, once.
func (d *announced) resume() []rib.AnnounceChange {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.suspended
	d.suspended = nil
	return all
}
