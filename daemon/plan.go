package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// previewer is BGP as a plan asks it.
type previewer interface {
	// Preview compares a configuration of GoBGP's with the one in force. Its error is what
	// a reload would refuse the configuration with.
	Preview(text []byte, extras rib.Extras) (*speaker.Preview, error)
}

// planner says what a reload of a file would change, and changes nothing. It is a part
// of the api.Backend.
type planner struct {
	parse func(file string, text []byte) (*config.Config, error)
	// numbered gives a configuration the labels and SIDs that it would have.
	numbered func(*config.Config) (*config.Config, error)
	force    *inForce
	gate     *gate
	bgp      previewer
	status   func(vrf string) (vrf.Status, bool) // of its worker
	reader   nsworker.Deps                       // with which a rehearsal reads the tables

	planning sync.Mutex // held for the whole of a plan: one at a time
}

// Plan implements api.Backend.
func (p *planner) Plan(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	return p.alone(ctx, r, yield, func() (*config.Config, error) { return p.parse(r.File, r.Content) })
}

// alone makes a plan of a configuration while no other one is made.
func (p *planner) alone(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error, read func() (*config.Config, error)) error {
	if !p.planning.TryLock() {
		return api.ErrBusy
	}
	defer p.planning.Unlock()
	defer collector.tighten()()
	next, err := read()
	var faults vrf.FieldFaults
	switch {
	case err == nil:
	case errors.As(err, &faults), errors.Is(err, vrf.ErrStale), errors.Is(err, vrf.ErrUnknown):
		return err
	default:
		return &api.FileError{Err: err}
	}
	now := p.force.config()
	one := &plan{planner: p, request: r, yield: yield, now: now, next: next, before: p.force.over(now), after: p.force.over(next)}
	if one.preview, err = p.bgp.Preview(next.BGP, next.Extras); err != nil {
		return &api.FileError{Err: fmt.Errorf("%s: a reload would refuse it: %w", r.File, err)}
	}
	if err := one.run(ctx); err != nil {
		return err
	}
	if p.force.config() != now {
		return errors.New("the configuration was changed while the plan was made, which is void: ask again")
	}
	return nil
}

// plan works out what one file would change.
type plan struct {
	*planner
	request vrf.PlanRequest
	yield   func(vrf.PlanItem) error

	now, next     *config.Config
	before, after []vrf.Spec // the workers that run, and that would
	preview       *speaker.Preview
	stage         *nsworker.Rehearsal
	outcome       speaker.Outcome // of the VRFs so far
	choices       settling
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
	p.stage = nsworker.NewRehearsal(ctx, p.reader, p.before, p.after)
	defer p.stage.Close()
	announcing, err := p.announcing(ctx)
	if err != nil {
		return err
	}
	paths, err := p.preview.Paths(ctx, announcing)
	if err != nil {
		return err
	}
	p.outcome = speaker.Outcome{Announcing: make(speaker.Announcing), Advertising: withheld(p.after), Standing: make(map[string]speaker.Standing)}
	known := p.known()
	p.choices = settling{p, make(map[string]error)}
	if err := p.choices.settle(ctx, known, paths); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		// What neighbours are told in one VRF hangs on the others too.
		if err := p.yieldVRF(ctx, known[name], paths, p.request.VRF == "" || p.request.VRF == name); err != nil {
			return err
		}
	}
	if err := (hearers{p}).tell(ctx); err != nil {
		return err
	}
	return p.yield(vrf.PlanItem{Kind: vrf.PlanSummary, Totals: &p.totals, Text: p.summary()})
}

// settings yields what is neither a neighbour's nor a VRF's.
func (p *plan) settings() error {
	var items []vrf.PlanItem
	add := func(text string) {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Op: vrf.PlanChange, Text: text})
	}
	for _, text := range p.preview.Others {
		add(text)
	}
	for _, text := range append(p.gate.later(p.now, p.next), guardChanges(p.now.API, p.next.API)...) {
		add(text)
	}
	if p.now.ManageSysctls != p.next.ManageSysctls {
		add(fmt.Sprintf("netlink.manage_sysctls: %v -> %v", p.now.ManageSysctls, p.next.ManageSysctls))
	}
	for _, text := range coreChanges(p.now, p.next) {
		add(text)
	}
	if len(p.preview.Notes) > 0 {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Notes: p.preview.Notes, Text: "BGP"})
	}
	if notes := changedNotes(p.next); len(notes) > 0 {
		items = append(items, vrf.PlanItem{Kind: vrf.PlanSetting, Notes: notes, Text: "Otherwise than in an earlier version"})
	}
	if hidden := p.force.hidden(p.next); len(hidden) > 0 {
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
	was, is := vrf.SpecsByName(p.before), vrf.SpecsByName(p.after)
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
		for _, a := range p.reader.BGP.Announced(name) {
			if a.IsCandidate() {
				changes[a.Prefix] = nil
			}
		}
		for _, a := range want {
			if a.IsCandidate() {
				changes[a.Prefix] = &a
			}
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

func sortedUnion[T any](a, b map[string]T) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *plan) summary() string {
	if p.totals.VRFs+p.totals.Neighbors+p.totals.Settings == 0 && !p.totals.Told.Any() {
		if len(p.force.hidden(p.next)) > 0 {
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
	if len(parts) == 0 {
		return "What neighbours are told would change. Nothing was changed."
	}
	return vrf.Enumerate(parts, "and") + " would change. Nothing was changed."
}
