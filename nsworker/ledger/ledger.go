package ledger

import "github.com/vrfredist/vrfredist/rib"

// Entry is what a ledger knows of one key: 24 bytes with a note of three. W is how its
// owner names what is wanted, V is what the store has, and N is the owner's own note.
type Entry[W, V, N any] struct {
	Want *W // what is wanted; nil: nothing
	Have *V // what the store confirmed, or showed; nil: nothing
	Note N

	family uint8 // 1 + the rib.Family; 0: there is no entry
	marks  mark
	seen   uint8 // 1 + the Drift that the store showed since the last evaluation; 0: none
	drift  uint8 // the same, counted and not mended yet
}

type mark uint8

const (
	due    mark = 1 << iota // to be written
	queued                  // in the queue of what is due, due or no longer
	marked                  // to be evaluated
	anew                    // what is wanted is to be found out again
)

// Used tells whether there is an entry, and not only room for one.
func (e *Entry[W, V, N]) Used() bool { return e.family != 0 }

// Is tells whether an entry, which is used, is of a family.
func (e *Entry[W, V, N]) Is(f rib.Family) bool { return e.family == 1+uint8(f) }

// Family is that of an entry, which is used.
func (e *Entry[W, V, N]) Family() rib.Family { return rib.Family(e.family - 1) }

// Due tells whether an entry is to be written.
func (e *Entry[W, V, N]) Due() bool { return e.marks&due != 0 }

// Anew tells, once, whether what is wanted is to be found out again: see MarkAnew.
func (e *Entry[W, V, N]) Anew() bool {
	was := e.marks&anew != 0
	e.marks &^= anew
	return was
}

// Drifted is what others did to the entry that is not mended yet.
func (e *Entry[W, V, N]) Drifted() (d Drift, is bool) { return Drift(e.drift - 1), e.drift != 0 }

// Rules are what a ledger is told of its values.
type Rules[W, V, N any] interface {
	// Comes returns what an entry's want comes to in the store now; nil: nothing is to
	// be there.
	Comes(e *Entry[W, V, N]) *V
	// Same tells whether the store need not be written to go from have to want, neither
	// of which is nil.
	Same(have, want *V) bool
	// Replaced is told what the store has now of an entry, and had before; nil: nothing.
	Replaced(was, is *V)
}

// Store keeps the entries of a ledger by their key. A pointer to an entry stays good
// until the entry is dropped.
type Store[K comparable, E any] interface {
	// At returns the entry of a key, and makes room for it where there is none.
	At(K) *E
	// Find returns the entry of a key; nil: there is no room for it.
	Find(K) *E
	// Drop gives the room of a key back.
	Drop(K)
	// All yields every entry for which there is room. What is yielded may be dropped.
	All(yield func(K, *E) bool)
}

// Ledger keeps the entries of one store. The zero value is of no use: see New.
type Ledger[K comparable, W, V, N any] struct {
	// Trusted says that what is known of the store was read, or confirmed: what differs
	// from it is drift. Before, nothing is.
	Trusted bool
	Drifts  *Drifts // what was found and mended is counted there

	store    Store[K, Entry[W, V, N]]
	rules    Rules[W, V, N]
	clock    *Contention
	contest  *Contest[K, struct{}]
	refusals refusals[K]
	due      queue[K]
	marked   queue[K]          // to be evaluated
	waiting  [rib.Families]int // entries that are due
	drifting int               // entries whose drift is not mended yet
	has      int               // entries that the store has
}

// New makes an empty ledger. How often another program changes an entry is counted by c,
// and what was found and mended in drifts.
func New[K comparable, W, V, N any](store Store[K, Entry[W, V, N]], rules Rules[W, V, N], c *Contention, drifts *Drifts) *Ledger[K, W, V, N] {
	return &Ledger[K, W, V, N]{
		Drifts: drifts,
		store:  store, rules: rules, clock: c, contest: NewContest[K, struct{}](c, WhenChanged),
		refusals: refusals[K]{why: make(map[K]string)},
	}
}

// Begin returns the entry of a key, and makes it one of a family where it is none yet.
func (l *Ledger[K, W, V, N]) Begin(k K, f rib.Family) *Entry[W, V, N] {
	e := l.store.At(k)
	e.family = 1 + uint8(f)
	return e
}

