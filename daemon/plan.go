package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// onlooker opens the kernel's tables to look at them: unlike hostKernel it
// prepares nothing.
type onlooker struct{ *kernel.Host }

func (o onlooker) Open(ctx context.Context, b rib.Binding, protocol uint8) (nsworker.Table, error) {
	c, err := o.Host.Open(ctx, b, protocol)
	if err != nil {
		return nil, err // a nil *Conn in the interface would not be nil
	}
	return c, nil
}

// Plan implements api.Backend.
func (d *daemon) Plan(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	if !d.planning.TryLock() {
		return api.ErrBusy
	}
	defer d.planning.Unlock()
	next, err := config.Parse(r.File, r.Content, bgpPart(d.secret))
	if err != nil {
		return &api.FileError{Err: err}
	}
	now := d.cfg.Load()
	p := &plan{daemon: d, request: r, yield: yield, now: now, next: next}
	p.before, p.after = d.overlay.Apply(now.VRFs, now.Others), d.overlay.Apply(next.VRFs, next.Others)
	if p.bgp, err = d.speaker.Preview(next.BGP, next.Extras); err != nil {
		return &api.FileError{Err: fmt.Errorf("%s: a reload would refuse it: %w", r.File, err)}
	}
	if err := p.run(ctx); err != nil {
		return err
	}
	if d.cfg.Load() != now {
		return errors.New("the configuration was changed while the plan was made, which is void: ask again")
	}
	return nil
}

// plan works out what one file would change.
type plan struct {
	daemon  *daemon
	request vrf.PlanRequest
	yield   func(vrf.PlanItem) error

	now, next     *config.Config
	before, after []vrf.Spec // the workers that run, and that would
	bgp           *speaker.Preview
	stage         *nsworker.Rehearsal
	totals        vrf.PlanTotals
}

func (p *plan) run(ctx context.Context) error {
	if _, there := p.known()[p.request.VRF]; !there && p.request.VRF != "" {
		return api.ErrUnknownVRF // in neither configuration
	}
	if p.request.VRF == "" {
		if err := errors.Join(p.settings(), p.neighbors()); err != nil {
			return err
		}
	}
	deps := nsworker.Deps{Kernel: onlooker{p.daemon.host}, BGP: p.daemon.speaker, Board: p.daemon.board, Link: p.daemon.link}
	p.stage = nsworker.NewRehearsal(ctx, deps, p.before, p.after)
	announcing, err := p.announcing(ctx)
	if err != nil {
		return err
	}
	paths, err := p.bgp.Paths(ctx, announcing)
	if err != nil {
		return err
	}
	known := p.known()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if p.request.VRF != "" && p.request.VRF != name {
			continue
		}
		if err := p.vrf(ctx, known[name], paths); err != nil {
			return err
		}
	}
	return p.yield(vrf.PlanItem{Kind: vrf.PlanSummary, Totals: &p.totals, Text: p.summary()})
}

// settings yields what is neither a neighbour's nor a VRF's.
func (p *plan) settings() error {
	var items []vrf.PlanItem
	add := func(text string, notes ...string) {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Op: vrf.PlanChange, Text: text, Notes: notes})
	}
	for _, text := range p.bgp.Others {
		add(text)
	}
	for _, text := range append(p.daemon.later(p.now, p.next), guardChanges(p.now.API, p.next.API)...) {
		add(text)
	}
	if p.now.ManageSysctls != p.next.ManageSysctls {
		add(fmt.Sprintf("netlink.manage_sysctls: %v -> %v", p.now.ManageSysctls, p.next.ManageSysctls))
	}
	if len(p.bgp.Notes) > 0 {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Notes: p.bgp.Notes, Text: "BGP"})
	}
	if notes := changedNotes(p.next); len(notes) > 0 {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Notes: notes, Text: "Otherwise than in an earlier version"})
	}
	if hidden := p.daemon.hidden(p.next); len(hidden) > 0 {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Notes: hidden, Text: "Set at run time"})
	}
	for _, item := range items {
		if item.Op != vrf.PlanNone {
			p.totals.Settings++
		}
		if err := p.yield(item); err != nil {
			return err
		}
	}
	return nil
}

