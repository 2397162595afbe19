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
	m := o.lookUp(p.Addr(), unix.RTM_F_FIB_MATCH)
	if m == nil {
		return false
	}
	r := parse(m)
	return r.prefix == p && r.protocol == o.protocol
}

// Leaves returns the index of the interface by which a packet to an address leaves; 0:
// by none.
func (o *Oracle) Leaves(to netip.Addr) int32 {
	o.t.Helper()
	m := o.lookUp(to, 0)
	if m == nil || m[7] != unix.RTN_UNICAST { // rtm_type
		return 0
	}
	for _, h := range parse(m).hops {
		return h.index
	}
	return 0
}

// lookUp asks the kernel for the route that it takes for an address; nil: it has none that
// leads anywhere.
func (o *Oracle) lookUp(to netip.Addr, flags uint32) []byte {
	o.t.Helper()
	body := make([]byte, unix.SizeofRtMsg, unix.SizeofRtMsg+unix.SizeofRtAttr+16)
	body[0], body[1] = unix.AF_INET, uint8(to.BitLen())
	if to.Is6() {
		body[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(body[8:], flags)
	body = binary.NativeEndian.AppendUint16(body, uint16(unix.SizeofRtAttr+to.BitLen()/8))
	body = binary.NativeEndian.AppendUint16(body, unix.RTA_DST)
	m, err := o.sock.ask(request{unix.RTM_GETROUTE, append(body, to.AsSlice()...)})
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return nil
	}
	if err != nil {
		o.t.Fatalf("look %v up in %s: %v", to, o.ns.Role, err)
	}
	return m
}

// Link returns the index of an interface.
func (o *Oracle) Link(dev string) int32 {
	o.t.Helper()
	for index, name := range o.links() {
		if name == dev {
			return index
		}
	}
	o.t.Fatalf("%s has no interface %s", o.ns.Role, dev)
	return 0
}
