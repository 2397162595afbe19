package nsworker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// writer brings about what is due in the books: nexthop objects, then routes, then
// announcements.
type writer struct {
	*books
	*Worker
	table   Table
	tell    *teller
	doubt   func(rib.ResyncReason)
	lost    func() // the outcome of a batch is not known
	carried carried
	traces  *traces

	losing      losing // of which the first routes are marked; without groups: nothing
	ages        [rib.Families]ages
	unconfirmed int          // batches in a row whose outcome is not known
	writes      []write      // used again, as is changes
	changes     []rib.Change // those of writes
}

// endpoints brings about the endpoints that are due, before any nexthop object that leads there.
// It is not known what the table has where a batch was not confirmed.
func (w *writer) endpoints(ctx context.Context) (known bool, err error) {
	for {
		changes := w.sets.Endpoints.Changes()
		if len(changes) == 0 {
			return true, nil
		}
		errs, err := w.table.Apply(ctx, changes)
		if err != nil {
			return false, w.unknown(ctx, err)
		}
		for i, c := range changes {
			if errs[i] == nil {
				w.sets.Endpoints.Confirmed(c)
				continue
			}
			w.log.Debug("entries for another PE could not be written", "pe", c.Endpoint.VTEP, "err", errs[i])
			w.routes.markUsers(w.sets.RefuseEndpoint(c, errs[i]))
		}
		w.pass()
	}
}

// objects brings about the nexthop objects that are due, before any route that is to hang on
// them.
func (w *writer) objects(ctx context.Context) error {
	if known, err := w.endpoints(ctx); err != nil || !known {
		return err
	}
	for {
		changes := w.sets.Objects.Changes()
		if len(changes) == 0 {
			return nil
		}
		errs, err := w.table.Apply(ctx, changes)
		if err != nil {
			return w.unknown(ctx, err)
		}
		w.carried.wrote(w.table.Where(), changes)
		for i, c := range changes {
			w.wroteObject(c, errs[i])
		}
		w.pass()
	}
}

// wroteObject takes in the kernel's answer to one change of a nexthop object.
func (w *writer) wroteObject(c rib.Change, err error) {
	o, id := w.sets.Objects, c.Nexthop.ID
	switch {
	case err == nil:
		w.totals.Objects++
		o.Confirmed(c)
		if c.Op == rib.OpDeleteNexthop && nexthop.IsGroup(id) {
			w.sets.Lost(id)
			losing{groups: []uint32{id}}.mark(w.routes, 0)
		}
	case c.Op == rib.OpDeleteNexthop:
		o.Kept(id)
		w.doubt(rib.ResyncRefused)
	case !o.Wanted(c):
		// A group whose member was refused just now: its set leads elsewhere already.
	case lacks(c.Nexthop.Hop, err):
		w.routes.markUsers(w.sets.Lacks(c.Nexthop.Hop.Encap.Kind(), err))
	case c.Op == rib.OpAddNexthop && !nexthop.IsGroup(id) && errors.Is(err, syscall.EINVAL):
		w.log.Debug("the kernel refuses a nexthop; paths by another one are used", "err", err)
		w.routes.markUsers(w.sets.Refuse(id))
	default:
		w.log.Debug("a nexthop object was refused; the routes carry their nexthops themselves", "err", err)
		w.routes.markUsers(w.sets.Without(id))
	}
}

// lacks tells whether the kernel refused a hop because it has no encapsulation of its kind.
func lacks(h rib.Hop, err error) bool {
	return h.Encap.Kind() != 0 && errors.Is(err, syscall.EOPNOTSUPP)
}

// some makes one batch of the due changes of routes. mayDelete says that what is surplus may
// go.
func (w *writer) some(ctx context.Context, mayDelete bool) (wrote bool, err error) {
	w.writes = w.routes.changes(w.writes[:0], mayDelete)
	if len(w.writes) == 0 {
		return false, nil
	}
	w.changes = w.changes[:0]
	for _, c := range w.writes {
		w.changes = append(w.changes, c.Change)
	}
	errs, err := w.table.Apply(ctx, w.changes)
	if err != nil {
		return false, w.unknown(ctx, err)
	}
	w.unconfirmed = 0
	w.carried.wrote(w.table.Where(), w.changes)
	var confirmed [rib.Families]int
	for i, c := range w.writes {
		w.tally(c.Change, errs[i])
		w.tell.write(c, errs[i])
		w.traces.wrote(&w.writes[i], errs[i])
		w.routes.wrote(c, errs[i])
		if errs[i] == nil {
			confirmed[rib.FamilyOf(c.Route.Prefix)]++
		} else if at := slices.IndexFunc(c.Route.Hops, func(h rib.Hop) bool { return lacks(h, errs[i]) }); at >= 0 {
			w.routes.markUsers(w.sets.Lacks(c.Route.Hops[at].Encap.Kind(), errs[i]))
		}
	}
	w.rest()
	w.pass()
	w.aged(confirmed)
	if w.routes.surplus.routes.Len() == 0 {
		w.routes.surplus.mended()
	}
	return true, nil
}

// aged observes how old the changes were that the kernel confirmed.
func (w *writer) aged(confirmed [rib.Families]int) {
	now := time.Now()
	for f := range w.ages {
		w.ages[f].wrote(confirmed[f], now, &w.totals.Latency[f])
		if w.routes.WaitingOf(rib.Family(f)) == 0 {
			w.ages[f].clear()
		}
	}
}

// tally counts the kernel's answer to one change of a route.
func (w *writer) tally(c rib.Change, err error) {
	w.totals.Writes[rib.FamilyOf(c.Route.Prefix)].Wrote(c.Op, err)
}

// unknown takes in that it is not known what the kernel did with a batch: the table is read
// before anything else is decided.
func (w *writer) unknown(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	w.log.Warn("a batch of changes was not confirmed; the table is read again", "err", err)
	if w.unconfirmed++; w.unconfirmed >= attempts {
		return fmt.Errorf("write routes, %d times in a row: %w", w.unconfirmed, err)
	}
	w.doubt(rib.ResyncWrite)
	w.totals.Unconfirmed++
	w.lost()
	return nil
}

// announce makes one batch of the due announcements.
func (w *writer) announce(ctx context.Context) error {
	changes, err := w.announced.send(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		w.log.Warn("announcements were not confirmed by BGP; they are made again", "err", err)
		return w.announced.failedToSend(err)
	}
	for _, c := range changes {
		w.totals.Writes[rib.FamilyOf(c.Prefix)].Told(c.Withdraw)
		w.tell.announcement(c)
	}
	return nil
}
