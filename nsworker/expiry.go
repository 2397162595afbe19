package nsworker

import (
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// expiry is when the next IPv6 route of another program ends. The kernel stops using one at
// once, says so only when it collects it, up to 30 seconds later (fib6_age in
// net/ipv6/ip6_fib.c), and says nothing where a router advertisement gives it more time. So
// the table is read when the time has come.
type expiry struct {
	next time.Time // zero: none ends
}

// collected is how long the kernel keeps a route that has ended.
const collected = 30 * time.Second

func (e *expiry) begin() { e.next = time.Time{} }

// look takes in routes of a reading, and marks those that have ended.
func (e *expiry) look(routes []rib.Route) []rib.Route {
	for i := range routes {
		e.one(&routes[i])
	}
	return routes
}

// one takes in a route, and marks it where it has ended.
func (e *expiry) one(r *rib.Route) {
	if r.Expires == 0 {
		return
	}
	at, now := time.Unix(int64(r.Expires), 0), time.Now()
	if r.Expired = !now.Before(at); r.Expired {
		at = now.Add(collected) // it may have been given more time by then
	}
	if e.next.IsZero() || at.Before(e.next) {
		e.next = at
	}
}

// passed tells, once, whether the time has come.
func (e *expiry) passed(now time.Time) bool {
	is := !e.next.IsZero() && !now.Before(e.next)
	if is {
		e.next = time.Time{}
	}
	return is
}
