package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// announcements is the ledger of what a VRF announces of its table: what BGP has is set
// against what the import policy makes of the kernel's routes.
type announcements struct {
	*ledger.Ledger[netip.Prefix, rib.Announcement, rib.Announcement, wanted]
	name    string // of the VRF
	bgp     BGP
	counts  [rib.Families]int // announced now
	failed  int               // Announce calls in a row that failed
	again   time.Time         // when the next one may be made
	prefix  []netip.Prefix    // reused
	batch   []*announced      // reused; the entries of prefix
	decided func(netip.Prefix) (rib.Announcement, bool)
}

// announced is an entry of the ledger.
type announced = ledger.Entry[rib.Announcement, rib.Announcement, wanted]

// wanted notes, while all is decided again, that something is to be announced.
type wanted bool

// newAnnouncements knows of nothing that is announced: see ask. decide says what is to be
// announced of a prefix; false: nothing.
func newAnnouncements(name string, bgp BGP, c *ledger.Contention, decide func(netip.Prefix) (rib.Announcement, bool)) *announcements {
	a := &announcements{name: name, bgp: bgp, decided: decide}
	a.Ledger = ledger.New(ledger.NewMap[netip.Prefix, announced](), a, c, new(ledger.Drifts))
	return a
}

// Comes implements ledger.Rules.
func (a *announcements) Comes(e *announced) *rib.Announcement { return e.Want }

// Same implements ledger.Rules.
func (a *announcements) Same(have, want *rib.Announcement) bool {
	return have.Equal(want)
}

// Replaced implements ledger.Rules.
func (a *announcements) Replaced(was, is *rib.Announcement) {
	if was != nil {
		a.counts[rib.FamilyOf(was.Prefix)]--
	}
	if is != nil {
		a.counts[rib.FamilyOf(is.Prefix)]++
	}
}

// begin takes what BGP says is announced for what should be, until the table was read. with is
// told of each.
func (a *announcements) begin(with func(rib.Announcement)) {
	a.ask()
	for _, e := range a.All {
		if e.Want = e.Have; e.Have != nil {
			with(*e.Have)
		}
	}
}

// ask makes what BGP says is announced the truth.
func (a *announcements) ask() {
	for prefix, e := range a.All {
		a.Put(e, nil)
		a.Mark(prefix, e)
	}
	for _, now := range a.bgp.Announced(a.name) {
		e := a.Begin(now.Prefix, rib.FamilyOf(now.Prefix))
		a.Put(e, &now)
		a.Mark(now.Prefix, e)
	}
}

// want has exactly what all yields announced.
func (a *announcements) want(all func(yield func(rib.Announcement))) {
	all(func(is rib.Announcement) {
		e := a.Begin(is.Prefix, rib.FamilyOf(is.Prefix))
		e.Note = true
		if e.Want == nil || !a.Same(e.Want, &is) {
			want := is
			e.Want = &want
			a.Mark(is.Prefix, e)
		}
	})
	for prefix, e := range a.All {
		if !e.Note {
			e.Want = nil
			a.Mark(prefix, e)
		}
		e.Note = false
	}
}

// look has it decided again what is announced of a prefix.
func (a *announcements) look(prefix netip.Prefix) {
	a.MarkAnew(prefix, a.Begin(prefix, rib.FamilyOf(prefix)))
}

// evaluate looks at one marked entry.
func (a *announcements) evaluate(prefix netip.Prefix, e *announced) {
	if e.Anew() {
		switch want, is := a.decided(prefix); {
		case !is:
			e.Want = nil
		case e.Want == nil || !a.Same(e.Want, &want):
			e.Want = &want
		}
	}
	if a.Settle(prefix, e) == ledger.Empty {
		a.Drop(prefix, e)
	}
}

// announceBatch bounds the changes of one Announce.
const announceBatch = 1000

// send makes one batch of the due announcements, and returns those that BGP took.
func (a *announcements) send(ctx context.Context) ([]rib.AnnounceChange, error) {
	if a.again.After(time.Now()) {
		return nil, nil
	}
	if a.Waiting() == 0 {
		a.failed = 0 // BGP had taken them
		return nil, nil
	}
	a.prefix = a.Next(a.prefix, announceBatch)
	changes := make([]rib.AnnounceChange, 0, len(a.prefix))
	a.batch = a.batch[:0]
	for _, prefix := range a.prefix {
		e := a.Find(prefix)
		a.batch = append(a.batch, e)
		switch {
		case e.Want != nil:
			if e.Have != nil && e.Have.As != e.Want.As { // another path of BGP's
				changes = append(changes, rib.AnnounceChange{Announcement: *e.Have, Withdraw: true})
			}
			changes = append(changes, rib.AnnounceChange{Announcement: *e.Want})
		case e.Have != nil:
			changes = append(changes, rib.AnnounceChange{Announcement: *e.Have, Withdraw: true})
		}
	}
	if err := a.bgp.Announce(ctx, a.name, changes); err != nil {
		return nil, err
	}
	a.failed = 0
	for i, prefix := range a.prefix {
		e := a.batch[i]
		a.Put(e, e.Want)
		a.Mark(prefix, e)
	}
	return changes, nil
}

// failedToSend keeps the changes due, and asks BGP what is in force.
func (a *announcements) failedToSend(err error) error {
	if a.failed++; a.failed >= attempts {
		return fmt.Errorf("announce routes to BGP, %d times in a row: %w", a.failed, err)
	}
	a.again = time.Now().Add(retryFirst << a.failed)
	a.ask()
	return nil
}

// sendTime is when the next batch may be made; zero: none is to be.
func (a *announcements) sendTime() time.Time {
	switch {
	case a.Idle() && a.failed == 0:
		return time.Time{}
	case a.again.IsZero():
		return time.Now()
	}
	return a.again
}

// has is what is announced of a prefix; nil: nothing.
func (a *announcements) has(prefix netip.Prefix) *rib.Announcement {
	if e := a.Find(prefix); e != nil {
		return e.Have
	}
	return nil
}

// announcedNow returns what is announced of a prefix; false: nothing is.
func (a *announcements) announcedNow(prefix netip.Prefix) (rib.Announcement, bool) {
	if e := a.Find(prefix); e != nil && e.Have != nil {
		return *e.Have, true
	}
	return rib.Announcement{}, false
}

// due tells whether what is announced of a prefix is to be changed.
func (a *announcements) due(prefix netip.Prefix) bool {
	e := a.Find(prefix)
	return e != nil && e.Due()
}

// total is how many prefixes are announced.
func (a *announcements) total() int { return a.counts[rib.IPv4] + a.counts[rib.IPv6] }
