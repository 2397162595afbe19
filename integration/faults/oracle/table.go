package oracle

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Entry is a route that is not the daemon's, as far as a nexthop can be reached
// through it.
type Entry struct {
	Prefix   netip.Prefix
	Metric   uint32
	Discards bool // blackhole, unreachable, prohibit, throw
	Ways     []Way
}

// Way is one way out of an Entry. Gateway is invalid where the destination is on the
// link itself.
type Way struct {
	Gateway netip.Addr
	Dev     string
}

// Table returns the routes of one table that are not the daemon's.
func (o *Oracle) Table(table uint32) (all []Entry) {
	o.t.Helper()
	names := o.links()
	for _, r := range o.routes(0) {
		if r.table != table || r.protocol == o.protocol || !forwards(r.kind) {
			continue
		}
		e := Entry{Prefix: r.prefix, Metric: r.metric, Discards: r.kind != unix.RTN_UNICAST}
		for _, h := range r.hops {
			e.Ways = append(e.Ways, Way{h.gateway, names[h.index]})
		}
		all = append(all, e)
	}
	return all
}
