package devices

import (
	"fmt"
	"time"
)

// The limits of what is put right again and again: as often it is done without a pause, and then not
// for a while.
const (
	mostTurns = 4
	calm      = 10 * time.Second
	rest      = time.Minute
)

// turns count how often one thing was put right. The zero value: never.
type turns struct {
	n     int
	last  time.Time
	until time.Time // it is left alone so long; zero: it is not
	said  string    // why
}

// may tells whether it may be put right now, and counts that. what is what another program does, where
// it does so again and again.
func (t *turns) may(now time.Time, what string) bool {
	if now.Before(t.until) {
		return false
	}
	if now.Sub(t.last) > calm || !t.until.IsZero() {
		*t = turns{}
	}
	if t.n++; t.n > mostTurns {
		t.until = now.Add(rest)
		t.said = fmt.Sprintf("another program %s again and again, so that it is left alone until %s: end that program, or take the key out of the configuration", what, t.until.UTC().Format(time.TimeOnly))
		return false
	}
	t.last = now
	return true
}

// refused takes in that the kernel refused it.
func (t *turns) refused(now time.Time, said string) {
	*t = turns{until: now.Add(retryMost), said: said}
}
