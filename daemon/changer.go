package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// changer makes the changes of what is in force, one at a time: a reload of the file,
// its confirmation and its rollback, and what is enabled and disabled over the API. It
// is a part of the api.Backend.
type changer struct {
	load    func(*config.Layers) (*config.Config, error) // of the file as it is now
	layers  *layering
	force   *inForce
	apply   *transition
	confirm *confirmation
	numbers *numbers
	tenants *arrivals // nil: templates match nothing
	bgp     heldBGP
	manager *manager
	log     *slog.Logger
	reloads

	mu sync.Mutex // held for the whole of a change
}

// start runs the VRFs of the configuration that the daemon starts with.
func (c *changer) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.apply.workers.Apply(ctx, c.force.specs()); err != nil {
		return err
	}
	cfg := c.force.config()
	if err := c.apply.neighbors.set(cfg); err != nil {
		return err
	}
	c.apply.neighbors.adverts.Set(cfg.Advertise)
	if err := c.apply.neighbors.resume(ctx); err != nil {
		c.log.Error("a graceful shutdown that the end of vrfredist cut short does not go on", "err", err)
	}
	c.apply.sysctls.check(cfg)
	return nil
}

// Reload implements api.Backend. A file with an error changes nothing. With
// confirm, what was in force before comes back after that time.
func (c *changer) Reload(ctx context.Context, confirm time.Duration) (changes []string, until time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.manager.reloading()()
	began := time.Now()
	// What has begun is finished, and a client that goes away ends nothing.
	applied, changes, until, err := c.reload(context.WithoutCancel(ctx), confirm)
	c.ended(began, outcomeOf(applied, err))
	return changes, until, err
}

// reload is Reload. applied tells whether the file is in force, also where not all went well.
func (c *changer) reload(ctx context.Context, confirm time.Duration) (applied bool, changes []string, until time.Time, err error) {
	if err := c.confirm.settled(); err != nil {
		return false, nil, until, err
	}
	cfg, err := c.layers.settle(c.layers.layers(), c.force.config(), c.load)
	if err != nil {
		return false, nil, until, err
	}
	if cfg, err = c.numbers.give(ctx, cfg); err != nil {
		return false, nil, until, err
	}
	old := c.force.config()
	m := &move{old: old, next: cfg, before: c.force.over(old), after: c.force.over(cfg)}
	if confirm != 0 {
		return c.reloadUnconfirmed(ctx, m, confirm)
	}
	if applied, err = c.move(ctx, m); err != nil {
		return applied, nil, until, err
	}
	return true, m.changes, until, c.confirm.end()
}

// move makes a move of which the next configuration has its labels and SIDs. Where it fails they
// are the old one's again.
func (c *changer) move(ctx context.Context, m *move, first ...step) (applied bool, err error) {
	defer c.confirm.hold()()
	if applied, err = c.apply.make(ctx, m, first...); !applied {
		c.numbers.back(m.old)
		return false, err
	}
	c.tenants.follow(m.next)
	return applied, err
}

// reloadUnconfirmed keeps what is in force, makes the move, and begins to wait for its
// confirmation, also where not all of the move went well.
func (c *changer) reloadUnconfirmed(ctx context.Context, m *move, confirm time.Duration) (applied bool, changes []string, until time.Time, err error) {
	overlay, err := c.confirm.keep(m.old, c.force.overlay)
	if err != nil {
		c.numbers.back(m.old)
		return false, nil, until, err
	}
	if applied, err = c.move(ctx, m); !applied {
		return false, nil, until, c.confirm.unkeep(err)
	}
	until = c.confirm.await(m.old, overlay, confirm)
	if err != nil {
		return true, nil, until, fmt.Errorf("%w; unless `vrfredist confirm` is run, the configuration from before comes back in %s", err, vrf.Span(confirm))
	}
	return true, m.changes, until, nil
}

// Confirm implements api.Backend: what the last reload brought stays.
func (c *changer) Confirm(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.confirm.confirm()
}

// Unconfirmed implements api.Backend.
func (c *changer) Unconfirmed() (vrf.Unconfirmed, bool) { return c.confirm.unconfirmed() }

// rollBack brings the configuration from before an unconfirmed reload into force, with
// what was enabled and disabled at run time then. Where that fails it is tried again.
func (c *changer) rollBack(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.confirm.due()
	if was == nil {
		return // it was confirmed at the last moment
	}
	began := time.Now()
	if err := c.rollBackTo(context.WithoutCancel(ctx), was); err != nil {
		c.ended(began, vrf.ReloadFailed)
		c.confirm.again(was, err)
		return
	}
	c.ended(began, vrf.ReloadUndone)
	c.confirm.undone(was)
}

