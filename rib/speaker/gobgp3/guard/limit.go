package guard

import "sync/atomic"

// Limit bounds how many prefixes the sessions of a VRF may announce together: a prefix
// of two sessions counts twice. It is the same one as long as the VRF is there. Its
// methods are safe for concurrent use.
type Limit struct {
	most, used atomic.Int64
	full       atomic.Bool // a prefix was refused since there was room
	room       func()
}

// NewLimit makes a limit. room is called when there is room again after prefixes were
// refused: they are announced again only by who is asked.
func NewLimit(most int64, room func()) *Limit {
	l := &Limit{room: room}
	l.most.Store(most)
	return l
}

// Set changes the limit. Prefixes over a lower limit stay.
func (l *Limit) Set(most int64) {
	l.most.Store(most)
	l.give(0)
}

// Used is how many prefixes have been announced.
func (l *Limit) Used() int64 { return l.used.Load() }

// take takes a place, where there is one.
func (l *Limit) take() bool {
	if l.used.Add(1) > l.most.Load() {
		l.used.Add(-1)
		l.full.Store(true)
		return false
	}
	return true
}

// give gives back n places. There is room again when a tenth is free: at the first
// free place every neighbour would be asked for all its routes for the sake of one.
func (l *Limit) give(n int) {
	used, most := l.used.Add(int64(-n)), l.most.Load()
	if used < most-most/10 && l.full.CompareAndSwap(true, false) && l.room != nil {
		l.room()
	}
}
