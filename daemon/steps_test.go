package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// TestEachStepFailsInTurn: what was done is taken back from the step that failed on, the
// last one first, and nothing behind it is done.
func TestEachStepFailsInTurn(t *testing.T) {
	const n = 4
	for failing := range n + 1 {
		var did []string
		boom := errors.New("boom")
		var steps []step
		for i := range n {
			steps = append(steps, step{
				name: fmt.Sprint(i),
				do: func(context.Context) error {
					did = append(did, fmt.Sprintf("do %d", i))
					if i == failing {
						return boom
					}
					return nil
				},
				undo: func(context.Context) error { did = append(did, fmt.Sprintf("undo %d", i)); return nil },
			})
		}
		steps[1].undo = nil // leaves nothing behind
		err := carryOut(t.Context(), slog.New(slog.DiscardHandler), steps)
		var want []string
		for i := range min(failing+1, n) {
			want = append(want, fmt.Sprintf("do %d", i))
		}
		for i := failing; i >= 0 && failing < n; i-- {
			if i != 1 {
				want = append(want, fmt.Sprintf("undo %d", i))
			}
		}
		if !slices.Equal(did, want) {
			t.Errorf("step %d fails: %v, want %v", failing, did, want)
		}
		switch {
		case failing == n && err != nil:
			t.Errorf("no step failed, and it says %v", err)
		case failing < n && (!errors.Is(err, boom) || err.Error() != "boom; the old configuration is in force again"):
			t.Errorf("step %d fails: %v", failing, err)
		}
	}
}

// TestAStepThatCannotBeTakenBack keeps the others from nothing, and is told of.
func TestAStepThatCannotBeTakenBack(t *testing.T) {
	boom, left := errors.New("boom"), errors.New("gone")
	for _, tc := range []struct {
		stays []int
		want  string
	}{
		{[]int{1}, "boom; the old configuration is in force again, except that 1 stays: gone; restart vrfredist"},
		{[]int{0, 2}, "boom; the old configuration is in force again, except that 2 stays: gone, and that 0 stays: gone; restart vrfredist"},
	} {
		var undone []string
		var steps []step
		for i := range 3 {
			steps = append(steps, step{
				do: func(context.Context) error { return nil },
				undo: func(context.Context) error {
					undone = append(undone, fmt.Sprint(i))
					if slices.Contains(tc.stays, i) {
						return about(fmt.Sprintf("that %d stays", i), left)
					}
					return nil
				},
			})
		}
		steps[2].do = func(context.Context) error { return boom }
		err := carryOut(t.Context(), slog.New(slog.DiscardHandler), steps)
		if !errors.Is(err, boom) || !errors.Is(err, left) || err.Error() != tc.want {
			t.Errorf("%v cannot be taken back: %v\nwant %s", tc.stays, err, tc.want)
		}
		if got := strings.Join(undone, " "); got != "2 1 0" {
			t.Errorf("taken back: %s", got)
		}
	}
}
