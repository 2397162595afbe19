package oracle

import (
	"encoding/binary"
	"errors"
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

// Has tells whether the longest match of an IPv4 prefix's first address is a route of
// the daemon with exactly this prefix. It costs the kernel one look-up, where the other
// questions read a table.
func (o *Oracle) Has(prefix string) bool {
	o.t.Helper()
	p := netip.MustParsePrefix(prefix)
	body := make([]byte, unix.SizeofRtMsg, unix.SizeofRtMsg+unix.SizeofRtAttr+4)
	body[0], body[1] = unix.AF_INET, 32
	binary.NativeEndian.PutUint32(body[8:], unix.RTM_F_FIB_MATCH)
	body = binary.NativeEndian.AppendUint16(body, unix.SizeofRtAttr+4)
	body = binary.NativeEndian.AppendUint16(body, unix.RTA_DST)
	body = append(body, p.Addr().AsSlice()...)
	m, err := o.sock.ask(request{unix.RTM_GETROUTE, body})
	if errors.Is(err, unix.ENETUNREACH) {
		return false
	}
	if err != nil {
		o.t.Fatalf("look %s up in %s: %v", prefix, o.ns.Role, err)
	}
	r := parse(m)
	return r.prefix == p && r.protocol == o.protocol
}
