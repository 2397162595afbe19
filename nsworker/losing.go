package nsworker

import (
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// losing is what a link took with it: groups that the kernel deleted, and with them their routes, without
// a word about the IPv4 ones (fib_nexthops of net/ipv4/nexthop.c); and the sets that lead elsewhere
// since.
type losing struct {
	groups []uint32
	moved  nexthop.Changed
	from   rib.Slot // of routes: those before it are marked, and may have another route by now, of a group by the same number
}

// takes tells whether an entry is concerned, and whether its route is gone.
func (l losing) takes(want *nexthop.Set, have *nexthop.Forwarding) (is, gone bool) {
	_, is = l.moved[want]
	gone = have != nil && slices.Contains(l.groups, have.Group)
	return is || gone, gone
}

// mark marks the entries of routes, and of backup routes behind them. Where there may be more of routes
// than most, which is 0 for all, it returns those.
func (l losing) mark(r *routes, most int) (more losing, are bool) {
	if at, more := lose(l, r.Ledger, l.from, most); more {
		return losing{l.groups, l.moved, at + 1}, true
	}
	lose(l, r.backups.Ledger, 0, 0)
	return losing{}, false
}

// lose marks entries by their slots, and returns at which it has marked as many as may be.
func lose[N any](l losing, of *ledger.Ledger[rib.Slot, nexthop.Set, nexthop.Forwarding, N], from rib.Slot, most int) (at rib.Slot, more bool) {
	marked := 0
	for slot, e := range of.All {
		is, gone := l.takes(e.Want, e.Have)
		if slot < from || !is {
			continue
		}
		if gone {
			of.Put(e, nil)
		}
		of.Mark(slot, e)
		if marked++; marked == most {
			return slot, true
		}
	}
	return 0, false
}

// took marks what a link took with it: of a large table the first routes alone, which are written
// before the others are looked at (rest). A look at a million takes some 50 ms.
func (w *writer) took(l losing) {
	w.rest()
	if more, are := l.mark(w.routes, writeBatch); are {
		w.losing = more
	}
}

// rest marks the others.
func (w *writer) rest() {
	if l := w.losing; l.groups != nil {
		w.losing, _ = l.mark(w.routes, 0)
	}
}
