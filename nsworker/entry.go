package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// route is one prefix on its way from BGP to the kernel, in 24 bytes: a full table has a
// million.
type route = ledger.Entry[nexthop.Set, nexthop.Forwarding, note]

// note is what routes keeps of an entry.
type note struct {
	state  rib.State
	out    rib.Cause // why it is Filtered
	counts bool      // it has a place in the quota
	past   past
}

// noSlot stands, beside a change, for no entry: it is of a superseded route.
const noSlot = ^rib.Slot(0)

// maker is what is known of the path that a standing route was made of.
type maker uint8

const (
	makerUnknown maker = iota
	makerCame          // there is a path that leads as the route does
	makerLeft          // there was one, and it is gone
)

// past is, in one byte of an entry, the maker of its standing route, how its own route stood
// when that was told last, and whether it is confirmed to BGP.
type past uint8

// Where the latter two are.
const (
	stoodAt     = 2
	confirmedAt = 4
	makerBits   = 1<<stoodAt - 1
	stoodBits   = 1<<confirmedAt - 1<<stoodAt
)

func (p past) maker() maker { return maker(p & makerBits) }

func (p past) stood() stands { return stands(p & stoodBits >> stoodAt) }

func (p *past) stand(s stands) { *p = *p&^stoodBits | past(s)<<stoodAt }

func (p past) confirmed() bool { return p>>confirmedAt != 0 }

func (p *past) confirm(is bool) {
	*p &= 1<<confirmedAt - 1
	if is {
		*p |= 1 << confirmedAt
	}
}

// saw takes in whether a path that leads as the route does is there.
func (p *past) saw(there bool) {
	now := p.maker()
	switch {
	case there:
		now = makerCame
	case now == makerCame:
		now = makerLeft
	}
	*p = *p&^makerBits | past(now)
}

// stands is how a route of ours stands in the table, as far as the import of others beside it
// depends on that.
type stands uint8

const (
	standsNot stands = iota
	standsHere
	standsElsewhere // under another metric than the VRF's
)
