package nsworker

import (
	"errors"
	"slices"
	"syscall"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// barred are the nexthops by which the kernel refused a route for a prefix, for a reason that
// lies in them: where the prefix has another path, that one is taken (RFC 4271, 9.1.2), until
// the table is read again.
type barred map[rib.Slot][]*nexthop.Way

// bar takes in that the kernel refused the route to a set. It tells whether that is news.
func (b barred) bar(slot rib.Slot, set *nexthop.Set) bool {
	of := set.Ways
	if set.OnBackup {
		of = []*nexthop.Way{set.Backup}
	}
	now := b[slot]
	for _, way := range of {
		if !slices.Contains(now, way) {
			now = append(now, way)
		}
	}
	if len(now) == len(b[slot]) {
		return false
	}
	b[slot] = now
	return true
}

// by are the nexthops that are barred for a prefix.
func (b barred) by(slot rib.Slot) (members []nexthop.Member) {
	for _, way := range b[slot] {
		members = append(members, way.Member)
	}
	return members
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
