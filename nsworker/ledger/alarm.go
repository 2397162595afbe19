package ledger

import "time"

// Alarm is a moment at which something is to be done. The zero value is never.
type Alarm struct{ when time.Time }

// At moves the moment to t, unless it is earlier already.
func (a *Alarm) At(t time.Time) {
	if a.when.IsZero() || t.Before(a.when) {
		a.when = t
	}
}

// Set tells whether there is a moment.
func (a *Alarm) Set() bool { return !a.when.IsZero() }

// Rings takes the moment away, and returns true, where it has come.
func (a *Alarm) Rings(now time.Time) bool {
	if a.when.IsZero() || a.when.After(now) {
		return false
	}
	a.when = time.Time{}
	return true
}

// When is the moment; zero: never.
func (a *Alarm) When() time.Time { return a.when }

// Stop takes the moment away.
func (a *Alarm) Stop() { a.when = time.Time{} }
