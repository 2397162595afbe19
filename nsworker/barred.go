package nsworker

import (
	"errors"
	"slices"
	"syscall"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// bar takes in that the kernel refused a route for a reason that lies in its nexthops: where
// the prefix has another path, that is taken (RFC 4271, 9.1.2), until the table is read
// again.
func (r *routes) bar(slot rib.Slot, e *route, err error) {
	if e.Want == nil || !ofNexthops(err) || len(r.feed.Paths(r.pathBuf[:0], slot)) < 2 {
		return
	}
	of := e.Want.Ways
	if e.Want.OnBackup {
		of = []*nexthop.Way{e.Want.Backup}
	}
	barred := r.barred[slot]
	for _, way := range of {
		if !slices.Contains(barred, way) {
			barred = append(barred, way)
		}
	}
	if len(barred) == len(r.barred[slot]) {
		return // all that there are
	}
	r.barred[slot] = barred
	r.MarkAnew(slot, e)
}

// ofNexthops tells whether the kernel's error may be about the gateway or the interface of a
// route (fib_check_nh, ip6_route_info_create).
func ofNexthops(err error) bool {
	for _, no := range []syscall.Errno{syscall.EINVAL, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENODEV} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// unbar has every nexthop count again.
func (r *routes) unbar() {
	for slot := range r.barred {
		if e := r.Find(slot); e != nil {
			r.MarkAnew(slot, e)
		}
	}
	clear(r.barred)
}

// barredBy are the nexthops by which the kernel takes no route for a prefix.
func (r *routes) barredBy(slot rib.Slot) (members []nexthop.Member) {
	for _, way := range r.barred[slot] {
		members = append(members, way.Member)
	}
	return members
}
