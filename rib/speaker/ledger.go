package speaker

import (
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// Ledger has the announcements of one VRF. Its lock keeps the order of changes: whoever makes
// several that belong together, or takes the VRF out, holds it meanwhile.
type Ledger struct {
	order sync.Mutex // held while changes are made

	mu sync.Mutex
	// routes are what BGP confirmed, each without its prefix: of a table that is imported most
	// announcements say the same, and have it in common.
	routes map[netip.Prefix]*rib.Announcement // guarded by mu
	common rib.Common                         // guarded by mu; of what was confirmed
	// asked are prefixes of which a message was sent and no answer came. They count as
	// not announced, and are withdrawn before the next changes.
	asked map[asked]struct{} // guarded by mu
	// suspended are the changes that announce all again when the VRF has been made anew.
	suspended []rib.AnnounceChange // guarded by mu
}

// asked names an announcement in a server: there is one for each reason.
type asked struct {
	prefix netip.Prefix
	as     rib.AnnouncedAs
}

// errNoAnswer is the error of a batch of which nobody knows whether BGP took it.
var errNoAnswer = errors.New("BGP does not answer")

func newLedger() *Ledger {
	return &Ledger{routes: make(map[netip.Prefix]*rib.Announcement), asked: make(map[asked]struct{})}
}

// Lock waits until nobody else makes changes.
func (l *Ledger) Lock() { l.order.Lock() }

// Unlock lets others make changes.
func (l *Ledger) Unlock() { l.order.Unlock() }

// list has the announcements that stand and that will be made again, by prefix.
func (l *Ledger) list() []rib.Announcement {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]rib.Announcement, 0, len(l.routes)+len(l.suspended))
	for p, r := range l.routes {
		list = append(list, announcementOf(p, r))
	}
	for _, c := range l.suspended {
		list = append(list, c.Announcement)
	}
	slices.SortFunc(list, func(x, y rib.Announcement) int { return x.Prefix.Compare(y.Prefix) })
	return list
}

func (l *Ledger) confirmed(batch []rib.AnnounceChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range batch {
		delete(l.asked, asked{c.Prefix, c.As})
		if c.Withdraw {
			delete(l.routes, c.Prefix)
		} else {
			l.routes[c.Prefix] = l.common.Of(c.Announcement)
		}
	}
}

// announcementOf is what is announced of a prefix, by what is kept of it.
func announcementOf(prefix netip.Prefix, kept *rib.Announcement) rib.Announcement {
	a := *kept
	a.Prefix = prefix
	return a
}

// failed records a batch that BGP did not confirm. Where BGP refused it, all is
// as it was. Where no answer came, nothing is known of its prefixes.
func (l *Ledger) failed(batch []rib.AnnounceChange, err error) {
	if !errors.Is(err, errNoAnswer) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range batch {
		delete(l.routes, c.Prefix)
		l.asked[asked{c.Prefix, c.As}] = struct{}{}
	}
}

// unanswered returns withdrawals of the prefixes of which no answer came: after them it
// is known what BGP has.
func (l *Ledger) unanswered() []rib.AnnounceChange {
	l.mu.Lock()
	defer l.mu.Unlock()
	var changes []rib.AnnounceChange
	for a := range l.asked {
		changes = append(changes, rib.AnnounceChange{Announcement: rib.Announcement{Prefix: a.prefix, As: a.as}, Withdraw: true})
	}
	return changes
}

// All returns changes that announce, or withdraw, everything that the VRF announces.
func (l *Ledger) All(withdraw bool) []rib.AnnounceChange {
	l.mu.Lock()
	defer l.mu.Unlock()
	changes := make([]rib.AnnounceChange, 0, len(l.routes))
	for p, r := range l.routes {
		changes = append(changes, rib.AnnounceChange{Announcement: announcementOf(p, r), Withdraw: withdraw})
	}
	return changes
}

// Suspend notes the announcements of a VRF that have been withdrawn with it.
func (l *Ledger) Suspend(all []rib.AnnounceChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.asked)
	l.suspended = all
}

// Resume returns the changes that Suspend noted, once.
func (l *Ledger) Resume() []rib.AnnounceChange {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.suspended
	l.suspended = nil
	return all
}

// prefixes are the announced prefixes among some; nil: all.
//
// Changes that are on their way are waited for: BGP has them already, as they were to be then.
func (l *Ledger) prefixes(some map[netip.Prefix]bool) []netip.Prefix {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []netip.Prefix
	for p := range l.routes {
		if some == nil || some[p] {
			list = append(list, p)
		}
	}
	return list
}

// these are the announcements of some prefixes.
func (l *Ledger) these(some []netip.Prefix) []rib.Announcement {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]rib.Announcement, 0, len(some))
	for _, p := range some {
		if a, still := l.routes[p]; still {
			list = append(list, announcementOf(p, a))
		}
	}
	return list
}
