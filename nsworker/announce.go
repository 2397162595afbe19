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
// against what the import policy makes of the kernel's routes. Both are kept without the prefix:
// of a table that is imported most announcements say the same, and have it in common.
type announcements struct {
	*ledger.Ledger[*told, rib.Announcement, rib.Announcement, wanted]
	store   byPrefix
	name    string // of the VRF
	bgp     BGP
	counts  [rib.Families]int // announced now
	failed  int               // Announce calls in a row that failed
	again   time.Time         // when the next one may be made
	batch   []*told           // reused
	common  rib.Common
	decided func(netip.Prefix) (rib.Announcement, bool)
}

// announced is an entry of the ledger.
type announced = ledger.Entry[rib.Announcement, rib.Announcement, wanted]

// wanted notes, while all is decided again, that something is to be announced.
type wanted bool

// told is the place of a prefix in the ledger, which has it for a key: a prefix is hashed where one
// is asked for, and not at each step of its way.
type told struct {
	prefix netip.Prefix
	entry  announced
}

// byPrefix is the store of the ledger.
type byPrefix map[netip.Prefix]*told

// At implements ledger.Store.
func (s byPrefix) At(t *told) *announced { s[t.prefix] = t; return &t.entry }

// Find implements ledger.Store. A place that was dropped has an entry that is not used.
func (s byPrefix) Find(t *told) *announced { return &t.entry }

// Drop implements ledger.Store.
func (s byPrefix) Drop(t *told) { delete(s, t.prefix) }

// All implements ledger.Store.
func (s byPrefix) All(yield func(*told, *announced) bool) {
	for _, t := range s {
		if !yield(t, &t.entry) {
			return
		}
	}
}

// newAnnouncements knows of nothing that is announced: see ask. decide says what is to be
// announced of a prefix; false: nothing.
func newAnnouncements(name string, bgp BGP, c *ledger.Contention, decide func(netip.Prefix) (rib.Announcement, bool)) *announcements {
	a := &announcements{name: name, bgp: bgp, decided: decide, store: make(byPrefix)}
	a.Ledger = ledger.New(a.store, a, c, new(ledger.Drifts))
	return a
}

// Comes implements ledger.Rules.
func (a *announcements) Comes(e *announced) *rib.Announcement { return e.Want }

// Same implements ledger.Rules.
func (a *announcements) Same(have, want *rib.Announcement) bool {
	return have == want || have.Equal(want)
}

// Replaced implements ledger.Rules. What is counted has a family, which the entry knows: see put.
func (a *announcements) Replaced(_, _ *rib.Announcement) {}

// put notes what BGP has of an entry now; nil: nothing.
func (a *announcements) put(e *announced, have *rib.Announcement) {
	if e.Have != nil {
		a.counts[e.Family()]--
	}
	if have != nil {
		a.counts[e.Family()]++
	}
	a.Put(e, have)
}

// place is that of a prefix, which gets one where it has none.
func (a *announcements) place(prefix netip.Prefix) *told {
	t := a.store[prefix]
	if t == nil {
		t = &told{prefix: prefix}
		a.Begin(t, rib.FamilyOf(prefix))
	}
	return t
}

// of is what is kept of a place as it is announced.
func (t *told) of(kept *rib.Announcement) rib.Announcement {
	is := *kept
	is.Prefix = t.prefix
	return is
}

// begin takes what BGP says is announced for what should be, until the table was read. with is
// told of each.
func (a *announcements) begin(with func(rib.Announcement)) {
	a.ask()
	for t, e := range a.All {
		if e.Want = e.Have; e.Have != nil {
			with(t.of(e.Have))
		}
	}
}

// ask makes what BGP says is announced the truth.
func (a *announcements) ask() {
	for t, e := range a.All {
		a.put(e, nil)
		a.Mark(t, e)
	}
	for _, now := range a.bgp.Announced(a.name) {
		t := a.place(now.Prefix)
		a.put(&t.entry, a.common.Of(now))
		a.Mark(t, &t.entry)
	}
}

// want has exactly what all yields announced.
func (a *announcements) want(all func(yield func(rib.Announcement))) {
	all(func(is rib.Announcement) {
		t := a.place(is.Prefix)
		if t.entry.Note = true; a.wants(&t.entry, is) {
			a.Mark(t, &t.entry)
		}
	})
	for t, e := range a.All {
		if !e.Note {
			e.Want = nil
			a.Mark(t, e)
		}
		e.Note = false
	}
}

// wants has something announced, and tells whether it is another than was wanted.
func (a *announcements) wants(e *announced, is rib.Announcement) bool {
	want := a.common.Of(is)
	if e.Want != nil && a.Same(e.Want, want) {
		return false
	}
	e.Want = want
	return true
}

// look has it decided again what is announced of a prefix.
func (a *announcements) look(prefix netip.Prefix) {
	t := a.place(prefix)
	a.MarkAnew(t, &t.entry)
}

// evaluate looks at one marked entry.
func (a *announcements) evaluate(t *told, e *announced) {
	if e.Anew() {
		if want, is := a.decided(t.prefix); is {
			a.wants(e, want)
		} else {
			e.Want = nil
		}
	}
	if a.Settle(t, e) == ledger.Empty {
		a.Drop(t, e)
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
	a.batch = a.Next(a.batch, announceBatch)
	changes := make([]rib.AnnounceChange, 0, len(a.batch))
	for _, t := range a.batch {
		switch e := &t.entry; {
		case e.Want != nil:
			if e.Have != nil && e.Have.As != e.Want.As { // another path of BGP's
				changes = append(changes, rib.AnnounceChange{Announcement: t.of(e.Have), Withdraw: true})
			}
			changes = append(changes, rib.AnnounceChange{Announcement: t.of(e.Want)})
		case e.Have != nil:
			changes = append(changes, rib.AnnounceChange{Announcement: t.of(e.Have), Withdraw: true})
		}
	}
	if err := a.bgp.Announce(ctx, a.name, changes); err != nil {
		return nil, err
	}
	a.failed = 0
	for _, t := range a.batch {
		a.put(&t.entry, t.entry.Want)
		a.Mark(t, &t.entry)
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
	if is, there := a.announcedNow(prefix); there {
		return &is
	}
	return nil
}

// announcedNow returns what is announced of a prefix; false: nothing is.
func (a *announcements) announcedNow(prefix netip.Prefix) (rib.Announcement, bool) {
	if t := a.store[prefix]; t != nil && t.entry.Have != nil {
		return t.of(t.entry.Have), true
	}
	return rib.Announcement{}, false
}

// due tells whether what is announced of a prefix is to be changed.
func (a *announcements) due(prefix netip.Prefix) bool {
	t := a.store[prefix]
	return t != nil && t.entry.Due()
}

// total is how many prefixes are announced.
func (a *announcements) total() int { return a.counts[rib.IPv4] + a.counts[rib.IPv6] }
