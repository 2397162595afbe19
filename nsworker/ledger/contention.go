package ledger

import "time"

// Contention keeps a worker out of a contest with a program that deletes, changes or
// overwrites what we wrote again and again, or adds to it. A change is put right at once;
// what was changed [Tolerance] times, each within [Calm] of the one before, is left alone
// for a while, each time for longer. Changes are counted by key ([Contest]), and the pause
// is one for all contests of a table: who contends for one route hardly does so for that
// one alone.
type Contention struct {
	now      func() time.Time
	again    Alarm // when what is left alone is written again
	tries    int   // how often it was
	calm     time.Time
	moved    time.Time // when a link or an address changed last
	excuses  uint32    // how often one did, since the last calm
	contests []party
}

// NewContention makes a contention without contests. now is its clock.
func NewContention(now func() time.Time) *Contention { return &Contention{now: now} }

const (
	// Tolerance is how many changes of a key are put right at once.
	Tolerance = 4
	// Calm is how long nobody may change anything for all to be forgotten.
	Calm = 10 * time.Second

	pauseFirst = time.Second
	pauseMost  = time.Minute
	// mostCounted bounds the keys that are counted. A program that changes more at once
	// is slowed by the pause between two readings of the table alone.
	mostCounted = 1 << 16
	// linkExcuse is how long ago a link may have changed for what the kernel takes away to
	// be put down to it. Each such change excuses one change of a key, and no more: a
	// contest that begins beside it is one all the same.
	linkExcuse = 2 * time.Second
)

// party is a contest as all of a Contention are.
type party interface {
	counted() int
	excused() bool
	Len() int
	forgetAll()
}

// Excuse notes a change of a link or an address, which takes routes away without a
// program's doing.
func (c *Contention) Excuse() {
	now := c.now()
	c.outdate(now)
	c.moved = now
	c.excuses++
}

// outdate forgets changes of links that are too old to have taken what goes now.
func (c *Contention) outdate(now time.Time) {
	n := 0
	for _, p := range c.contests {
		if p.excused() {
			n += p.counted()
		}
	}
	if n == 0 && now.Sub(c.moved) >= linkExcuse {
		c.excuses = 0
	}
}

// pause begins the time in which things are left alone, unless it has begun.
func (c *Contention) pause(now time.Time) {
	if !c.again.Set() {
		c.again.At(now.Add(min(pauseMost, pauseFirst<<min(c.tries, 10))))
	}
}

// Paused tells whether anything is left alone now.
func (c *Contention) Paused() bool {
	for _, p := range c.contests {
		if p.Len() > 0 {
			return true
		}
	}
	return false
}

// Hurry ends the pause now, if there is one: somebody asks.
func (c *Contention) Hurry() {
	if c.Paused() {
		c.again.At(c.now())
	}
}

// Over tells, once, that the pause is over: what is left alone is to be written again.
func (c *Contention) Over() bool {
	now := c.now()
	if !c.again.Rings(now) {
		return false
	}
	c.tries++
	c.calm = now.Add(Calm)
	return true
}

// Relax forgets all once nobody changed anything for a while.
func (c *Contention) Relax() {
	now := c.now()
	if t := c.CalmTime(); t.IsZero() || now.Before(t) {
		return
	}
	c.again, c.tries, c.calm = Alarm{}, 0, time.Time{}
	for _, p := range c.contests {
		p.forgetAll()
	}
	c.outdate(now)
}

// Again is when what is left alone is written again; zero: nothing is.
func (c *Contention) Again() time.Time { return c.again.when }

// CalmTime is when all is to be forgotten; zero: not now.
func (c *Contention) CalmTime() time.Time {
	if c.Paused() {
		return time.Time{}
	}
	return c.calm
}

// Contest counts what others did to each key of one kind, and holds with a V those that
// are left alone.
type Contest[K comparable, V any] struct {
	clock   *Contention
	counts  Counting
	changes map[K]uint32
	held    map[K]V
}

// Counting is when a change of a key is counted.
type Counting uint8

const (
	// WhenChanged counts it as soon as it is seen. A change of a link excuses one, because the
	// kernel may have made it.
	WhenChanged Counting = iota
	// WhenPutRight counts it once it is undone. This is for what others add, of which one addition
	// may be seen several times. No link adds anything.
	WhenPutRight
)

// NewContest makes a contest of c.
func NewContest[K comparable, V any](c *Contention, counts Counting) *Contest[K, V] {
	x := &Contest[K, V]{clock: c, counts: counts, changes: make(map[K]uint32), held: make(map[K]V)}
	c.contests = append(c.contests, x)
	return x
}

// Changed counts that another program changed a key, and tells whether that is too often:
// then the key is held.
func (x *Contest[K, V]) Changed(k K) bool {
	now := x.clock.now()
	n, known := x.changes[k]
	if !known && len(x.changes) >= mostCounted {
		return false
	}
	x.clock.outdate(now)
	x.clock.calm = now.Add(Calm)
	if n < Tolerance+x.clock.excuses {
		x.changes[k] = n + 1
		return false
	}
	var zero V
	x.held[k] = zero
	x.clock.pause(now)
	return true
}

// PutRight counts a change of a key that was undone (WhenPutRight).
func (x *Contest[K, V]) PutRight(k K) {
	x.clock.calm = x.clock.now().Add(Calm)
	if _, known := x.changes[k]; known || len(x.changes) < mostCounted {
		x.changes[k]++
	}
}

// TooOften tells whether what was put right is there too often (WhenPutRight).
func (x *Contest[K, V]) TooOften(k K) bool { return x.changes[k] >= Tolerance }

// Hold leaves a key alone, with what is there.
func (x *Contest[K, V]) Hold(k K, v V) {
	now := x.clock.now()
	x.clock.calm = now.Add(Calm)
	x.held[k] = v
	x.clock.pause(now)
}

// Holds tells whether a key is left alone.
func (x *Contest[K, V]) Holds(k K) bool {
	_, held := x.held[k]
	return held
}

// Held are the keys that are left alone.
func (x *Contest[K, V]) Held() map[K]V { return x.held }

// Len returns how many keys are left alone.
func (x *Contest[K, V]) Len() int { return len(x.held) }

// InOrder says that a key is as it should be: it is left alone no longer.
func (x *Contest[K, V]) InOrder(k K) { delete(x.held, k) }

// Forget drops what is known of a key.
func (x *Contest[K, V]) Forget(k K) {
	delete(x.held, k)
	delete(x.changes, k)
}

// ForgetHeld drops all keys that are left alone, but not how often they were changed.
func (x *Contest[K, V]) ForgetHeld() { clear(x.held) }

// Release returns the keys that were left alone, with what was there: they are left alone
// no longer. One more change of each is too much again.
func (x *Contest[K, V]) Release() map[K]V {
	held := x.held
	x.held = make(map[K]V)
	if x.counts == WhenPutRight {
		for k := range held {
			x.changes[k] = Tolerance - 1 // putting it right counts
		}
	}
	return held
}

func (x *Contest[K, V]) counted() int  { return len(x.changes) }
func (x *Contest[K, V]) excused() bool { return x.counts == WhenChanged }

func (x *Contest[K, V]) forgetAll() {
	x.changes, x.held = make(map[K]uint32), make(map[K]V)
}
