package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// workers are the VRFs that run: the supervisor.
type workers interface {
	// Apply brings the VRFs that run to specs, and waits for those that leave.
	Apply(ctx context.Context, specs []vrf.Spec) error
	// Begin is Apply that does not wait: the function that it returns does.
	Begin(specs []vrf.Spec) (wait func(context.Context) error, err error)
}

// configuredBGP is BGP as a reload needs it.
type configuredBGP interface {
	// Reload brings another configuration of GoBGP's into force, and returns a line for
	// each thing that it changed.
	Reload(ctx context.Context, text []byte, extras rib.Extras) ([]string, error)
	// Withhold says what neighbours are told of the paths that other neighbours of a VRF sent,
	// and returns when they have been told what follows from it.
	Withhold(ctx context.Context, of map[string]rib.Advertising) error
	// Mirror makes feeds that say what another VRF's says, by the name of the feed.
	Mirror(ctx context.Context, mirrors map[string]rib.Mirror) error
}

// transition brings one configuration into force in the place of another. It holds no
// state of a change: that is a move's.
type transition struct {
	file      string // for the log
	force     *inForce
	workers   workers
	bgp       configuredBGP
	neighbors *neighbors
	gate      *gate
	sysctls   *sysctls
	core      underlay
	devices   ownDevices
	left      *leftovers        // nil: nothing is kept
	ids       *config.TenantIDs // nil: no templates
	log       *slog.Logger
}

// underlay is the network between PEs: core.Core.
type underlay interface {
	// Configure takes over other settings.
	Configure(core.Settings)
}

// store has a configuration in force, for all that looks at it.
func (t *transition) store(c *config.Config) error {
	if t.ids != nil {
		if err := t.ids.Keep(c); err != nil {
			return err
		}
	}
	if err := t.left.keep(c); err != nil {
		return err
	}
	t.force.cfg.Store(c)
	t.core.Configure(coreOf(c))
	configureDevices(t.devices, c)
	return nil
}

// move is one change of what is in force.
type move struct {
	old, next     *config.Config
	before, after []vrf.Spec // the workers of each
	changes       []string   // what was changed, a line each
	// layers are what was applied over the API, or deleted, where that is the change; none: the
	// file is.
	layers []vrf.LayerKey
	// tenants: the change is that others match templates.
	tenants bool
}

// make brings m.next into force, after the steps of first. Where it fails, applied tells
// whether m.next is in force all the same; else m.old is.
func (t *transition) make(ctx context.Context, m *move, first ...step) (applied bool, err error) {
	if err := carryOut(ctx, t.log, slices.Concat(first, t.steps(m))); err != nil {
		return false, err
	}
	t.sysctls.check(m.next)
	if err := t.workers.Apply(ctx, m.after); err != nil {
		return true, fmt.Errorf("%s is in force, but not all went well: %w", m.what(), err)
	}
	m.say(t.gate.later(m.old, m.next)...)
	m.say(specChanges(m.before, m.after)...)
	t.tell(m)
	m.say(t.force.hidden(m.next)...)
	return true, nil
}

// what names the change for an error.
func (m *move) what() string {
	if m.tenants {
		return "what templates of the file make of the tenants that there are"
	}
	if len(m.layers) > 0 {
		return "what was applied to " + m.those()
	}
	return "the file"
}

// those are the names of what was applied over the API.
func (m *move) those() string {
	names := make([]string, len(m.layers))
	for i, key := range m.layers {
		names[i] = key.String()
	}
	return strings.Join(names, ", ")
}

// tell logs a change, and what of it means something else than one may think.
func (t *transition) tell(m *move) {
	if m.tenants {
		t.tellTenants(m)
		return
	}
	if len(m.layers) == 0 {
		logNotes(t.log, m.next.Notes)
		t.log.Info("the configuration was reloaded", "file", t.file, "changes", len(m.changes))
		return
	}
	logNotes(t.log, slices.DeleteFunc(slices.Clone(m.next.Notes), func(n config.Error) bool { return n.Layer == nil || !slices.Contains(m.layers, *n.Layer) }))
	t.log.Info("the configuration was changed over the API", "of", m.those(), "changes", len(m.changes))
}

