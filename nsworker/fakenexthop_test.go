package nsworker

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/vrfredist/vrfredist/rib"
)

// objects are the nexthop objects of the table's namespace.
func (t *fakeTable) objects() map[uint32]rib.Nexthop { return t.k.nexthops[t.where.Inode] }

// line is r as `ip route` prints it, without the id of its group: ids are hashes,
// and no test should know them.
func (t *fakeTable) line(r rib.Route) string {
	r = t.resolved(r)
	r.NexthopID = 0
	return r.Format(t.links)
}

// resolved is r as a dump shows it: with the hops that its group stands for.
func (t *fakeTable) resolved(r rib.Route) rib.Route {
	if r.NexthopID == 0 {
		return r
	}
	r.Hops = nil
	for _, m := range t.objects()[r.NexthopID].Members {
		h := t.objects()[m.ID].Hop
		h.Weight = m.Weight
		r.Hops = append(r.Hops, h)
	}
	return r
}

// applyNexthop keeps the kernel's rules: a group is never replaced by a single,
// nor a single by a group, and members must exist.
func (t *fakeTable) applyNexthop(op rib.Op, n rib.Nexthop) error {
	all := t.objects()
	old, there := all[n.ID]
	if op == rib.OpDeleteNexthop {
		if there {
			t.dropNexthop(n.ID)
		}
		return nil
	}
	if op == rib.OpAddNexthop && (there || t.k.alien[n.ID]) {
		return rib.ErrExists
	}
	if t.k.alien[n.ID] {
		return fmt.Errorf("the test lost another program's nexthop: %w", syscall.EINVAL)
	}
	if there && old.Group() != n.Group() {
		return fmt.Errorf("cannot replace a nexthop with a nexthop group: %w", syscall.EINVAL)
	}
	for _, m := range n.Members {
		if s, ok := all[m.ID]; !ok || s.Group() {
			return fmt.Errorf("invalid nexthop id in group: %w", syscall.EINVAL)
		}
	}
	all[n.ID] = n
	return nil
}

// dropNexthop deletes an object, its place in groups, the groups left empty, and
// the routes that hung on them: all without a word.
func (t *fakeTable) dropNexthop(id uint32) {
	all := t.objects()
	delete(all, id)
	for _, table := range t.k.tables {
		if table.where.Inode != t.where.Inode {
			continue
		}
		for key, r := range table.routes {
			if r.NexthopID == id {
				delete(table.routes, key)
			}
		}
	}
	for group, n := range all {
		left := slices.DeleteFunc(slices.Clone(n.Members), func(m rib.NexthopMember) bool { return m.ID == id })
		if len(left) == len(n.Members) {
			continue
		}
		if n.Members = left; len(left) == 0 {
			t.dropNexthop(group)
		} else {
			all[group] = n
		}
	}
}

// litter counts the objects of a namespace that no route of any table uses.
func (k *fakeKernel) litter(inode uint64) int {
	used := make(map[uint32]bool)
	for _, t := range k.tables {
		if t.where.Inode != inode {
			continue
		}
		for _, r := range t.routes {
			used[r.NexthopID] = true
			for _, m := range k.nexthops[inode][r.NexthopID].Members {
				used[m.ID] = true
			}
		}
	}
	n := 0
	for id := range k.nexthops[inode] {
		if !used[id] {
			n++
		}
	}
	return n
}
