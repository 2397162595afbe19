package nexthop

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// Endpoints is the ledger of one VRF's entries for other PEs on its VXLAN device, by the gateway
// that stands for each. There is one for each PE, however many prefixes it announces. All ways
// to a PE share it: those of both families, and of paths that are not chosen, so that it is
// there when they are.
//
// The device knows a MAC address once. Of two PEs that say they have the same one, the first
// counts until it is gone, and the other is not reached: the kernel would send the packets for
// the one to the other.
type Endpoints struct {
	ledger  *ledger.Ledger[netip.Addr, rib.Endpoint, rib.Endpoint, endpointNote]
	held    int                      // ways that have claimed one: Way.holds
	byMAC   map[rib.MAC]*endpoint    // that has an address
	refused map[netip.Addr]string    // what the kernel, or another program's entry, refused
	waiting map[*Way]struct{}        // ways that claimed what another has
	freed   bool                     // something was given back since they were asked again
	idle    map[netip.Addr]time.Time // since when nothing leads there
	tidy    ledger.Alarm             // when those are deleted
	doubt   ledger.Alarm             // when it is seen whether a path has each way still
	now     func() time.Time
}

type endpoint = ledger.Entry[rib.Endpoint, rib.Endpoint, endpointNote]

// endpointNote is what Endpoints keeps of an entry.
type endpointNote struct {
	users int32 // ways that have claimed it
	goes  bool  // it is to be deleted
}

func newEndpoints(o *Objects) *Endpoints {
	e := &Endpoints{
		byMAC: make(map[rib.MAC]*endpoint), refused: make(map[netip.Addr]string), waiting: make(map[*Way]struct{}),
		idle: make(map[netip.Addr]time.Time), now: time.Now,
	}
	var clock *ledger.Contention
	if o != nil {
		e.now, clock = o.now, o.clock
	}
	e.ledger = ledger.New(ledger.NewMap[netip.Addr, endpoint](), endpointRules{}, clock, new(ledger.Drifts))
	return e
}

// endpointRules are what the ledger of endpoints is told of them.
type endpointRules struct{}

// Comes implements ledger.Rules. What nobody wants stays until it is tidied away.
func (endpointRules) Comes(e *endpoint) *rib.Endpoint {
	switch {
	case e.Note.goes:
		return nil
	case e.Want != nil:
		return e.Want
	}
	return e.Have
}

// Same implements ledger.Rules.
func (endpointRules) Same(have, want *rib.Endpoint) bool { return *have == *want }

// Replaced implements ledger.Rules.
func (endpointRules) Replaced(_, _ *rib.Endpoint) {}

// claim has a way use the endpoint that it leads to, and no other. Where it cannot be had, the
// way leads nowhere.
func (e *Endpoints) claim(way *Way) {
	to := way.lead.Endpoint
	if to == nil {
		e.release(way)
		return
	}
	delete(e.waiting, way)
	if err := e.available(way, to); err != nil {
		e.release(way)
		e.waiting[way] = struct{}{}
		e.doubt.At(e.now().Add(contestPause)) // the same router may be elsewhere now
		way.lead = rib.NoLead(fmt.Errorf("PE %s is not reached: %w", way.Addr, err))
		return
	}
	if way.holds != nil && way.holds.Want.Gateway == to.Gateway {
		e.want(to)
	} else {
		e.release(way)
		way.holds = e.want(to)
		way.holds.Note.users++
		e.held++
	}
	way.lead.Endpoint = way.holds.Want
}

// want has an endpoint written.
func (e *Endpoints) want(to *rib.Endpoint) *endpoint {
	entry := e.ledger.Begin(to.Gateway, rib.IPv6)
	entry.Note.goes = false
	if entry.Want == nil || *entry.Want != *to {
		entry.Want = to
		e.ledger.Mark(to.Gateway, entry)
	}
	e.byMAC[to.MAC] = entry
	delete(e.idle, to.Gateway)
	return entry
}

// available says why a way cannot have an endpoint; nil: it can.
func (e *Endpoints) available(way *Way, to *rib.Endpoint) error {
	if why := e.refused[to.Gateway]; why != "" {
		return fmt.Errorf("its entries on the VXLAN device cannot be written: %s", why)
	}
	for _, entry := range [...]*endpoint{e.ledger.Find(to.Gateway), e.byMAC[to.MAC]} {
		if entry == nil || entry.Want == nil || *entry.Want == *to || way.holds == entry && entry.Note.users == 1 {
			continue // nobody has it, or this way alone
		}
		if has := entry.Want; has.Ifindex == to.Ifindex {
			return fmt.Errorf("its router's MAC address %s is that of %s too, with the VNI %s; give each router one of its own", to.MAC, has.VTEP, vniOf(has))
		}
	}
	return nil
}

func vniOf(e *rib.Endpoint) string {
	if e.VNI == 0 {
		return "of this VRF"
	}
	return fmt.Sprint(e.VNI)
}

// release gives back what a way has.
func (e *Endpoints) release(way *Way) {
	delete(e.waiting, way)
	entry := way.holds
	if entry == nil {
		return
	}
	way.holds = nil
	e.held--
	if entry.Note.users--; entry.Note.users > 0 {
		return
	}
	gateway := entry.Want.Gateway
	if e.byMAC[entry.Want.MAC] == entry {
		delete(e.byMAC, entry.Want.MAC)
	}
	entry.Want = nil
	e.freed = true
	e.unused(gateway)
	e.ledger.Mark(gateway, entry)
}

// unused notes that nothing leads to an endpoint. It stays a while: routes may hang on it still.
func (e *Endpoints) unused(gateway netip.Addr) {
	e.idle[gateway] = e.now()
	e.tidy.At(e.now().Add(KeepUnused))
}

// contestPause is how long after one way was refused what another has it is seen whether a path
// has that other one still.
const contestPause = 100 * time.Millisecond

// Heard takes in that paths have changed: some way may have lost its last one.
func (e *Endpoints) Heard() {
	if e.held > 0 {
		e.doubt.At(e.now().Add(KeepUnused))
	}
}

// Doubted tells whether the time has come to see which ways no path has any more. may says that
// nothing is due, so that the ways of all paths are known.
func (e *Endpoints) Doubted(may bool) bool { return may && e.doubt.Rings(e.now()) }

// forget ends the claims of a way that is no more.
func (e *Endpoints) forget(way *Way) { e.release(way) }

// due tells whether ways that wait for an endpoint are to be looked up again.
func (e *Endpoints) due() bool { return e.freed && len(e.waiting) > 0 }

// released yields, once, those ways.
func (e *Endpoints) released() (ways []*Way) {
	if e.due() {
		ways = slices.Collect(maps.Keys(e.waiting))
	}
	e.freed = false
	return ways
}

// Len is how many the device has.
func (e *Endpoints) Len() int { return e.ledger.Has() }

// Idle tells whether nothing is due.
func (e *Endpoints) Idle() bool { return e.ledger.Idle() }
