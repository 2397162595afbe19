package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// entry is one prefix on its way from BGP to the kernel. The session has one for
// each slot of the feed that it holds, in 24 bytes: a full table has a million.
type entry struct {
	target *target     // what the best paths come down to; nil: nothing is to be installed
	have   *forwarding // what the kernel confirmed, or showed, of ours; nil: nothing
	state  rib.State
	seen   uint8     // 1 + the vrf.Drift that a reading showed just now; 0: none
	drift  uint8     // the same, counted and not mended yet
	family uint8     // 1 + the rib.Family; 0: the slot has no entry
	counts bool      // holds a place in the quota
	left   rib.Cause // why it is Filtered
	due    bool      // to be written
	queued bool      // in the due list, due or no longer
}

func (e *entry) used() bool { return e.family != 0 }

// is tells whether e, which is used, is of a family.
func (e *entry) is(f rib.Family) bool { return e.family == 1+uint8(f) }

// begin makes e the entry of a prefix whose slot is held.
func (e *entry) begin(prefix netip.Prefix) { e.family = 1 + uint8(rib.FamilyOf(prefix)) }

func (e *entry) six() int {
	if e.is(rib.IPv6) {
		return 1
	}
	return 0
}

// want is what should be in the kernel.
func (e *entry) want() *forwarding {
	if e.target == nil || e.state == rib.OverQuota {
		return nil
	}
	return e.target.want
}

// dueList is the entries to be written, in the order in which they became due.
// One that is due no longer stays in the list until its turn comes, so that an
// entry is in it once however often it changes its mind.
type dueList struct {
	slots   []rib.Slot
	waiting int // entries that are due
	six     int // those of them that are IPv6
}

func (d *dueList) add(slot rib.Slot, e *entry) {
	if !e.due {
		e.due = true
		d.waiting++
		d.six += e.six()
	}
	if !e.queued {
		e.queued = true
		d.slots = append(d.slots, slot)
	}
}

func (d *dueList) remove(e *entry) {
	if e.due {
		e.due = false
		d.waiting--
		d.six -= e.six()
	}
}

// of returns how many entries of a family are due.
func (d *dueList) of(f rib.Family) int {
	if f == rib.IPv6 {
		return d.six
	}
	return d.waiting - d.six
}

// next takes at most n slots from the list, those of entries that are due no
// longer among them. They are good until the next add.
func (d *dueList) next(n int) []rib.Slot {
	n = min(n, len(d.slots))
	batch := d.slots[:n:n]
	if d.slots = d.slots[n:]; len(d.slots) == 0 {
		d.slots = nil // the array behind it may be a whole table long
	}
	return batch
}
