package ledger

import "github.com/vrfredist/vrfredist/rib"

// Outcome is how what is wanted of an entry and what the store has of it compare.
type Outcome uint8

// The outcomes of an evaluation.
const (
	Empty     Outcome = iota // nothing is wanted, and nothing there
	InOrder                  // the store has what is wanted
	Due                      // it is to be written
	LeftAlone                // it would be, but another program keeps changing it
)

// Settle compares what is wanted of an entry with what the store has, and puts the entry
// into the queue where the two differ. It is the only way into that queue.
func (l *Ledger[K, W, V, N]) Settle(k K, e *Entry[W, V, N]) Outcome {
	want := l.rules.Comes(e)
	seen := e.seen
	e.seen = 0
	switch {
	case want == nil && e.Have == nil:
		l.inOrder(k, e)
		return Empty
	case want != nil && e.Have != nil && (want == e.Have || l.rules.Same(e.Have, want)):
		if want != e.Have {
			l.Put(e, want) // the shared value, so that the next comparison is of pointers
		}
		l.inOrder(k, e)
		return InOrder
	case want != nil && l.contest.Holds(k):
		l.done(e)
		return LeftAlone
	}
	if seen != 0 && e.drift == 0 {
		l.found(e, seen)
		// Of a key that nothing is wanted of, the owner counts what others put there.
		if want != nil && l.contest.Changed(k) {
			l.done(e)
			return LeftAlone
		}
	}
	l.add(k, e)
	return Due
}

func (l *Ledger[K, W, V, N]) inOrder(k K, e *Entry[W, V, N]) {
	l.done(e)
	l.contest.InOrder(k)
	l.mended(e)
}

func (l *Ledger[K, W, V, N]) add(k K, e *Entry[W, V, N]) {
	if e.marks&due == 0 {
		e.marks |= due
		l.waiting[e.family-1]++
	}
	if e.marks&queued == 0 {
		e.marks |= queued
		l.due.add(k)
	}
}

func (l *Ledger[K, W, V, N]) done(e *Entry[W, V, N]) {
	if e.marks&due != 0 {
		e.marks &^= due
		l.waiting[e.family-1]--
	}
}

// Drift is how the store differs from what was written.
type Drift uint8

// The kinds of drift.
const (
	Missing Drift = iota // it is gone
	Altered              // it is other than written
	Strange              // nobody here wrote it
	kinds
)

// Drifts count what others did to a store, by family and kind.
type Drifts struct {
	Found  [rib.Families][kinds]uint64 // where something was to be put right
	Mended [rib.Families][kinds]uint64 // what of it is as it should be again
}

// Saw notes that the store shows another value of an entry than it confirmed. It is
// counted at the next evaluation, where something is to be done about it: a route that
// went with its link, and is not wanted without, is no drift.
func (l *Ledger[K, W, V, N]) Saw(e *Entry[W, V, N], d Drift) {
	if l.Trusted {
		e.seen = 1 + uint8(d)
	}
}

// Differs notes that the store has another value of an entry than it should, or one
// where there should be none.
func (l *Ledger[K, W, V, N]) Differs(e *Entry[W, V, N]) {
	if e.Have == nil {
		l.Saw(e, Strange)
	} else {
		l.Saw(e, Altered)
	}
}

func (l *Ledger[K, W, V, N]) found(e *Entry[W, V, N], seen uint8) {
	e.drift = seen
	l.drifting++
	l.Drifts.Found[e.family-1][seen-1]++
}

func (l *Ledger[K, W, V, N]) mended(e *Entry[W, V, N]) {
	if e.drift != 0 {
		l.Drifts.Mended[e.family-1][e.drift-1]++
		l.drifting--
		e.drift = 0
	}
}
