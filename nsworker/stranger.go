package nsworker

import (
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// stranger tells whether a route under our protocol, which the table has, is one that
// nobody here wrote, at a key that we have no use for.
func (s *session) stranger(r rib.Route) bool {
	_, e := s.entryOf(r.Prefix)
	if e == nil {
		return true
	}
	if e.have != nil && e.have.metric == r.Metric {
		return false
	}
	want := e.want()
	return want == nil || want.metric != r.Metric
}

// deletedStranger notes that the kernel has deleted what nobody here needs.
func (f *fight) deletedStranger(k rib.Key) {
	now := time.Now()
	f.calm = now.Add(fightCalm)
	if _, known := f.strangers[k]; known || len(f.strangers) < fightCounted {
		f.strangers[k]++
	}
}

// spares leaves a stranger that shows itself alone, where one like it was deleted too
// often: whoever adds it adds it again.
func (s *session) spares(r rib.Route) bool {
	f, k := &s.fight, r.Key()
	if f.strangers[k] < fightTolerance || !s.stranger(r) {
		return false
	}
	now := time.Now()
	f.calm = now.Add(fightCalm)
	f.spared[k] = r
	f.pause(now)
	return true
}

// meetStrangers deletes those that were left alone, once.
func (s *session) meetStrangers() {
	spared := s.fight.spared
	s.fight.spared = make(map[rib.Key]rib.Route)
	for k, r := range spared {
		s.fight.strangers[k] = fightTolerance - 1
		if s.stranger(r) {
			s.heedOwn(rib.RouteEvent{Route: r})
		}
	}
}

// loadObjects takes in a reading of the nexthop objects, and leaves those alone that
// others change again and again. What the kernel takes out of a group with a link is
// put down to that, as with routes.
func (s *session) loadObjects(t rib.Table) {
	o, f := &s.objects, &s.fight
	before := maps.Clone(o.known)
	o.load(t.Nexthops, t.Routes)
	if !s.trusted {
		return
	}
	now := time.Now()
	for id, n := range o.known {
		was, had := before[id]
		if had && (was.Group() && slices.Equal(was.Members, n.Members) || sameSingle(was, n)) {
			continue
		}
		if _, known := f.objects[id]; !known && len(f.objects) >= fightCounted {
			continue
		}
		f.outdate(now)
		f.calm = now.Add(fightCalm)
		if f.objects[id] < fightTolerance+f.excuses {
			f.objects[id]++
			continue
		}
		f.left[id] = struct{}{}
		f.pause(now)
	}
}

// fought tells whether a group that is there, or one of its members, is left alone.
func (o *objects) fought(tg *target) bool {
	if len(o.fight.left) == 0 {
		return false
	}
	_, made := o.known[tg.group]
	_, left := o.fight.left[tg.group]
	return made && (left || slices.ContainsFunc(o.members(tg), func(m rib.NexthopMember) bool {
		_, left := o.fight.left[m.ID]
		return left
	}))
}

// takeBackObjects puts the objects right that were left alone.
func (s *session) takeBackObjects() {
	if len(s.fight.left) == 0 {
		return
	}
	s.fight.left = make(map[uint32]struct{})
	s.objects.litter = true
	back := make(map[*target]struct{})
	for _, tg := range s.targets.byKey {
		if tg.fought {
			s.objects.aim(tg)
			back[tg] = struct{}{}
		}
	}
	s.settleUsers(back)
}
