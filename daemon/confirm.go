package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// doubt is a reload that was not confirmed: it waits to be, or it was undone. It
// is immutable.
type doubt struct {
	until   time.Time      // when it is undone; zero: it is
	old     *config.Config // what was in force before
	overlay []byte         // of then; nil: it is in force
}

// rollbackAgain is how long after a rollback that failed it is tried again.
const rollbackAgain = 10 * time.Second

// Unconfirmed implements api.Backend.
func (d *daemon) Unconfirmed() (vrf.Unconfirmed, bool) {
	now := d.doubt.Load()
	if now == nil {
		return vrf.Unconfirmed{}, false
	}
	return vrf.Unconfirmed{Until: now.until}, true
}

// doubting makes known how the last reload stands.
func (d *daemon) doubting(now *doubt) {
	d.doubt.Store(now)
	d.supervisor.Nudge()
}

// settled refuses a change of the configuration while one waits to be confirmed.
func (d *daemon) settled() error {
	now := d.doubt.Load()
	if now == nil || now.until.IsZero() {
		return nil
	}
	return fmt.Errorf("a reload waits to be confirmed, for another %s: run `vrfredist confirm` to keep it, or let that time pass and have the configuration from before; until then no other reload is taken, and this one changed nothing", vrf.Span(time.Until(now.until)))
}

// keep writes what is in force to the state directory, so that a start of the
// daemon has it as long as the reload to come is not confirmed. It returns the
// overlay of now.
func (d *daemon) keep(now *config.Config) (overlay []byte, err error) {
	if overlay, err = d.overlay.Snapshot(); err == nil {
		err = config.Kept{File: d.file, Text: now.Text, Overlay: overlay}.Write(d.stateDir)
	}
	if err != nil {
		return nil, fmt.Errorf("keep the configuration that is in force, to come back to: %w; nothing was changed", err)
	}
	return overlay, nil
}

// unkeep is called where the reload failed and what was in force is.
func (d *daemon) unkeep(why error) error {
	if d.doubt.Load() != nil { // as before: the file in place was not confirmed either
		return why
	}
	return errors.Join(why, config.RemoveKept(d.stateDir))
}

// await begins to wait for a confirmation.
func (d *daemon) await(old *config.Config, overlay []byte, confirm time.Duration) (until time.Time) {
	until = time.Now().Add(confirm)
	d.rollback.Reset(confirm)
	d.doubting(&doubt{until: until, old: old, overlay: overlay})
	d.log.Warn("the reload waits to be confirmed: unless `vrfredist confirm` is run, the configuration from before comes back", "in", vrf.Span(confirm), "at", until.UTC().Format(time.RFC3339))
	return until
}

// Confirm implements api.Backend: what the last reload brought stays.
func (d *daemon) Confirm(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.doubt.Load()
	switch {
	case now == nil:
		return api.ErrNothingToConfirm
	case now.until.IsZero():
		return fmt.Errorf("%w: the last reload was undone, because nobody confirmed it in time; apply the file again with `vrfredist reload`", api.ErrNothingToConfirm)
	}
	if err := d.confirmed(); err != nil {
		return fmt.Errorf("%w; it still waits, and comes to its end in %s", err, vrf.Span(time.Until(now.until)))
	}
	d.log.Info("the reload was confirmed, and stays")
	return nil
}

// confirmed ends all doubt about what is in force.
func (d *daemon) confirmed() error {
	if err := config.RemoveKept(d.stateDir); err != nil {
		return fmt.Errorf("the configuration from before could not be removed from the state directory, so that the next start would take it: %w", err)
	}
	d.rollback.Stop()
	d.doubting(nil)
	return nil
}

// rollBack brings the configuration from before an unconfirmed reload into
// force, with what was enabled and disabled at run time then. A start of the
// daemon has it too, until another reload.
func (d *daemon) rollBack(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.doubt.Load()
	if now == nil || now.until.IsZero() || time.Now().Before(now.until) {
		return // it was confirmed at the last moment
	}
	if err := d.rollBackTo(context.WithoutCancel(ctx), now); err != nil {
		d.log.Error("the configuration from before an unconfirmed reload could not be brought back; it is tried again", "in", rollbackAgain, "err", err)
		d.rollback.Reset(rollbackAgain)
		d.doubting(&doubt{until: time.Now().Add(rollbackAgain), old: now.old, overlay: now.overlay})
		return
	}
	d.doubting(&doubt{old: now.old})
	d.log.Warn("nobody confirmed the reload: the configuration from before it is in force again, and is what a restart has too; the file was left as it is, and `vrfredist reload` applies it", "file", d.file)
	// What is set at run time from now on is to stay.
	if err := (config.Kept{File: d.file, Text: now.old.Text}).Write(d.stateDir); err != nil {
		d.log.Error("what is enabled and disabled from now on is lost at the next start, because the state directory cannot be written", "err", err)
	}
}

func (d *daemon) rollBackTo(ctx context.Context, was *doubt) error {
	before, old := d.specs(), d.cfg.Load()
	if err := d.overlay.Restore(was.overlay); err != nil {
		return fmt.Errorf("bring back what was enabled and disabled at run time: %w", err)
	}
	d.cfg.Store(was.old)
	_, applied, err := d.change(ctx, old, was.old, before, d.specs())
	if applied {
		return nil // with what it says in its error, which a worker reports too
	}
	return err
}

// startConfig is the configuration to start with: the file's, or where a reload
// was not confirmed the one from before.
func startConfig(o Options, secret []byte, overlay *config.Overlay, log *slog.Logger) (*config.Config, *doubt, error) {
	kept, err := config.ReadKept(o.StateDir)
	if err != nil {
		return nil, nil, err
	}
	if kept == nil || !sameFile(kept.File, o.File) {
		cfg, err := loadConfig(o.File, secret)
		return cfg, nil, err
	}
	if kept.Overlay != nil {
		if err := overlay.Restore(kept.Overlay); err != nil {
			return nil, nil, fmt.Errorf("bring back what was enabled and disabled before an unconfirmed reload: %w", err)
		}
		if err := (config.Kept{File: kept.File, Text: kept.Text}).Write(o.StateDir); err != nil {
			return nil, nil, err
		}
	}
	if now, err := config.ReadFile(o.File); err == nil && bytes.Equal(now, kept.Text) {
		cfg, err := loadConfig(o.File, secret)
		return cfg, nil, errors.Join(err, config.RemoveKept(o.StateDir))
	}
	cfg, err := config.Parse(o.File, kept.Text, bgpPart(secret))
	if err != nil {
		return nil, nil, fmt.Errorf("the configuration from before an unconfirmed reload, which %s keeps: %w", o.StateDir, err)
	}
	cfg.Text = kept.Text
	log.Warn("the file was never confirmed: this start has the configuration from before that reload; `vrfredist reload` applies the file", "file", o.File)
	return cfg, &doubt{old: cfg}, nil
}

func sameFile(a, b string) bool {
	x, errA := filepath.Abs(a)
	y, errB := filepath.Abs(b)
	return errA == nil && errB == nil && x == y
}
