package nsworker

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// writeObjects brings the groups of the due targets about, before any route
// that is to hang on them.
func (s *session) writeObjects(ctx context.Context) error {
	o := &s.objects
	for tg := range o.due {
		delete(o.due, tg)
		changes, ok := o.change(nil, tg)
		if !ok {
			s.fallBack(tg)
			continue
		}
		errs, err := s.table.Apply(ctx, changes)
		if err != nil {
			return s.unknown(ctx, err)
		}
		for i, c := range changes {
			if errs[i] == nil {
				o.confirm(c)
			}
		}
		switch err := errors.Join(errs...); {
		case err != nil:
			s.log.Debug("nexthop objects were refused; the routes carry their nexthops themselves", "err", err)
			s.fallBack(tg)
		case tg.want == nil:
			s.lostGroup(tg.group)
		}
	}
	return nil
}

// fallBack makes the routes of tg carry their hops themselves, until the table
// is read the next time.
func (s *session) fallBack(tg *target) {
	tg.inline = true
	s.resolve(tg)
	s.settleUsers(map[*target]struct{}{tg: {}})
}

// lostGroup takes in that a group is gone: the kernel deleted its routes with
// it, without a word about the IPv4 ones.
func (s *session) lostGroup(id uint32) {
	for slot, e := range s.entries.All {
		if e.have != nil && e.have.group == id {
			s.hold(e, nil)
			s.settle(slot, e)
		}
	}
}

// hold notes what the kernel has of an entry, and which group that hangs on.
func (s *session) hold(e *entry, f *forwarding) {
	if e.have != nil && e.have.group != 0 {
		if s.objects.refs[e.have.group]--; s.objects.refs[e.have.group] == 0 {
			delete(s.objects.refs, e.have.group)
			s.objects.bare[e.have.group] = time.Now()
			s.objects.litter = true
		}
	}
	if f != nil && f.group != 0 {
		s.objects.refs[f.group]++
		delete(s.objects.bare, f.group)
	}
	e.have = f
}

// keepUnused is how long a group is kept after its last route went. A route that comes
// and goes finds it there: else each change of it would be three, and each of those
// waits for the one lock that the kernel has for all namespaces, which another tenant's
// routes may hold for tens of milliseconds.
const keepUnused = 3 * time.Second

// tidy deletes objects that nothing uses, a while after something may have become
// unused: groups without a target and without a route, then singles without a group.
// It runs when no route is due, because a route that is still to be moved hangs on
// its old group.
func (s *session) tidy(ctx context.Context, now time.Time) error {
	o := &s.objects
	if o.litter {
		o.litter = false
		o.tidy.by(now.Add(keepUnused))
	}
	if !s.mayTidy() || !o.tidy.passed(now) {
		return nil
	}
	wanted := make(map[uint32]bool)
	for _, tg := range s.targets.byKey {
		if tg.want != nil {
			wanted[tg.want.group] = true
		}
	}
	for id := range o.refs {
		wanted[id] = true
	}
	for id := range o.fight.left {
		wanted[id] = true
	}
	var groups, singles []rib.Change
	for id, n := range o.known {
		if id&baseMask != groupBase {
			continue
		}
		if !wanted[id] && o.bare[id].After(now.Add(-keepUnused)) {
			o.tidy.by(o.bare[id].Add(keepUnused))
			wanted[id] = true
		}
		if !wanted[id] {
			groups = append(groups, rib.Change{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: id}})
			continue
		}
		for _, m := range n.Members {
			wanted[m.ID] = true
		}
	}
	for id := range o.known {
		if id&baseMask == singleBase && !wanted[id] {
			singles = append(singles, rib.Change{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: id}})
		}
	}
	maps.DeleteFunc(o.bare, func(_ uint32, since time.Time) bool { return !since.After(now.Add(-keepUnused)) })
	return s.discard(ctx, append(groups, singles...))
}

// mayTidy tells whether what is known of the table says what is unused.
func (s *session) mayTidy() bool {
	return s.read && s.sweptAll() && s.due.waiting == 0 && len(s.objects.due) == 0 && len(s.extra) == 0
}

// tidyTime is when what is unused is to be deleted; zero: not now.
func (s *session) tidyTime() time.Time {
	if !s.mayTidy() {
		return time.Time{}
	}
	return s.objects.tidy.when
}

// discard deletes objects.
func (s *session) discard(ctx context.Context, changes []rib.Change) error {
	if len(changes) == 0 {
		return nil
	}
	errs, err := s.table.Apply(ctx, changes)
	if err != nil {
		return s.unknown(ctx, err)
	}
	o := &s.objects
	for i, c := range changes {
		if errs[i] != nil {
			s.doubt(rib.ResyncRefused)
			continue
		}
		id := c.Nexthop.ID
		o.confirm(c)
		o.release(id)
		s.targets.lostGroup(id)
	}
	o.litter = false
	return nil
}
