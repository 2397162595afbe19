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
	// All yields every prefix that has a path, in any order, with its paths, which are good until
	// the next one.
	All(yield func(netip.Prefix, []rib.Path) bool)
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
	listed  *rehearsing // of the last Table; nil: it was given back
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
			var foreign []rib.Route
			for _, o := range t.Routes.All {
				if !o.Own(s.Protocol) {
					foreign = append(foreign, o)
				}
			}
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

// Close gives back what the rehearsal has of the core, and of the last Table.
func (r *Rehearsal) Close() {
	r.Release()
	r.core.close()
}

// Release gives back what the last Table holds: its routes are listed.
func (r *Rehearsal) Release() {
	if r.listed != nil {
		r.listed.close()
		r.listed = nil
	}
}

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

// Choices calls tell with what a VRF of the new Specs would choose among paths, as a worker tells
// those who leak it. One without a table chooses nothing.
func (r *Rehearsal) Choices(ctx context.Context, name string, paths Candidates, tell func([]rib.Choice)) error {
	s, has := r.after[name]
	if !has {
		return nil
	}
	where, t, err := r.read(ctx, s)
	if errors.Is(err, rib.ErrAbsent) {
		return nil // said when its routes are rehearsed
	}
	if err != nil {
		return fmt.Errorf("VRF %q: read its table: %w", name, err)
	}
	t.Routes = r.vacated(where, t.Routes)
	on, err := r.begin(ctx, s, where, t, true)
	if err != nil {
		return err
	}
	defer on.close()
	on.bgp.chose = tell
	on.sync.feed.Ask(true, false)
	return on.choose(ctx, paths)
}

// Table returns what would become of one VRF's routes. It is called once for
// each VRF of which the Spec or the candidates change. stale says that routes of
// an earlier run are still waited for: they stay then. The routes can be listed until the next call
// of Table, Release or Close.
func (r *Rehearsal) Table(ctx context.Context, name string, paths Candidates, stale bool) (vrf.PlannedTable, error) {
	r.Release()
	d := &differ{}
	err := r.table(ctx, d, name, paths, stale)
	d.out.Routes = d.list
	return d.out, err
}

func (r *Rehearsal) table(ctx context.Context, d *differ, name string, paths Candidates, stale bool) error {
	for _, l := range r.leaving {
		if l.spec.Name == name {
			d.leave(l)
		}
	}
	defer func() { d.count() }()
	now := r.deps.BGP.Announced(name)
	s, stays := r.after[name]
	if !stays {
		d.announcements(now, nil, false)
		return nil
	}
	anew := r.Moves(name) || !slices.Equal(r.before[name].ExportRTs, s.ExportRTs)
	where, t, err := r.read(ctx, s)
	switch {
	case errors.Is(err, rib.ErrAbsent):
		d.announcements(now, nil, false)
		d.note("it has no table now (%s), so it would be pending: its routes cannot be known before", absence(err))
		return nil
	case err != nil:
		return fmt.Errorf("VRF %q: read its table: %w", name, err)
	}
	if r.Moves(name) {
		stale = false // the sweep comes to an end
	}
	t.Routes = r.vacated(where, t.Routes)
	on, err := r.begin(ctx, s, where, t, !stale)
	if err != nil {
		return err
	}
	if s.Encapsulates() {
		paths = ofPEs{paths}
	}
	r.listed = on
	if err := errors.Join(on.choose(ctx, paths), on.play(ctx)); err != nil {
		return fmt.Errorf("VRF %q: %w", name, err)
	}
	d.stay(on.sync, &t.Routes)
	d.announcements(now, on.announcements(), anew)
	on.sync.tellUnreached()
	on.sync.routes.confirms.tell()
	d.out.Unreached, d.out.Confirmed = on.bgp.unreached, slices.Collect(maps.Keys(on.bgp.confirmed))
	d.remarks(on.sync)
	if was, runs := r.before[name]; runs && s.VRF == "" {
		d.told(was, s, paths, r.deps.Board.RPKI())
	}
	return nil
}

