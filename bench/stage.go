package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// stage is what the lab, which was built for tests, takes for its test: it ends
// a scenario at the first failure, and cleans up whatever the scenario built.
type stage struct {
	testing.TB // nil: the lab calls none of the methods that are not below

	ctx      context.Context
	cleanups []func()
	failures []error
}

// stopped is what Fatal panics with; run recovers it.
type stopped struct{}

// run plays a scenario and returns what failed.
func run(ctx context.Context, scenario func(*stage)) (err error) {
	t := &stage{ctx: ctx}
	defer func() { err = errors.Join(t.failures...) }()
	defer t.clean()
	t.guard(func() { scenario(t) })
	return nil
}

func (t *stage) clean() {
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		t.guard(last)
	}
}

func (t *stage) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(stopped); !ours {
				t.failures = append(t.failures, fmt.Errorf("panic: %v", p))
			}
		}
	}()
	f()
}

// Helper implements testing.TB.
func (t *stage) Helper() {}

// Cleanup implements testing.TB.
func (t *stage) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Failed implements testing.TB.
func (t *stage) Failed() bool { return len(t.failures) > 0 }

// Logf implements testing.TB.
func (t *stage) Logf(format string, args ...any) { progress(format, args...) }

// Errorf implements testing.TB.
func (t *stage) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Errorf(format, args...))
}

// Fatalf implements testing.TB.
func (t *stage) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(stopped{})
}

// Fatal implements testing.TB.
func (t *stage) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

// must ends the scenario where err is one.
func (t *stage) must(err error) {
	if err != nil {
		t.Fatalf("%w", err)
	}
}

// until looks at a condition again and again, with a pause between, and returns
// the moment before the look that found it true.
func (t *stage) until(what string, limit, pause time.Duration, check func() bool) time.Time {
	deadline := time.Now().Add(limit)
	for {
		now := time.Now()
		if check() {
			return now
		}
		if err := t.ctx.Err(); err != nil {
			t.Fatalf("%s: %w", what, err)
		}
		if now.After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(pause)
	}
}
