package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
)

// step is one part of a reload.
type step struct {
	name string // for the log
	do   func(context.Context) error
	// undo takes back what do did, also half of it: it is called after a do that failed
	// too. nil: do changes nothing where it fails, and no later step can fail. Its error
	// goes on from "the old configuration is in force again, except".
	undo func(context.Context) error
}

// carryOut does steps in their order. Where one fails it takes that one and those before
// it back, the last one first, and goes on where one cannot be taken back: the error
// says why the change failed, and what is not as it was.
func carryOut(ctx context.Context, log *slog.Logger, steps []step) error {
	for i, s := range steps {
		runtime.Gosched() // the routes of those that stay go first; of thousands of VRFs each step takes milliseconds
		if err := s.do(ctx); err != nil {
			log.Debug("a step of the reload failed; it is taken back with those before it", "step", s.name, "err", err)
			return takeBack(ctx, steps[:i+1], err)
		}
	}
	return nil
}

func takeBack(ctx context.Context, done []step, why error) error {
	why = fmt.Errorf("%w; the old configuration is in force again", why)
	join := ", except"
	for _, s := range slices.Backward(done) {
		if s.undo == nil {
			continue
		}
		if err := s.undo(ctx); err != nil {
			why, join = fmt.Errorf("%w%s %w", why, join, err), ", and"
		}
	}
	if join != ", except" {
		why = fmt.Errorf("%w; restart vrfredist", why)
	}
	return why
}
