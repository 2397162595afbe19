package ledger

import "time"

const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 30 * time.Second
)

// refusals are the entries that the store refused, and why. All are tried again at one
// time, later each time as long as there are any.
type refusals[K comparable] struct {
	why   map[K]string
	again Alarm
	tries int
}

func (r *refusals[K]) add(k K, why string, now time.Time) {
	r.why[k] = why
	if r.again.Set() {
		return
	}
	r.again.At(now.Add(min(retryMost, retryFirst<<min(r.tries, 10))))
	r.tries++
}

func (r *refusals[K]) forget(k K) {
	delete(r.why, k)
	if len(r.why) == 0 {
		r.tries = 0
	}
}

// Refuse notes that the store refused to take an entry, and why: it is tried again.
func (l *Ledger[K, W, V, N]) Refuse(k K, why string) { l.refusals.add(k, why, l.clock.now()) }

// Refusal is why the store refused an entry; "": it did not.
func (l *Ledger[K, W, V, N]) Refusal(k K) string { return l.refusals.why[k] }

// Accepted forgets that the store refused an entry.
func (l *Ledger[K, W, V, N]) Accepted(k K) { l.refusals.forget(k) }

// Retry marks what the store refused, when its time has come.
func (l *Ledger[K, W, V, N]) Retry() {
	if !l.refusals.again.Rings(l.clock.now()) {
		return
	}
	for k := range l.refusals.why {
		if e := l.Find(k); e != nil {
			l.Mark(k, e)
		}
	}
}

// RetryTime is when what was refused is tried again; zero: nothing was.
func (l *Ledger[K, W, V, N]) RetryTime() time.Time { return l.refusals.again.when }