// Find returns the entry of a key; nil: there is none.
func (l *Ledger[K, W, V, N]) Find(k K) *Entry[W, V, N] {
	if e := l.store.Find(k); e != nil && e.Used() {
		return e
	}
	return nil
}

// All yields every entry. What is yielded may be dropped.
func (l *Ledger[K, W, V, N]) All(yield func(K, *Entry[W, V, N]) bool) {
	for k, e := range l.store.All {
		if e.Used() && !yield(k, e) {
			return
		}
	}
}

// Drop forgets an entry that is nothing and has nothing. The marks of its key stay, as
// the key stays in the queues until its turn comes.
func (l *Ledger[K, W, V, N]) Drop(k K, e *Entry[W, V, N]) {
	l.done(e)
	l.mended(e)
	l.refusals.forget(k)
	l.contest.Forget(k)
	*e = Entry[W, V, N]{marks: e.marks & (queued | marked)}
	l.store.Drop(k)
}

// Put notes what the store has of an entry now; nil: nothing.
func (l *Ledger[K, W, V, N]) Put(e *Entry[W, V, N], have *V) {
	was := e.Have
	e.Have = have
	if was != nil {
		l.has--
	}
	if have != nil {
		l.has++
	}
	l.rules.Replaced(was, have)
}

// Has is how many entries the store has.
func (l *Ledger[K, W, V, N]) Has() int { return l.has }

// Mark has an entry evaluated in the next pass.
func (l *Ledger[K, W, V, N]) Mark(k K, e *Entry[W, V, N]) {
	if e.marks&marked == 0 {
		e.marks |= marked
		l.marked.add(k)
	}
}

// MarkAnew has an entry evaluated in the next pass, beginning with what is wanted.
func (l *Ledger[K, W, V, N]) MarkAnew(k K, e *Entry[W, V, N]) {
	e.marks |= anew
	l.Mark(k, e)
}

// Pass hands every marked entry to evaluate, once. What is marked meanwhile waits for
// the next pass.
func (l *Ledger[K, W, V, N]) Pass(evaluate func(K, *Entry[W, V, N])) {
	passing := l.marked
	l.marked = queue[K]{}
	for k, there := passing.next(); there; k, there = passing.next() {
		e := l.store.Find(k)
		if e == nil {
			continue // its room was given back
		}
		e.marks &^= marked
		if e.Used() {
			evaluate(k, e)
		}
	}
}

// Next takes at most n of the entries that are due, in the order in which they became
// so. The keys are good until the next call.
func (l *Ledger[K, W, V, N]) Next(buf []K, n int) []K {
	buf = buf[:0]
	for len(buf) < n {
		k, there := l.due.next()
		if !there {
			break
		}
		e := l.store.Find(k)
		if e == nil {
			continue
		}
		e.marks &^= queued
		if e.Due() {
			l.done(e)
			buf = append(buf, k)
		}
	}
	return buf
}

// Waiting returns how many entries are due.
func (l *Ledger[K, W, V, N]) Waiting() int { return l.waiting[rib.IPv4] + l.waiting[rib.IPv6] }

// WaitingOf returns how many entries of a family are due.
func (l *Ledger[K, W, V, N]) WaitingOf(f rib.Family) int { return l.waiting[f] }

// Idle tells whether nothing is due, and nothing to be evaluated.
func (l *Ledger[K, W, V, N]) Idle() bool { return l.Waiting() == 0 && l.marked.empty() }

// Unmended returns how many entries others changed that are not as they should be yet.
func (l *Ledger[K, W, V, N]) Unmended() int { return l.drifting }

// LeftAlone tells whether an entry is not to be written now, because another program
// keeps changing it.
func (l *Ledger[K, W, V, N]) LeftAlone(k K) bool { return l.contest.Holds(k) }

// AllLeftAlone returns how many entries are left alone.
func (l *Ledger[K, W, V, N]) AllLeftAlone() int { return l.contest.Len() }

// TakeBack marks the entries that were left alone: they are written again.
func (l *Ledger[K, W, V, N]) TakeBack() {
	for k := range l.contest.Release() {
		if e := l.Find(k); e != nil {
			l.Mark(k, e)
		}
	}
}
