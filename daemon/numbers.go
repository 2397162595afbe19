package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// numbers gives configurations the labels and SIDs of their VRFs, before anything is started from
// them. Its methods but preview are called one at a time, by the changer.
type numbers struct {
	kept *config.Numbers
	// standing are those that the kernel has, where the state directory knows of none.
	standing func(ctx context.Context, cfg *config.Config) ([]config.Standing, error)
	// split tells whether VRFs need a SID for each family.
	split func(ctx context.Context) (bool, error)
	log   *slog.Logger

	timer *time.Timer // fires when a number that a VRF waits for can be had
}

func newNumbers(dir string, host standingKernel, log *slog.Logger) *numbers {
	n := &numbers{kept: config.OpenNumbers(dir), log: log, timer: time.NewTimer(time.Hour)}
	n.timer.Stop()
	n.standing = func(ctx context.Context, cfg *config.Config) ([]config.Standing, error) {
		return standing(ctx, host, cfg)
	}
	n.split = func(ctx context.Context) (bool, error) {
		can, err := host.CoreFeatures(ctx)
		return can.DT46 == rib.No, err
	}
	return n
}

// begin gives the configuration of a start its numbers. Where what was kept is lost, and for VRFs
// of which nothing was kept, the kernel may have them from an earlier run.
func (n *numbers) begin(ctx context.Context, cfg *config.Config) (*config.Config, error) {
	if err := n.kept.Lost(); err != nil {
		n.log.Error("what the state directory keeps of labels and SIDs is lost; those that the kernel has are taken over, and others may be other ones than before", "err", err)
	}
	n.prepare(ctx, cfg)
	if n.kept.Needed(cfg) {
		standing, err := n.standing(ctx, cfg)
		if err != nil {
			n.log.Warn("the labels and SIDs that the kernel has from an earlier run cannot be read; VRFs that are new get one that is free", "err", err)
		}
		adopted, err := n.kept.Adopt(cfg, standing, time.Now())
		if err != nil {
			return nil, err
		}
		if len(adopted) > 0 {
			n.log.Warn("labels and SIDs of an earlier run, of which the state directory knew nothing, were taken over from the kernel", "of", strings.Join(adopted, ", "))
		}
	}
	got, err := n.kept.Assign(cfg, time.Now())
	if err != nil {
		return nil, err
	}
	n.await(got)
	return got.Config, nil
}

// prepare finds out what VRFs need. Where that is not known they get one SID each, as most kernels
// have it, and the kernel says what it does not take.
func (n *numbers) prepare(ctx context.Context, cfg *config.Config) {
	if !cfg.Locator.Prefix.IsValid() {
		return
	}
	split, err := n.split(ctx)
	if err != nil {
		n.log.Warn("what the kernel can do for SRv6 cannot be found out", "err", err)
		return
	}
	n.kept.Split(split)
}

// give gives a configuration that is to be in force its numbers. One of which a VRF would have
// another VRF's is refused, and changes nothing.
func (n *numbers) give(ctx context.Context, cfg *config.Config) (*config.Config, error) {
	n.prepare(ctx, cfg)
	if _, err := n.preview(cfg); err != nil {
		return nil, err
	}
	got, err := n.kept.Assign(cfg, time.Now())
	if err != nil {
		return nil, err
	}
	n.await(got)
	return got.Config, nil
}

// back gives numbers back to the configuration that stays in force, after another one has got
// some: who comes back has its old ones.
func (n *numbers) back(cfg *config.Config) {
	got, err := n.kept.Assign(cfg, time.Now())
	if err != nil {
		n.log.Error("labels and SIDs of the configuration that is in force again could not be written down", "err", err)
		return
	}
	n.await(got)
}

// inUse says that what a VRF had is in the kernel until now: no other gets it for a while.
func (n *numbers) inUse(cfg *config.Config, of *vrf.Spec) error {
	return n.kept.InUse(cfg, of, time.Now())
}

// preview says what a configuration would have, or why it would be refused.
func (n *numbers) preview(cfg *config.Config) (*config.Config, error) {
	got, err := n.kept.Preview(cfg, time.Now())
	if err != nil {
		return nil, err
	}
	if len(got.Conflicts) > 0 {
		return nil, fmt.Errorf("labels or SIDs are other VRFs' already: %s", strings.Join(got.Conflicts, "; "))
	}
	return got.Config, nil
}

// await says what VRFs wait for, and has it looked at again when it can be had.
func (n *numbers) await(got config.Numbered) {
	for _, line := range got.Waits {
		n.log.Warn("a label or SID cannot be had", "why", line)
	}
	n.timer.Stop()
	if !got.Next.IsZero() {
		n.timer.Reset(max(time.Until(got.Next), time.Second))
	}
}

// renumber gives VRFs what they waited for.
func (c *changer) renumber(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.force.config()
	next, err := c.numbers.give(ctx, old)
	if err == nil {
		m := &move{old: old, next: next, before: c.force.over(old), after: c.force.over(next)}
		if len(specChanges(m.before, m.after)) == 0 {
			return
		}
		c.log.Info("labels or SIDs that VRFs waited for can be had now")
		_, err = c.apply.make(context.WithoutCancel(ctx), m)
	}
	if err != nil {
		c.log.Error("labels or SIDs that VRFs waited for could not be given to them; it is tried again", "in", renumberAgain, "err", err)
		c.numbers.timer.Reset(renumberAgain)
	}
}

// renumberAgain is how long after a failure VRFs are given their numbers again.
const renumberAgain = 10 * time.Second
