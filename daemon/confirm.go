package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// confirmation is how the last reload stands: confirmed, waiting to be, or undone. What
// was in force before one that waits is kept in the state directory, where a start of
// the daemon finds it. Its methods but unconfirmed are called one at a time, by the
// changer.
type confirmation struct {
	file, stateDir string
	nudge          func() // tells who watches the VRFs that there is something to see
	// hold has what the old configuration needs, and the new one does not, be kept until the
	// release that it returns is called.
	hold func() (release func())
	log  *slog.Logger

	release func()                      // of hold; nil: nothing is held
	timer   *time.Timer                 // fires when a reload that waits is to be undone
	pending atomic.Pointer[unconfirmed] // nil: what is in force was confirmed
}

// unconfirmed is a reload that was not confirmed: it waits to be, or it was undone. It
// is immutable.
type unconfirmed struct {
	until   time.Time      // when it is undone; zero: it is
	old     *config.Config // what was in force before
	overlay []byte         // what was set at run time then; nil: it is in force
}

// rollbackAgain is how long after a rollback that failed it is tried again.
const rollbackAgain = 10 * time.Second

// newConfirmation begins with how the start found the last reload; nil: confirmed.
func newConfirmation(file, stateDir string, found *unconfirmed, nudge func(), hold func() (release func()), log *slog.Logger) *confirmation {
	c := &confirmation{file: file, stateDir: stateDir, nudge: nudge, hold: hold, log: log, timer: time.NewTimer(time.Hour)}
	c.timer.Stop()
	c.pending.Store(found)
	return c
}

func (c *confirmation) unconfirmed() (vrf.Unconfirmed, bool) {
	now := c.pending.Load()
	if now == nil {
		return vrf.Unconfirmed{}, false
	}
	return vrf.Unconfirmed{Until: now.until}, true
}

// become makes known how the last reload stands.
func (c *confirmation) become(now *unconfirmed) {
	c.pending.Store(now)
	c.nudge()
}

// settled refuses a change of the configuration while one waits to be confirmed.
func (c *confirmation) settled() error {
	now := c.pending.Load()
	if now == nil || now.until.IsZero() {
		return nil
	}
	return fmt.Errorf("a reload waits to be confirmed, for another %s: run `vrfredist confirm` to keep it, or let that time pass and have the configuration from before; until then no other reload is taken, and this one changed nothing", vrf.Span(time.Until(now.until)))
}

// keep writes what is in force to the state directory, so that a start of the
// daemon has it as long as the reload to come is not confirmed. It returns the
// overlay of now.
func (c *confirmation) keep(now *config.Config, overlay *config.Overlay) (snapshot []byte, err error) {
	if snapshot, err = overlay.Snapshot(); err == nil {
		err = config.Kept{File: c.file, Text: now.Text, Overlay: snapshot}.Write(c.stateDir)
	}
	if err != nil {
		return nil, fmt.Errorf("keep the configuration that is in force, to come back to: %w; nothing was changed", err)
	}
	c.letGo()
	c.release = c.hold()
	return snapshot, nil
}

// letGo ends what keep held: the old configuration does not come back any more, or is back.
func (c *confirmation) letGo() {
	if c.release != nil {
		c.release()
		c.release = nil
	}
}

// unkeep is called where the reload failed and what was in force is.
func (c *confirmation) unkeep(why error) error {
	c.letGo()
	if c.pending.Load() != nil { // as before: the file in place was not confirmed either
		return why
	}
	return errors.Join(why, config.RemoveKept(c.stateDir))
}

// await begins to wait for a confirmation.
func (c *confirmation) await(old *config.Config, overlay []byte, confirm time.Duration) (until time.Time) {
	until = time.Now().Add(confirm)
	c.timer.Reset(confirm)
	c.become(&unconfirmed{until: until, old: old, overlay: overlay})
	c.log.Warn("the reload waits to be confirmed: unless `vrfredist confirm` is run, the configuration from before comes back", "in", vrf.Span(confirm), "at", until.UTC().Format(time.RFC3339))
	return until
}

// confirm makes what the last reload brought stay.
func (c *confirmation) confirm() error {
	now := c.pending.Load()
	switch {
	case now == nil:
		return api.ErrNothingToConfirm
	case now.until.IsZero():
		return fmt.Errorf("%w: the last reload was undone, because nobody confirmed it in time; apply the file again with `vrfredist reload`", api.ErrNothingToConfirm)
	}
	if err := c.end(); err != nil {
		return fmt.Errorf("%w; it still waits, and comes to its end in %s", err, vrf.Span(time.Until(now.until)))
	}
	c.log.Info("the reload was confirmed, and stays")
	return nil
}

// end ends all unconfirmed about what is in force.
func (c *confirmation) end() error {
	if err := config.RemoveKept(c.stateDir); err != nil {
		return fmt.Errorf("the configuration from before could not be removed from the state directory, so that the next start would take it: %w", err)
	}
	c.timer.Stop()
	c.letGo()
	c.become(nil)
	return nil
}

// due returns the reload whose time has passed; nil: there is none.
func (c *confirmation) due() *unconfirmed {
	now := c.pending.Load()
	if now == nil || now.until.IsZero() || time.Now().Before(now.until) {
		return nil
	}
	return now
}

// again has a rollback that failed tried once more.
func (c *confirmation) again(was *unconfirmed, why error) {
	c.log.Error("the configuration from before an unconfirmed reload could not be brought back; it is tried again", "in", rollbackAgain, "err", why)
	c.timer.Reset(rollbackAgain)
	c.become(&unconfirmed{until: time.Now().Add(rollbackAgain), old: was.old, overlay: was.overlay})
}

// undone notes that the configuration from before is in force again. A start of the
// daemon has it too, until another reload.
func (c *confirmation) undone(was *unconfirmed) {
	c.letGo()
	c.become(&unconfirmed{old: was.old})
	c.log.Warn("nobody confirmed the reload: the configuration from before it is in force again, and is what a restart has too; the file was left as it is, and `vrfredist reload` applies it", "file", c.file)
	// What is set at run time from now on is to stay.
	if err := (config.Kept{File: c.file, Text: was.old.Text}).Write(c.stateDir); err != nil {
		c.log.Error("what is enabled and disabled from now on is lost at the next start, because the state directory cannot be written", "err", err)
	}
}