// changedNotes are what a file does otherwise than in an earlier version.
func changedNotes(cfg *config.Config) (notes []string) {
	for _, n := range cfg.Changed {
		notes = append(notes, fmt.Sprintf("line %d: %s: %s", n.Line, n.Key, n.Message))
	}
	return notes
}

// announcing returns the announcements that would change, by VRF.
func (p *plan) announcing(ctx context.Context) (speaker.Announcing, error) {
	out := make(speaker.Announcing)
	was, is := specsByName(p.before), specsByName(p.after)
	for _, name := range sortedUnion(was, is) {
		a, had := was[name]
		b, has := is[name]
		if had && has && !p.stage.Moves(name) && sameImport(a, b) {
			continue
		}
		want, err := p.stage.Imports(ctx, name)
		if err != nil {
			return nil, err
		}
		changes := make(map[netip.Prefix]*rib.Announcement)
		for _, a := range p.daemon.speaker.Announced(name) {
			changes[a.Prefix] = nil
		}
		for _, a := range want {
			changes[a.Prefix] = &a
		}
		if len(changes) > 0 {
			out[name] = changes
		}
	}
	return out, nil
}

func sameImport(a, b vrf.Spec) bool {
	a.Export, b.Export = rib.ExportPolicy{}, rib.ExportPolicy{}
	return len(a.Differences(b)) == 0
}

func specsByName(specs []vrf.Spec) map[string]vrf.Spec {
	m := make(map[string]vrf.Spec, len(specs))
	for _, s := range specs {
		m[s.Name] = s
	}
	return m
}

func sortedUnion[T any](a, b map[string]T) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// plannedVRF is a VRF of either configuration.
type plannedVRF struct {
	name      string
	was, is   vrf.Spec
	had, has  bool // in the file
	ran, runs bool // with something to redistribute
}

// known are the VRFs of both configurations, those without redistribution too.
func (p *plan) known() map[string]plannedVRF {
	ran, runs := specsByName(p.before), specsByName(p.after)
	all := make(map[string]plannedVRF)
	for _, s := range slices.Concat(p.now.Others, p.now.VRFs) {
		v := plannedVRF{name: s.Name, was: s, had: true}
		if running, ok := ran[s.Name]; ok {
			v.was, v.ran = running, true
		}
		all[s.Name] = v
	}
	for _, s := range slices.Concat(p.next.Others, p.next.VRFs) {
		v := all[s.Name]
		v.name, v.is, v.has = s.Name, s, true
		if running, ok := runs[s.Name]; ok {
			v.is, v.runs = running, true
		}
		all[s.Name] = v
	}
	return all
}

// head is the item that says what becomes of the VRF itself.
func (v plannedVRF) head() vrf.PlanItem {
	item := vrf.PlanItem{Kind: vrf.PlanVRF, VRF: v.name}
	shown := v.is
	switch {
	case !v.had:
		item.Op = vrf.PlanAdd
	case !v.has:
		item.Op, shown = vrf.PlanRemove, v.was
	default:
		item.Details = v.was.Differences(v.is)
		if v.ran && !v.runs {
			item.Details = append(item.Details, "redistribution ends")
		}
		if !v.ran && v.runs {
			item.Details = append(item.Details, "redistribution starts")
		}
		if !v.ran && !v.runs { // what is off says nothing
			item.Details = slices.DeleteFunc(item.Details, func(s string) bool {
				return !strings.HasPrefix(s, "rd:") && !strings.Contains(s, "route targets:")
			})
		}
		if len(item.Details) > 0 {
			item.Op = vrf.PlanChange
		}
	}
	item.Text = fmt.Sprintf("%s (%s)", v.name, shown.Binding)
	if !v.ran && !v.runs {
		item.Text = v.name + " (in BGP alone)"
	}
	return item
}