// steps are those of a move that can be taken back.
func (t *transition) steps(m *move) []step {
	return []step{
		{
			name: "configuration",
			do:   func(context.Context) error { return t.store(m.next) },
			undo: func(context.Context) error { return t.store(m.old) },
		},
		{
			// Workers of VRFs that go must be done with BGP before BGP forgets them.
			name: "VRFs that leave",
			do: func(ctx context.Context) error {
				return about("end the VRFs that left the file", t.workers.Apply(ctx, common(m.before, m.after)))
			},
			undo: func(ctx context.Context) error {
				return about("that VRFs could not be started", t.workers.Apply(ctx, m.before))
			},
		},
		{
			// Before BGP has sessions that it did not have.
			name: "what neighbours are not told",
			do:   func(ctx context.Context) error { return t.bgp.Withhold(ctx, withheld(m.after)) },
			undo: func(ctx context.Context) error {
				return about("for what neighbours are told of that policies reject", t.bgp.Withhold(ctx, withheld(m.before)))
			},
		},
		{
			name: "BGP",
			do: func(ctx context.Context) error {
				changes, err := t.bgp.Reload(ctx, m.next.BGP, m.next.Extras)
				m.say(changes...)
				return about("apply "+m.what()+" to BGP", err)
			},
			undo: func(ctx context.Context) error {
				_, err := t.bgp.Reload(ctx, m.old.BGP, m.old.Extras)
				return about("that BGP refused a part of it", err)
			},
		},
		{
			name: "secondary tables",
			do:   func(ctx context.Context) error { return t.bgp.Mirror(ctx, mirrors(m.next)) },
			undo: func(ctx context.Context) error {
				return about("for what goes to secondary tables of a VRF", t.bgp.Mirror(ctx, mirrors(m.old)))
			},
		},
		{
			name: "neighbours in namespaces",
			do:   func(context.Context) error { return t.neighbors.set(m.next) },
			undo: func(context.Context) error {
				return about("for the neighbours inside namespaces", t.neighbors.set(m.old))
			},
		},
		{
			name: "router advertisements",
			do:   func(context.Context) error { t.neighbors.adverts.Set(m.next.Advertise); return nil },
			undo: func(context.Context) error { t.neighbors.adverts.Set(m.old.Advertise); return nil },
		},
		{
			name: "access to the API",
			do: func(context.Context) error {
				changes, err := t.gate.guard(m.old.API, m.next.API)
				m.say(changes...)
				return err
			},
		},
	}
}

// about puts what was tried before an error; nil stays nil.
func about(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (m *move) say(lines ...string) { m.changes = append(m.changes, lines...) }

// mirrors are the workers that need a copy of another VRF's feed.
func mirrors(cfg *config.Config) map[string]rib.Mirror {
	of := make(map[string]rib.Mirror)
	for _, s := range cfg.VRFs {
		if s.VRF != "" {
			of[s.Name] = rib.Mirror{VRF: s.VRF, Carried: s.Encapsulates()}
		}
	}
	return of
}

// withheld is what neighbours are told of what others sent in some VRFs, where that is not all.
func withheld(specs []vrf.Spec) map[string]rib.Advertising {
	of := make(map[string]rib.Advertising)
	for _, s := range specs {
		x := s.Export
		if s.VRF != "" || !x.Enabled {
			continue
		}
		a := rib.Advertising{Installed: x.AdvertiseInstalled, PassesOn: x.PassesOn()}
		if !x.AdvertiseRejected {
			a.Rejects = rib.Rejecting(x.Policy)
		}
		a.Rejects = rib.Suppressing(a.Rejects, s.Originates.Aggregates)
		if a != (rib.Advertising{}) {
			of[s.Name] = a
		}
	}
	return of
}

// common returns those of before that after has too.
func common(before, after []vrf.Spec) []vrf.Spec {
	stays := vrf.SpecsByName(after)
	return slices.DeleteFunc(slices.Clone(before), func(s vrf.Spec) bool { _, is := stays[s.Name]; return !is })
}

// specChanges says in a line each what differs between two sets of VRFs.
func specChanges(before, after []vrf.Spec) []string {
	old := vrf.SpecsByName(before)
	var out []string
	for _, s := range after {
		was, ok := old[s.Name]
		delete(old, s.Name)
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("VRF %q: redistribution starts (%s)", s.Name, s.Binding))
		case was.Binding != s.Binding:
			out = append(out, fmt.Sprintf("VRF %q: moved from %s to %s", s.Name, was.Binding, s.Binding))
		case !reflect.DeepEqual(was, s):
			out = append(out, fmt.Sprintf("VRF %q: redistribution changed", s.Name))
		}
	}
	for _, s := range before {
		if _, gone := old[s.Name]; gone {
			out = append(out, fmt.Sprintf("VRF %q: redistribution ends", s.Name))
		}
	}
	return out
}

// logNotes says which keys of the file mean something else here than in the
// program that it was written for.
func logNotes(log *slog.Logger, notes config.Errors) {
	for _, n := range notes {
		if n.Layer != nil {
			log.Warn(n.Key+": "+n.Message, "applied", n.Layer.String())
			continue
		}
		log.Warn(n.Key+": "+n.Message, "file", n.File, "line", n.Line)
	}
}

// mostTenantsTold bounds how many tenants a line of the log names.
const mostTenantsTold = 20

// tellTenants logs which tenants came and went.
func (t *transition) tellTenants(m *move) {
	came, gone := beside(m.next.Tenants(), m.old.Tenants()), beside(m.old.Tenants(), m.next.Tenants())
	if len(came)+len(gone)+len(m.changes) > 0 {
		t.log.Info("the tenants of templates changed", "came", few(came), "gone", few(gone), "changes", len(m.changes))
	}
}

// beside are the names of tenants that others do not have in the same way.
func beside(list, others []config.Tenant) (names []string) {
	known := make(map[config.Tenant]bool, len(others))
	for _, t := range others {
		known[t] = true
	}
	for _, t := range list {
		if !known[t] {
			names = append(names, t.Name)
		}
	}
	return names
}

func few(names []string) string {
	if more := len(names) - mostTenantsTold; more > 0 {
		return strings.Join(names[:mostTenantsTold], " ") + " and others"
	}
	return strings.Join(names, " ")
}
