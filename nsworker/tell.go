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
	what, reason := answerOf(c.Op, err)
	t.event(c.Route.Prefix, what, reason, func(e *vrf.RouteEvent) { e.Text = t.text(c) })
}

// answerOf is what became of a route by the kernel's answer to a change of it.
func answerOf(op rib.Op, err error) (what, reason string) {
	switch {
	case err != nil:
		return vrf.RouteRefused, err.Error()
	case op == rib.OpAdd:
		return vrf.RouteAdded, ""
	case op == rib.OpReplace:
		return vrf.RouteReplaced, ""
	case op == rib.OpDelete:
		return vrf.RouteDeleted, ""
	}
	return "", ""
}

// text is the route of a change, as `ip route` prints it.
func (t *teller) text(c write) string {
	r := c.Route
	if r.NexthopID != 0 && c.slot != noSlot {
		f := nexthop.ForwardingOf(r)
		r.Hops = t.routes.Find(c.slot).Want.HopsOf(&f)
		r.NexthopID = 0
	}
	return flat(r.Format(t.view().Links))
}

func (t *teller) announcement(c rib.AnnounceChange) {
	what := vrf.RouteAnnounced
	if c.Withdraw {
		what = vrf.RouteWithdrawn
	}
	t.event(c.Prefix, what, "", nil)
}

// mostFollowed bounds the routes of a VRF that are followed at the same time.
const mostFollowed = 1024

// traces are the routes that are followed from BGP to the kernel. A nil traces follows none, and
// costs who calls it a look at a pointer.
type traces struct {
	*books
	tell *teller
	from Tracer
	ways map[rib.Slot]*followed
}

// followed is one of them.
type followed struct {
	vrf.RouteWay
	end func(vrf.RouteWay)
}

func newTraces(from Tracer, tell *teller) *traces {
	if from == nil {
		return nil
	}
	return &traces{books: tell.books, tell: tell, from: from, ways: make(map[rib.Slot]*followed)}
}

// took takes in what the worker took from its feed just now. A route that is followed already is
// not followed twice.
func (t *traces) took(entries []rib.Entry) {
	if t != nil {
		t.take(entries)
	}
}

func (t *traces) take(entries []rib.Entry) {
	now := time.Now()
	for i := range entries {
		e := &entries[i]
		if len(t.ways) >= mostFollowed {
			return
		}
		if t.ways[e.Slot] != nil {
			continue
		}
		changed := rib.ChangedAt(t.routes.feed, e)
		if end := t.from.Follow(t.tell.name, e.Prefix, changed); end != nil {
			t.ways[e.Slot] = &followed{vrf.RouteWay{
				VRF: t.tell.name, Netns: t.tell.spec.Binding.Netns, Prefix: e.Prefix, Changed: changed, Taken: now, Paths: len(e.Paths),
			}, end}
		}
	}
}

// look ends the ways of those that nothing is to be written for, once it is decided what becomes
// of them.
func (t *traces) look() {
	if t != nil && len(t.ways) > 0 {
		t.decided()
	}
}

func (t *traces) decided() {
	now := time.Now()
	for slot, w := range t.ways {
		if w.Chosen.IsZero() {
			w.Chosen = now
		}
		e := t.routes.Find(slot)
		if e != nil && e.Due() {
			continue
		}
		w.What, w.Ended = vrf.RouteKept, w.Chosen
		if e != nil && e.Note.state != 0 && e.Note.state != rib.Installed {
			w.What, w.Reason = e.Note.state.String(), t.reason(slot, e)
		}
		t.finish(slot, w)
	}
}

// wrote takes in the kernel's answer to one change of a route, before the books do.
func (t *traces) wrote(c *write, err error) {
	if t != nil && !c.spare {
		t.answered(c, err)
	}
}

func (t *traces) answered(c *write, err error) {
	w := t.ways[c.slot]
	if w == nil {
		return
	}
	w.What, w.Reason = answerOf(c.Op, err)
	w.Text, w.Ended = t.tell.text(*c), time.Now()
	t.finish(c.slot, w)
}

func (t *traces) finish(slot rib.Slot, w *followed) {
	delete(t.ways, slot)
	w.end(w.RouteWay)
}