// vacated returns the routes of a table without those that a worker which ends
// takes out of it first.
func (r *Rehearsal) vacated(where rib.Where, routes rib.RouteList) rib.RouteList {
	for _, l := range r.leaving {
		if l.err != nil || l.where != where {
			continue
		}
		var rest rib.RouteList
		for _, o := range routes.All {
			if !o.Own(l.spec.Protocol) {
				rest.Add(o)
			}
		}
		routes = rest
	}
	return routes
}

// rehearsing is a tableSync on a reading of a table.
type rehearsing struct {
	sync  *tableSync
	bgp   *prompter
	batch []rib.Entry
	paths []rib.Path // of batch
}

// begin makes a tableSync and has it take in the table.
func (r *Rehearsal) begin(ctx context.Context, s vrf.Spec, where rib.Where, t rib.Table, swept bool) (*rehearsing, error) {
	bgp := &prompter{announced: r.deps.BGP.Announced(s.Name)}
	deps := r.deps
	deps.BGP = bgp
	w := New(deps, s, func(vrf.WorkerStatus) {})
	w.feed = rib.NewFeed() // of no paths: it gives out the slots
	st := &rehearsing{sync: newTableSync(w, &scenery{where: where, table: t}), bgp: bgp}
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
func (st *rehearsing) choose(ctx context.Context, paths Candidates) error {
	s := st.sync
	s.sets.Moved()
	for turn := 0; turn == 0 || turn <= rib.MaxRecursion && len(s.sets.Moved()) > 0; turn++ {
		var heard rib.Slots[bool]
		for prefix, list := range paths.All {
			if slot, _ := s.routes.entryOf(prefix); st.stands(slot) {
				*heard.At(slot) = true
				st.hear(slot, prefix, list)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		for slot := range s.routes.All {
			if st.stands(slot) && !*heard.At(slot) {
				st.hear(slot, s.feed.Prefix(slot), nil)
			}
		}
		for prefix, list := range paths.All {
			if slot, _ := s.routes.entryOf(prefix); !st.stands(slot) {
				st.hear(s.feed.Hold(prefix), prefix, list)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		st.decide()
		s.pass()
	}
	return nil
}

// stands tells whether the table has a route of ours for a prefix. Nothing is written while paths
// are chosen.
func (st *rehearsing) stands(slot rib.Slot) bool {
	if slot == noSlot {
		return false
	}
	if e := st.sync.routes.Find(slot); e != nil && e.Have != nil {
		return true
	}
	e := st.sync.routes.backups.Find(slot)
	return e != nil && e.Have != nil
}

// hear has one prefix decided, along with others: as the worker does, which keeps what it decided of
// one for the next.
func (st *rehearsing) hear(slot rib.Slot, prefix netip.Prefix, paths []rib.Path) {
	from := len(st.paths)
	st.paths = append(st.paths, paths...)
	st.batch = append(st.batch, rib.Entry{Slot: slot, Prefix: prefix, Paths: st.paths[from:len(st.paths):len(st.paths)]})
	if len(st.batch) == feedBatch {
		st.decide()
	}
}

func (st *rehearsing) decide() {
	st.sync.routes.take(st.batch)
	st.sync.routes.beside.choices.tell()
	st.batch, st.paths = st.batch[:0], st.paths[:0]
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
	done  []error // none; used again
}

func (s *scenery) Where() rib.Where                                   { return s.where }
func (s *scenery) Read(context.Context, ...uint32) (rib.Table, error) { return s.table, nil }
func (s *scenery) Ready() <-chan struct{}                             { return nil }
func (s *scenery) Events() rib.KernelEvents                           { return rib.KernelEvents{} }
func (s *scenery) Close() error                                       { return nil }
func (s *scenery) Apply(_ context.Context, changes []rib.Change) ([]error, error) {
	s.done = slices.Grow(s.done[:0], len(changes))[:len(changes)]
	return s.done, nil
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

// ofPEs are the paths that other PEs sent, which alone go to a further table.
type ofPEs struct{ of Candidates }

// All implements Candidates.
func (c ofPEs) All(yield func(netip.Prefix, []rib.Path) bool) {
	c.of.All(func(prefix netip.Prefix, paths []rib.Path) bool {
		carried := rib.CarriedOf(paths)
		return len(carried) == 0 || yield(prefix, carried)
	})
}
