package daemon

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// Reload implements api.Backend. A file with an error changes nothing. With
// confirm, what was in force before comes back after that time.
func (d *daemon) Reload(ctx context.Context, confirm time.Duration) (changes []string, until time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.manager.reloading()()
	// What has begun is finished, and a client that goes away ends nothing.
	ctx = context.WithoutCancel(ctx)
	if err := d.settled(); err != nil {
		return nil, until, err
	}
	cfg, err := loadConfig(d.file, d.secret)
	if err != nil {
		return nil, until, err
	}
	if confirm == 0 {
		changes, _, err = d.apply(ctx, cfg)
		if err != nil {
			return nil, until, err
		}
		return changes, until, d.confirmed()
	}
	old := d.cfg.Load()
	before, err := d.keep(old)
	if err != nil {
		return nil, until, err
	}
	changes, applied, err := d.apply(ctx, cfg)
	if !applied {
		return nil, until, d.unkeep(err)
	}
	until = d.await(old, before, confirm)
	if err != nil {
		return nil, until, fmt.Errorf("%w; unless `vrfredist confirm` is run, the configuration from before comes back in %s", err, vrf.Span(confirm))
	}
	return changes, until, nil
}

// apply brings a configuration into force. Where it fails, applied tells whether
// that is in force all the same; else the old one is.
func (d *daemon) apply(ctx context.Context, cfg *config.Config) (changes []string, applied bool, err error) {
	before, old := d.specs(), d.cfg.Load()
	d.cfg.Store(cfg)
	after := d.specs()
	return d.change(ctx, old, cfg, before, after)
}

// change is apply, from and to the workers of before and after.
func (d *daemon) change(ctx context.Context, old, cfg *config.Config, before, after []vrf.Spec) (changes []string, applied bool, err error) {
	// Workers of VRFs that go must be done with BGP before BGP forgets them.
	if err := d.supervisor.Apply(ctx, common(before, after)); err != nil {
		return nil, false, d.restore(ctx, before, old, fmt.Errorf("end the VRFs that left the file: %w", err))
	}
	changes, err = d.speaker.Reload(ctx, cfg.BGP, cfg.Extras)
	if err != nil {
		return nil, false, d.restore(ctx, before, old, fmt.Errorf("apply the file to BGP: %w", err))
	}
	if err := d.speaker.Mirror(ctx, mirrors(cfg)); err != nil {
		return nil, false, d.restore(ctx, before, old, err)
	}
	if err := d.setNeighbors(cfg.Neighbors); err != nil {
		return nil, false, d.restore(ctx, before, old, err)
	}
	guarded, err := d.guard(old.API, cfg.API)
	if err != nil {
		return nil, false, d.restore(ctx, before, old, err)
	}
	changes = append(changes, guarded...)
	d.checkSysctls(cfg)
	if err := d.supervisor.Apply(ctx, after); err != nil {
		return nil, true, fmt.Errorf("the file is in force, but not all went well: %w", err)
	}
	changes = append(append(changes, d.later(old, cfg)...), specChanges(before, after)...)
	logNotes(d.log, cfg)
	d.log.Info("the configuration was reloaded", "file", d.file, "changes", len(changes))
	return append(changes, d.hidden(cfg)...), true, nil
}

// hidden says what of a file is not in force for what was set at run time.
func (d *daemon) hidden(cfg *config.Config) []string { return d.overlay.Hidden(cfg.VRFs, cfg.Others) }

// later says what of a changed configuration takes effect at the next start.
func (d *daemon) later(old, next *config.Config) (changes []string) {
	changes = d.laterAPI(old.API, next.API)
	if !reflect.DeepEqual(old.Metrics, next.Metrics) {
		changes = append(changes, "netlink.metrics changed: it takes effect at the next start")
	}
	return changes
}

// restore puts the old configuration wholly in force again after a reload that
// failed half way.
func (d *daemon) restore(ctx context.Context, specs []vrf.Spec, old *config.Config, why error) error {
	d.cfg.Store(old)
	why = fmt.Errorf("%w; the old configuration is in force again", why)
	if _, err := d.speaker.Reload(ctx, old.BGP, old.Extras); err != nil {
		return fmt.Errorf("%w, except that BGP refused a part of it: %w; restart vrfredist", why, err)
	}
	if err := d.speaker.Mirror(ctx, mirrors(old)); err != nil {
		return fmt.Errorf("%w, except for what goes to further tables of a VRF: %w; restart vrfredist", why, err)
	}
	if err := d.setNeighbors(old.Neighbors); err != nil {
		return fmt.Errorf("%w, except for the neighbours inside namespaces: %w; restart vrfredist", why, err)
	}
	if err := d.supervisor.Apply(ctx, specs); err != nil {
		return fmt.Errorf("%w, except that VRFs could not be started: %w; restart vrfredist", why, err)
	}
	return why
}

// mirrors are the workers that need a copy of another VRF's feed.
func mirrors(cfg *config.Config) map[string]string {
	of := make(map[string]string)
	for _, s := range cfg.VRFs {
		if s.VRF != "" {
			of[s.Name] = s.VRF
		}
	}
	return of
}

// common returns those of before that after has too.
func common(before, after []vrf.Spec) []vrf.Spec {
	var out []vrf.Spec
	for _, s := range before {
		if slices.ContainsFunc(after, func(o vrf.Spec) bool { return o.Name == s.Name }) {
			out = append(out, s)
		}
	}
	return out
}