// vrf yields one VRF with its routes, where something would change.
func (p *plan) vrf(ctx context.Context, v plannedVRF, all map[string]*speaker.Paths) error {
	head, paths := v.head(), all[v.is.Of()]
	if paths == nil { // it goes
		paths = &speaker.Paths{}
	}
	var t vrf.PlannedTable
	if (v.ran || v.runs) && (head.Op != vrf.PlanNone || paths.Edited() || p.leaks(v, paths)) {
		st, _ := p.daemon.supervisor.Get(v.name)
		var err error
		if t, err = p.stage.Table(ctx, v.name, paths, st.Counts.Stale > 0); err != nil {
			t.Notes = append(t.Notes, err.Error()) // of this VRF alone: the others go on
		}
		if v.ran && st.State != vrf.Ready && st.State != vrf.Degraded {
			t.Notes = append(t.Notes, fmt.Sprintf("it is %s now: what its worker is to do anyway is in this plan too", cmp.Or(st.State, "not running")))
		}
	}
	if head.Op == vrf.PlanNone && t.Counts.Changes() == 0 {
		return nil
	}
	p.totals.VRFs++
	head.Notes = t.Notes
	if err := p.yield(head); err != nil {
		return err
	}
	return p.table(v, t)
}

// leaks tells whether a VRF has routes through another whose table would be
// another one, or none.
func (p *plan) leaks(v plannedVRF, paths *speaker.Paths) bool {
	moved := make(map[string]bool)
	was, is := specsByName(p.before), specsByName(p.after)
	for _, name := range sortedUnion(was, is) {
		if _, had := was[name]; !had || p.stage.Moves(name) {
			moved[name] = name != v.name
		}
	}
	switch {
	case len(moved) == 0:
		return false
	case moved[v.is.Of()]: // whose further table this one is
		return true
	}
	for _, prefix := range paths.WithPaths() {
		if slices.ContainsFunc(paths.Lookup(prefix), func(path rib.Path) bool { return moved[path.Attrs.Source] }) {
			return true
		}
	}
	return false
}

// table yields the routes and announcements of a VRF, as many as are wanted, and
// their counts.
func (p *plan) table(v plannedVRF, t vrf.PlannedTable) error {
	left := p.request.Lines
	totals := vrf.PlanTotals{PlanCounts: t.Counts}
	item := func(i vrf.PlanItem) error {
		if left == 0 {
			totals.Unlisted++
			return nil
		}
		left--
		i.VRF = v.name
		return p.yield(i)
	}
	for _, r := range t.Routes {
		if err := item(vrf.PlanItem{Kind: vrf.PlanRoute, Op: r.Op, Text: r.Text, Prefix: r.Prefix, Where: r.Where}); err != nil {
			return err
		}
	}
	for _, a := range t.Announcements {
		if err := item(vrf.PlanItem{Kind: vrf.PlanAnnouncement, Op: a.Op, Text: announcementText(a.Announcement), Prefix: a.Announcement.Prefix}); err != nil {
			return err
		}
	}
	p.totals.PlanCounts = p.totals.Plus(t.Counts)
	p.totals.Unlisted += totals.Unlisted
	return p.yield(vrf.PlanItem{Kind: vrf.PlanOfVRF, VRF: v.name, Totals: &totals})
}

func announcementText(a rib.Announcement) string {
	s := fmt.Sprintf("%s MED %d", a.Prefix, a.MED)
	for _, c := range a.Communities {
		s += " " + c.String()
	}
	for _, c := range a.Large {
		s += " " + c.String()
	}
	return s
}

func (p *plan) summary() string {
	if p.totals.VRFs+p.totals.Neighbors+p.totals.Settings == 0 {
		if len(p.daemon.hidden(p.next)) > 0 {
			return "Nothing would change."
		}
		return "Nothing would change: the file says what is in force."
	}
	var parts []string
	for _, n := range []struct {
		n     int
		thing string
	}{{p.totals.VRFs, "VRF"}, {p.totals.Neighbors, "neighbour"}, {p.totals.Settings, "setting"}} {
		if n.n > 0 {
			parts = append(parts, vrf.CountOf(n.n, n.thing))
		}
	}
	return vrf.Enumerate(parts, "and") + " would change. Nothing was changed."
}
