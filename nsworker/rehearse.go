package nsworker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Candidates are the paths that BGP has for a VRF, or would have.
type Candidates interface {
	// WithPaths returns every prefix that has a path, in any order.
	WithPaths() []netip.Prefix
	// Lookup returns the paths of one prefix.
	Lookup(prefix netip.Prefix) []rib.Path
}

// Rehearsal finds out what workers would do with other Specs and other
// candidates, and does none of it: for each VRF the worker's own tableSync runs on
// a reading of the real table until nothing is due, and whatever it writes goes
// nowhere. It has one user at a time.
type Rehearsal struct {
	deps    Deps // with a board of its own
	before  map[string]vrf.Spec
	after   map[string]vrf.Spec
	leaving []leaving // tables that a worker of before empties
	core    *askingCore
}

// NewRehearsal rehearses the change from one set of Specs to another. deps are
// those of the running workers: the kernel is read, BGP is asked what is
// announced, and the board is looked at.
func NewRehearsal(ctx context.Context, deps Deps, before, after []vrf.Spec) *Rehearsal {
	r := &Rehearsal{before: vrf.SpecsByName(before), after: vrf.SpecsByName(after), core: newAskingCore(deps.Core)}
	r.deps = Deps{Kernel: deps.Kernel, BGP: deps.BGP, Board: deps.Board.rehearsal(), Log: slog.New(slog.DiscardHandler), Link: deps.Link, Core: r.core}
	for _, s := range before {
		if !r.Moves(s.Name) {
			continue
		}
		r.deps.Board.retract(s.Name)
		l := leaving{spec: s}
		l.where, l.table, l.err = r.read(ctx, s)
		r.leaving = append(r.leaving, l)
	}
	for _, s := range after {
		if v, runs := r.deps.Board.View(s.Name); runs {
			v.ByDefault = s.Export.ResolveByDefault
			r.deps.Board.publish(s.Name, v)
			continue
		}
		// Others may leak from it, whoever comes first.
		where, t, err := r.read(ctx, s)
		if err == nil {
			foreign := slices.DeleteFunc(t.Routes, func(o rib.Route) bool { return o.Protocol == s.Protocol })
			view := rib.View{Where: where, Links: t.Links, Foreign: rib.NewForeignTable(foreign), ByDefault: s.Export.ResolveByDefault}
			r.deps.Board.publish(s.Name, nexthop.View{View: view, Binding: s.Binding, Carriage: s.Carriage})
		}
	}
	return r
}

// Moves tells whether the worker that a VRF has now would be ended, and its
// routes taken out.
func (r *Rehearsal) Moves(name string) bool {
	was, had := r.before[name]
	is, has := r.after[name]
	return had && (!has || !vrf.SameHome(was, is))
}

// read reads the table of a VRF as it is.
func (r *Rehearsal) read(ctx context.Context, s vrf.Spec) (rib.Where, rib.Table, error) {
	table, err := r.deps.Kernel.Open(ctx, s.Binding, s.Protocol)
	if err != nil {
		return rib.Where{}, rib.Table{}, err
	}
	t, err := table.Read(ctx, s.Import.Tables...)
	return table.Where(), deviceMade(t, table.Where(), s), errors.Join(err, table.Close())
}

// Close gives back what the rehearsal has of the core.
func (r *Rehearsal) Close() { r.core.close() }

// Imports returns what a VRF of the new Specs would announce to BGP. A VRF that
// would have no table announces nothing.
func (r *Rehearsal) Imports(ctx context.Context, name string) ([]rib.Announcement, error) {
	s, has := r.after[name]
	if !has || !s.Import.Enabled {
		return nil, nil
	}
	where, t, err := r.read(ctx, s)
	if err != nil {
		if errors.Is(err, rib.ErrAbsent) {
			return nil, nil // said when its routes are rehearsed
		}
		return nil, fmt.Errorf("VRF %q: %w", name, err)
	}
	on, err := r.begin(ctx, s, where, t, false) // our routes stand: what they keep out of BGP is not announced
	if err != nil {
		return nil, err
	}
	defer on.close()
	if err := on.play(ctx); err != nil {
		return nil, fmt.Errorf("VRF %q: %w", name, err)
	}
	return on.announcements(), nil
}

