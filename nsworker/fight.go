package nsworker

import (
	"fmt"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fight keeps the worker out of a fight with a program that deletes, changes or
// overwrites our routes again and again, adds some under our protocol, or changes our
// nexthop objects. A change is put right at once; from what was changed too often
// without a pause the worker keeps its hands for a while, each time for longer, and
// its state says so. Counts are by prefix, and the pause is the VRF's: whoever fights
// over one route hardly fights over that one alone.
type fight struct {
	changes map[rib.Slot]uint32   // how often others changed a route, since the last calm
	held    map[rib.Slot]struct{} // the routes that are left alone

	strangers map[rib.Key]uint32    // how often routes that nobody here wrote were deleted, since then
	spared    map[rib.Key]rib.Route // those that are left alone

	objects map[uint32]uint32   // how often others changed a nexthop object, since then
	left    map[uint32]struct{} // those that are left alone

	again   schedule  // when all that is done again; failures: how often it was
	calm    time.Time // when all is forgotten; zero: there is nothing to forget
	moved   time.Time // when a link or an address changed last
	excuses uint32    // how often that was, since the last calm
}

const (
	fightTolerance = 4 // changes that are put right at once
	fightCalm      = 10 * time.Second
	fightFirst     = time.Second
	fightMost      = time.Minute
	// fightCounted bounds the routes that are counted. A program that changes more
	// than these at once is slowed by resyncGap alone.
	fightCounted = 1 << 16
	// linkExcuse is how long ago a link may have changed for what goes to be put
	// down to it. Each such change excuses one change of a route, and no more: a
	// fight that begins beside it is one all the same.
	linkExcuse = 2 * time.Second
)

func newFight() fight {
	return fight{
		changes: make(map[rib.Slot]uint32), held: make(map[rib.Slot]struct{}),
		strangers: make(map[rib.Key]uint32), spared: make(map[rib.Key]rib.Route),
		objects: make(map[uint32]uint32), left: make(map[uint32]struct{}),
	}
}

// challenged notes that another program changed a route of ours that is to be put
// right, and leaves the route alone where that is a fight. What is not wanted at all
// is a stranger: see spares.
func (s *session) challenged(slot rib.Slot, e *entry) {
	if e.want() == nil {
		return
	}
	f, now := &s.fight, time.Now()
	n, known := f.changes[slot]
	if !known && len(f.changes) >= fightCounted {
		return
	}
	f.outdate(now)
	f.calm = now.Add(fightCalm)
	if n < fightTolerance+f.excuses {
		f.changes[slot] = n + 1
		return
	}
	f.held[slot] = struct{}{}
	f.pause(now)
	s.settle(slot, e)
}

// pause begins the time in which things are left alone, unless it has begun.
func (f *fight) pause(now time.Time) {
	if f.again.when.IsZero() {
		f.again.by(now.Add(min(fightMost, fightFirst<<min(f.again.failures, 10))))
	}
}

// paused tells whether anything is left alone now.
func (f *fight) paused() bool { return len(f.held)+len(f.spared)+len(f.left) > 0 }

// excuse notes an event that takes routes away without a program's doing. A link that
// went and came back meanwhile looks as it did: the event's reason says it then.
func (f *fight) excuse(ev rib.KernelEvents, before rib.Links) {
	if ev.Reason == rib.ResyncLink || ev.Reason == rib.ResyncAddress || len(rib.ChangedLinks(before, ev.Links)) > 0 {
		now := time.Now()
		f.outdate(now)
		f.moved = now
		f.excuses++
	}
}

// outdate forgets link changes that are too old to have taken what goes now.
func (f *fight) outdate(now time.Time) {
	if len(f.changes)+len(f.objects) == 0 && now.Sub(f.moved) >= linkExcuse {
		f.excuses = 0
	}
}

// leftAlone tells whether a route is not to be written now.
func (s *session) leftAlone(slot rib.Slot) bool {
	_, held := s.fight.held[slot]
	return held
}

// makePeace writes what was left alone again when its time has come, and forgets all
// once nobody changed anything for a while.
func (s *session) makePeace(now time.Time) {
	f := &s.fight
	if f.again.passed(now) {
		f.again.failures++
		f.calm = now.Add(fightCalm)
		held := f.held
		f.held = make(map[rib.Slot]struct{})
		for slot := range held {
			s.settle(slot, s.entries.At(slot))
		}
		s.meetStrangers()
		s.takeBackObjects()
	}
	if t := f.calmTime(); !t.IsZero() && !now.Before(t) {
		moved, excuses := f.moved, f.excuses
		*f = newFight()
		f.moved, f.excuses = moved, excuses
		f.outdate(now)
	}
}

// calmTime is when all is to be forgotten; zero: not now.
func (f *fight) calmTime() time.Time {
	if f.paused() {
		return time.Time{}
	}
	return f.calm
}

// forget drops what is known of a slot that is given back, or in order.
func (f *fight) forget(slot rib.Slot) { delete(f.held, slot) }

// reason says, for a person, why what (this route) is left alone.
func (f *fight) reason(what string) string {
	return fmt.Sprintf("another program keeps deleting or changing %s; it is written again in %v, and stays once that program leaves it alone",
		what, max(0, time.Until(f.again.when)).Round(time.Second))
}

// fights counts what is left alone.
func (f *fight) fights() vrf.Fights {
	return vrf.Fights{Routes: len(f.held), Strangers: len(f.spared), Nexthops: len(f.left)}
}
