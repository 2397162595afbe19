package nexthop

import (
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// Load takes in a reading of the endpoints that are ours. trusted says that what was known before
// had been read, or confirmed.
func (e *Endpoints) Load(read []rib.Endpoint, trusted bool) {
	e.ledger.Trusted = trusted
	there := make(map[netip.Addr]rib.Endpoint, len(read))
	for _, to := range read {
		there[to.Gateway] = to
	}
	for gateway, entry := range e.ledger.All {
		if _, is := there[gateway]; !is && entry.Have != nil {
			e.ledger.Put(entry, nil) // mostly with the device's link: that is no drift
		}
		e.ledger.Mark(gateway, entry)
	}
	for gateway, to := range there {
		entry := e.ledger.Begin(gateway, rib.IPv6)
		if entry.Have == nil || *entry.Have != to {
			e.ledger.Differs(entry)
		}
		e.ledger.Put(entry, &to)
		if entry.Note.users == 0 {
			if _, known := e.idle[gateway]; !known {
				e.unused(gateway)
			}
		}
		e.ledger.Mark(gateway, entry)
	}
	if e.spare() {
		e.tidy.At(e.now().Add(KeepUnused))
	}
}

// Settle compares what is wanted of the marked endpoints with what is there.
func (e *Endpoints) Settle() {
	e.ledger.Pass(func(gateway netip.Addr, entry *endpoint) {
		if e.ledger.Settle(gateway, entry) == ledger.Empty && entry.Note.users == 0 {
			delete(e.idle, gateway)
			e.ledger.Drop(gateway, entry)
		}
	})
}

// Changes takes all changes that are due.
func (e *Endpoints) Changes() (changes []rib.Change) {
	for _, gateway := range e.ledger.Next(nil, e.ledger.Waiting()) {
		entry := e.ledger.Find(gateway)
		if want := (endpointRules{}).Comes(entry); want != nil {
			changes = append(changes, rib.Change{Op: rib.OpSetEndpoint, Endpoint: *want})
			continue
		}
		changes = append(changes, rib.Change{Op: rib.OpDeleteEndpoint, Endpoint: *entry.Have})
	}
	return changes
}

// Confirmed takes in that the kernel made a change.
func (e *Endpoints) Confirmed(c rib.Change) {
	entry := e.ledger.Find(c.Endpoint.Gateway)
	if c.Op == rib.OpDeleteEndpoint {
		e.ledger.Put(entry, nil)
		entry.Note.goes = false
	} else {
		e.ledger.Put(entry, &c.Endpoint)
	}
	e.ledger.Mark(c.Endpoint.Gateway, entry)
}

// Try has those looked up and written again that were refused.
func (e *Endpoints) Try() {
	if len(e.refused) > 0 {
		clear(e.refused)
		e.freed = true
	}
}

// TidyTime is when what is unused is to be deleted; zero: nothing is.
func (e *Endpoints) TidyTime() time.Time { return e.tidy.When() }

// Tidy marks for deletion what nothing has led to for a while. may says that no route hangs on
// an earlier way. It tells whether the ways are to be forgotten that no path has any more: some
// may hold endpoints.
func (e *Endpoints) Tidy(may bool) (forget bool) {
	now := e.now()
	if !may || !e.tidy.Rings(now) {
		return false
	}
	for gateway, since := range e.idle {
		entry := e.ledger.Find(gateway)
		switch {
		case entry == nil || entry.Note.users > 0:
			delete(e.idle, gateway)
		case since.After(now.Add(-KeepUnused)):
			e.tidy.At(since.Add(KeepUnused))
		default:
			entry.Note.goes = true
			e.ledger.Mark(gateway, entry)
		}
	}
	return e.spare()
}

// Removal returns what deletes every endpoint of this VRF that a reading has, behind the routes.
func (*Endpoints) Removal(read []rib.Endpoint) []rib.Change {
	changes := make([]rib.Change, len(read))
	for i, to := range read {
		changes[i] = rib.Change{Op: rib.OpDeleteEndpoint, Endpoint: to}
	}
	return changes
}
