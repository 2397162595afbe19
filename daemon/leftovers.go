package daemon

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// leftovers has what VRFs have in the kernel for other PEs go with them, also where they left the
// configuration while the daemon did not run: labels, SIDs, rules, devices, and routes that encapsulate.
type leftovers struct {
	kept    *config.Carried
	core    departures
	devices ownDeparted
	clear   func(ctx context.Context, s vrf.Spec) error // takes out what an earlier run wrote into a table
	inUse   func(s *vrf.Spec) error                     // says that what other PEs send by is there until now
	log     *slog.Logger
	now     func() []vrf.Spec // of the configuration that is in force
	wake    chan struct{}     // another one is in force
	behind  []vrf.Spec        // of an earlier run; of the start, and then of run
}

// departures is the network between PEs as far as VRFs leave it: core.Core.
type departures interface {
	// Leave has removed what a VRF had there when another daemon was told of it.
	Leave(vrf string, in rib.Binding, is rib.Carriage, protocol uint8)
	// Going tells whether something of a VRF is there that is to be removed.
	Going(vrf string) bool
}

// ownDeparted are the VRF devices that are made here, as far as VRFs leave them: devices.Keeper.
type ownDeparted interface {
	// Leave has a device removed that an earlier run made.
	Leave(devices.Wanted)
	// Going tells whether a device of a VRF is there that is to be removed.
	Going(vrf string) bool
}

// newLeftovers reads what an earlier run kept, and keeps what cfg has before anything of it is in the
// kernel.
func newLeftovers(dir string, cfg *config.Config, log *slog.Logger) (*leftovers, error) {
	kept, err := config.OpenCarried(dir)
	if err != nil {
		log.Error("what the state directory keeps of VRFs that other PEs reach is lost", "err", err)
	}
	l := &leftovers{kept: kept, log: log, wake: make(chan struct{}, 1), behind: gone(kept.Specs(), cfg.VRFs)}
	return l, kept.Keep(slices.Concat(cfg.VRFs, kept.Specs()))
}

// gone are those of specs that are not so configured.
func gone(specs, configured []vrf.Spec) (list []vrf.Spec) {
	for i := range specs {
		if !slices.ContainsFunc(configured, func(s vrf.Spec) bool { return config.SameCarried(&specs[i], &s) }) {
			list = append(list, specs[i])
		}
	}
	return list
}

// keep writes down what a configuration has, beside what is there, before it is in force.
func (l *leftovers) keep(cfg *config.Config) error {
	if l == nil {
		return nil
	}
	err := l.kept.Keep(slices.Concat(cfg.VRFs, l.kept.Specs()))
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return err
}

// tidyEvery is how often it is looked at whether what is to be removed is gone.
const tidyEvery = 5 * time.Second

// run removes what an earlier run left behind, and forgets what is gone, until ctx ends.
func (l *leftovers) run(ctx context.Context) error {
	timer := time.NewTimer(tidyEvery)
	defer timer.Stop()
	for {
		l.remove(ctx)
		if l.tidy() {
			timer.Reset(tidyEvery)
		}
		select {
		case <-timer.C:
		case <-l.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// remove removes what VRFs of an earlier run left behind; what fails is tried again.
func (l *leftovers) remove(ctx context.Context) {
	var failed []vrf.Spec
	for _, s := range l.behind {
		configured := l.now()
		if len(gone([]vrf.Spec{s}, configured)) == 0 {
			continue // it is back
		}
		if err := l.clearTables(ctx, s, configured); err != nil {
			l.log.Warn("routes of a VRF that is not configured any more could not be removed; it is tried again", "vrf", s.Name, "err", err)
			failed = append(failed, s)
			continue
		}
		l.log.Info("what an earlier run had in the kernel for a VRF is removed, because it is not configured so any more", "vrf", s.Name, "by", s.Carriage.Address())
		l.part(&s, configured)
	}
	l.behind = failed
}

// part has removed what a VRF of an earlier run had in the core, and its VRF device. Where a VRF is
// bound to that device without having it made here, it stays as it is.
func (l *leftovers) part(s *vrf.Spec, configured []vrf.Spec) {
	if s.Carriage.Kind != 0 {
		l.core.Leave(s.Name, s.Binding, s.Carriage, s.Protocol)
	}
	kept := slices.ContainsFunc(configured, func(c vrf.Spec) bool {
		return !c.Makes.Made() && c.Binding.Canonical() == s.Binding.Canonical()
	})
	if s.Makes.Made() && !kept {
		l.devices.Leave(wantedDevice(s))
	}
}

// clearTables takes the routes out of the tables of a VRF that no other has: who has one takes over
// what stands there.
func (l *leftovers) clearTables(ctx context.Context, s vrf.Spec, configured []vrf.Spec) error {
	// The own table first: it leads into the other.
	tables := []vrf.Spec{s}
	if further, has := vrf.Further(&s); has {
		tables = append(tables, further)
	}
	for _, t := range tables {
		if slices.ContainsFunc(configured, func(c vrf.Spec) bool { return vrf.MayShareTable(c.Binding, t.Binding) }) {
			continue
		}
		if err := l.clear(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// tidy forgets VRFs of which nothing is left. It tells whether there are others.
func (l *leftovers) tidy() (waits bool) {
	configured, specs := l.now(), l.kept.Specs()
	keep := slices.Clone(configured)
	for _, s := range gone(specs, configured) {
		if err := l.inUse(&s); err != nil {
			l.log.Warn("another VRF may get a label or SID of a VRF before peers have forgotten it", "vrf", s.Name, "by", s.Carriage.Address(), "err", err)
		}
		if l.core.Going(s.Name) || l.devices.Going(s.Name) || slices.ContainsFunc(l.behind, func(b vrf.Spec) bool { return b.Name == s.Name }) {
			keep, waits = append(keep, s), true
		}
	}
	if err := l.kept.Keep(keep); err != nil {
		l.log.Warn("it could not be written down that nothing is left of VRFs that went", "err", err)
	}
	return waits
}