// Table returns what would become of one VRF's routes. It is called once for
// each VRF of which the Spec or the candidates change. stale says that routes of
// an earlier run are still waited for: they stay then.
func (r *Rehearsal) Table(ctx context.Context, name string, paths Candidates, stale bool) (vrf.PlannedTable, error) {
	d := differ{}
	for _, l := range r.leaving {
		if l.spec.Name == name {
			d.leave(l)
		}
	}
	now := r.deps.BGP.Announced(name)
	s, stays := r.after[name]
	if !stays {
		d.announcements(now, nil, false)
		return d.out, nil
	}
	anew := r.Moves(name) || !slices.Equal(r.before[name].ExportRTs, s.ExportRTs)
	where, t, err := r.read(ctx, s)
	switch {
	case errors.Is(err, rib.ErrAbsent):
		d.announcements(now, nil, false)
		d.note("it has no table now (%s), so it would be pending: its routes cannot be known before", absence(err))
		return d.out, nil
	case err != nil:
		return d.out, fmt.Errorf("VRF %q: read its table: %w", name, err)
	}
	if r.Moves(name) {
		stale = false // the sweep comes to an end
	}
	t.Routes = r.vacated(where, t.Routes)
	on, err := r.begin(ctx, s, where, t, !stale)
	if err != nil {
		return d.out, err
	}
	defer on.close()
	on.choose(t.Routes, paths)
	if err := on.play(ctx); err != nil {
		return d.out, fmt.Errorf("VRF %q: %w", name, err)
	}
	d.routes(on.sync, t.Routes)
	d.announcements(now, on.announcements(), anew)
	on.sync.tellUnreached()
	on.sync.routes.confirms.tell()
	d.out.Unreached, d.out.Confirmed = on.bgp.unreached, slices.Collect(maps.Keys(on.bgp.confirmed))
	d.remarks(on.sync)
	if was, runs := r.before[name]; runs && s.VRF == "" {
		d.told(was, s, paths, r.deps.Board.RPKI())
	}
	return d.out, nil
}

// vacated returns the routes of a table without those that a worker which ends
// takes out of it first.
func (r *Rehearsal) vacated(where rib.Where, routes []rib.Route) []rib.Route {
	for _, l := range r.leaving {
		if l.err == nil && l.where == where {
			routes = slices.DeleteFunc(slices.Clone(routes), func(o rib.Route) bool { return o.Protocol == l.spec.Protocol })
		}
	}
	return routes
}

// rehearsing is a tableSync on a reading of a table.
type rehearsing struct {
	sync *tableSync
	bgp  *prompter
}

// begin makes a tableSync and has it take in the table.
func (r *Rehearsal) begin(ctx context.Context, s vrf.Spec, where rib.Where, t rib.Table, swept bool) (*rehearsing, error) {
	bgp := &prompter{announced: r.deps.BGP.Announced(s.Name)}
	deps := r.deps
	deps.BGP = bgp
	w := New(deps, s, func(vrf.WorkerStatus) {})
	w.feed = rib.NewFeed() // of no paths: it gives out the slots
	st := &rehearsing{newTableSync(w, scenery{where, t}), bgp}
	st.sync.lookOn()
	st.sync.sweeps.done = [rib.Families]bool{swept, swept}
	st.sync.sweeps.deadline = time.Now().Add(24 * time.Hour)
	st.sync.announced.ask()
	if err := st.sync.reconcile(ctx); err != nil {
		st.close()
		return nil, fmt.Errorf("VRF %q: %w", s.Name, err)
	}
	return st, nil
}

// choose has every prefix decided. Those that are in the table come first: a
// running worker has their places in the quota taken already. Where routes are
// reached by others that are decided after them, all are decided again, as a
// worker does with those whose nexthop moves.
func (st *rehearsing) choose(have []rib.Route, paths Candidates) {
	s := st.sync
	first := make(map[netip.Prefix]struct{})
	for _, r := range have {
		if s.routes.owns(r) {
			first[r.Prefix] = struct{}{}
		}
	}
	rest := slices.DeleteFunc(paths.WithPaths(), func(p netip.Prefix) bool { _, is := first[p]; return is })
	s.sets.Moved()
	for turn := 0; turn == 0 || turn <= rib.MaxRecursion && len(s.sets.Moved()) > 0; turn++ {
		for prefix := range first {
			st.decide(prefix, paths)
		}
		for _, prefix := range rest {
			st.decide(prefix, paths)
		}
		s.pass()
	}
}

// decide has one prefix decided.
func (st *rehearsing) decide(prefix netip.Prefix, paths Candidates) {
	s := st.sync
	s.routes.take([]rib.Entry{{Slot: s.feed.Hold(prefix), Prefix: prefix, Paths: paths.Lookup(prefix)}})
}

// play works until nothing is due any more.
func (st *rehearsing) play(ctx context.Context) error {
	for !st.sync.idle() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := st.sync.work(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (st *rehearsing) announcements() []rib.Announcement { return st.bgp.Announced("") }

func (st *rehearsing) close() {
	st.sync.close()
}

// scenery is a table that takes every change and makes none.
type scenery struct {
	where rib.Where
	table rib.Table
}

func (s scenery) Where() rib.Where                                   { return s.where }
func (s scenery) Read(context.Context, ...uint32) (rib.Table, error) { return s.table, nil }
func (s scenery) Ready() <-chan struct{}                             { return nil }
func (s scenery) Events() rib.KernelEvents                           { return rib.KernelEvents{} }
func (s scenery) Close() error                                       { return nil }
func (s scenery) Apply(_ context.Context, changes []rib.Change) ([]error, error) {
	return make([]error, len(changes)), nil
}

// rehearsal returns a board of its own with the views that are on b now.
func (b *Board) rehearsal() *Board {
	own := NewBoard()
	own.rpki = b.rpki
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, v := range b.views {
		own.views[name] = v
	}
	return own
}
