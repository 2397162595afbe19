package nsworker

import (
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// teller tells those who listen what becomes of routes.
type teller struct {
	*books
	name string // of the VRF
	spec *vrf.Spec
	from *vrf.Tap // nil: nobody ever listens
	tap  *vrf.Tap // nil: nobody listens now
}

// look looks whether somebody listens. It is called at the beginning of a turn.
func (t *teller) look() {
	t.tap = t.from.Open()
	t.routes.tellState = nil
	if t.tap != nil {
		t.routes.tellState = t.state
	}
}

func (t *teller) event(prefix netip.Prefix, what, reason string, complete func(*vrf.RouteEvent)) {
	if t.tap != nil {
		t.tap.Emit(vrf.RouteEvent{Time: time.Now(), VRF: t.name, Of: t.spec.Of(), Prefix: prefix, What: what, Reason: reason}, complete)
	}
}

// state tells that an entry came into a state in which it is not installed.
func (t *teller) state(slot rib.Slot, e *route) {
	switch e.Note.state {
	case rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota:
		t.event(t.routes.feed.Prefix(slot), e.Note.state.String(), t.reason(slot, e), nil)
	}
}

// write tells of the kernel's answer to one change of a route.
func (t *teller) write(c write, err error) {
	if t.tap == nil {
		return
	}
	what, reason := "", ""
	switch {
	case err != nil:
		what, reason = vrf.RouteRefused, err.Error()
	case c.Op == rib.OpAdd:
		what = vrf.RouteAdded
	case c.Op == rib.OpReplace:
		what = vrf.RouteReplaced
	case c.Op == rib.OpDelete:
		what = vrf.RouteDeleted
	}
	t.event(c.Route.Prefix, what, reason, func(e *vrf.RouteEvent) {
		r := c.Route
		if r.NexthopID != 0 && c.slot != noSlot {
			f := nexthop.ForwardingOf(r)
			r.Hops = t.routes.Find(c.slot).Want.HopsOf(&f)
			r.NexthopID = 0
		}
		e.Text = flat(r.Format(t.view().Links))
	})
}

func (t *teller) announcement(c rib.AnnounceChange) {
	what := vrf.RouteAnnounced
	if c.Withdraw {
		what = vrf.RouteWithdrawn
	}
	t.event(c.Prefix, what, "", nil)
}