func (c *changer) rollBackTo(ctx context.Context, was *unconfirmed) error {
	overlay, err := c.force.overlay.Snapshot()
	if err != nil {
		return err
	}
	// What was applied over the API since stays.
	next, err := c.layers.under(was.old)
	if err != nil {
		return err
	}
	if next, err = c.numbers.give(ctx, next); err != nil {
		return err
	}
	old := c.force.config()
	m := &move{old: old, next: next, before: c.force.over(old)}
	applied, err := c.move(ctx, m, step{
		name: "what was set at run time",
		do: func(context.Context) error {
			err := c.force.overlay.Restore(was.overlay)
			m.after = c.force.over(m.next)
			return about("bring back what was enabled and disabled at run time", err)
		},
		undo: func(context.Context) error {
			return about("for what was enabled and disabled at run time", c.force.overlay.Restore(overlay))
		},
	})
	if applied {
		return nil // with what it says in its error, which a worker reports too
	}
	return err
}

// Redistribute implements api.Backend: it changes one direction of a VRF, keeps
// the change for the next start, and applies it. For a worker that takes its routes
// out it waits while others may make their changes.
func (c *changer) Redistribute(ctx context.Context, name string, dir vrf.Direction, change func(*vrf.Spec)) error {
	wait, err := c.redistribute(ctx, name, dir, change)
	if err != nil {
		return err
	}
	return wait(ctx)
}

func (c *changer) redistribute(ctx context.Context, name string, dir vrf.Direction, change func(*vrf.Spec)) (wait func(context.Context) error, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spec, ok := c.force.spec(name)
	if !ok {
		return nil, api.ErrUnknownVRF
	}
	if spec.Encapsulates() {
		return nil, fmt.Errorf("%q is the table by which VRF %q reaches other PEs, and follows it; set what VRF %q exports", name, spec.VRF, spec.VRF)
	}
	change(&spec)
	if spec.VRF != "" && spec.Import.Enabled {
		return nil, fmt.Errorf("%q is a secondary table of VRF %q, which takes routes and gives none; enable import for VRF %q", name, spec.VRF, spec.VRF)
	}
	set := redistribution(spec, dir)
	set.Over = c.force.config().Layers().At()
	if err := c.force.overlay.Set(spec.Name, dir, set); err != nil {
		return nil, err
	}
	specs := c.force.specs()
	if err := c.apply.bgp.Withhold(ctx, withheld(specs)); err != nil {
		return nil, err
	}
	return c.apply.workers.Begin(specs)
}

// redistribution is one direction of spec, as the state directory keeps it.
func redistribution(spec vrf.Spec, dir vrf.Direction) config.Redistribution {
	if dir == vrf.Export {
		return config.Redistribution{
			Enabled:          spec.Export.Enabled,
			Community:        spec.Export.Community,
			CommunityList:    spec.Export.CommunityList,
			LargeCommunities: spec.Export.LargeCommunities,
		}
	}
	return config.Redistribution{Enabled: spec.Import.Enabled, Interfaces: spec.Import.Interfaces}
}

// Restore implements api.Backend.
func (c *changer) Restore(ctx context.Context, name string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	concerned := name == ""
	for _, diff := range c.bgp.Drift() {
		concerned = concerned || diff.VRF == "" || diff.VRF == name
	}
	if !concerned {
		return nil, nil
	}
	// What has begun is finished, and a client that goes away ends nothing.
	changes, err := c.bgp.Restore(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("put BGP right: %w", err)
	}
	return changes, nil
}

// heed applies the file when it is told to, and takes back what nobody confirmed,
// until ctx ends. It is not the loop that answers the watchdog, because a change waits
// for others, for workers and for BGP.
func (c *changer) heed(ctx context.Context, s signals) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.confirm.timer.C:
			c.rollBack(ctx)
		case <-c.numbers.timer.C:
			c.renumber(ctx)
		case <-c.tenants.news():
			c.tenants.takeIn(ctx, c)
		case <-s.reload:
			if s.ending() || ctx.Err() != nil {
				continue // which comes before it
			}
			if _, _, err := c.Reload(ctx, 0); err != nil {
				c.log.Error("the reload failed", "err", err)
			}
		}
	}
}
