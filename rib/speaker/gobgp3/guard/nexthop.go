package guard

import (
	"net/netip"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// RFC 2545, 3, has two addresses in an IPv6 nexthop where both speakers share the link: a
// global one, and a link-local one. GoBGP keeps the first alone. BIRD, where it has no global
// one, writes :: in its place, so that GoBGP would keep nothing: there the guard leaves it
// the second. Where both say something the guard remembers them as a pair.

// sizes of a nexthop, with the distinguisher of a VPN's (RFC 4659) before each address.
const (
	sizeOfAddr = 16
	sizeOfRD   = 8
)

// usable returns the nexthop that GoBGP gets for n, which has its length before it: n itself, or where
// its first address is unspecified and the second link-local, that one.
func usableNexthop(n []byte, room *[1 + sizeOfRD + sizeOfAddr]byte) (out []byte, changed bool) {
	first, second, rd := bothAddrs(n)
	if !first.IsUnspecified() || !second.IsLinkLocalUnicast() {
		return n, false
	}
	size := rd + sizeOfAddr
	room[0] = byte(size)
	copy(room[1:], n[1+size:])
	return room[:1+size], true
}

// bothAddrs are the two addresses of a nexthop that has two, and how long the distinguisher
// before each is; else they are invalid.
func bothAddrs(n []byte) (first, second netip.Addr, rd int) {
	switch len(n) - 1 {
	case 2 * sizeOfAddr:
	case 2 * (sizeOfRD + sizeOfAddr):
		rd = sizeOfRD
	default:
		return first, second, 0
	}
	at := 1 + rd
	first = netip.AddrFrom16([sizeOfAddr]byte(n[at:]))
	return first, netip.AddrFrom16([sizeOfAddr]byte(n[at+sizeOfAddr+rd:])), rd
}

// pairs are the link-local addresses that a neighbour sent beside global ones. They outlive
// a session, as its paths may.
type pairs struct {
	mu     sync.Mutex
	beside map[netip.Addr]netip.Addr // guarded by mu; by the global address
}

// mostPairs bounds them: a route server has one for each of its clients.
const mostPairs = 8192

// note takes in a nexthop. A neighbour that names none beside an address for which it named
// one has none any more.
func (p *pairs) note(n []byte) {
	if len(n) < 1+sizeOfAddr {
		return // of IPv4
	}
	first, second, _ := bothAddrs(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !second.IsLinkLocalUnicast() || !first.IsGlobalUnicast():
		if len(p.beside) > 0 {
			delete(p.beside, lastAddr(n))
		}
		return
	case p.beside[first] == second:
		return
	case p.beside == nil || len(p.beside) >= mostPairs:
		p.beside = make(map[netip.Addr]netip.Addr)
	}
	p.beside[first] = second
}

// lastAddr is the only address of a nexthop that has one.
func lastAddr(n []byte) netip.Addr { return netip.AddrFrom16([sizeOfAddr]byte(n[len(n)-sizeOfAddr:])) }

func (p *pairs) of(global netip.Addr) netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beside[global]
}

// An IPv6 route that goes over an IPv4 session with this router as its nexthop gets the IPv4
// address of the session from GoBGP, as ::ffff:192.0.2.1, to which no kernel forwards. RFC 2545
// and RFC 4760 have an IPv6 address there: the one that this router has on the link.

// withNexthop returns a message of GoBGP's with the nexthop six in its IPv6 unicast routes where
// it has own, an IPv4 address. Every other message is returned as it is.
func withNexthop(m []byte, own netip.Addr, six func() netip.Addr) []byte {
	at := mappedNexthop(m, own)
	if at == 0 {
		return m
	}
	addr := six()
	if !addr.Is6() {
		return m
	}
	out := append([]byte(nil), m...)
	copy(out[at:], addr.AsSlice())
	return out
}

// mappedNexthop is where the nexthop of IPv6 unicast routes is in a message, if it is own as an
// IPv4-mapped address; 0: it is not.
func mappedNexthop(m []byte, own netip.Addr) (at int) {
	const first = headerSize + 4 // an UPDATE of GoBGP's with MP_REACH_NLRI withdraws nothing
	if len(m) < first || m[18] != bgp.BGP_MSG_UPDATE || m[headerSize]|m[headerSize+1] != 0 {
		return 0
	}
	for rest := m[first:]; len(rest) > 0; {
		a, size, ok := firstAttribute(rest)
		if !ok {
			return 0
		}
		if v := a.value; a.kind == kindReach && len(v) > 4+sizeOfAddr && [4]byte(v) == [4]byte{0, bgp.AFI_IP6, bgp.SAFI_UNICAST, sizeOfAddr} {
			if netip.AddrFrom16([sizeOfAddr]byte(v[4:])) == netip.AddrFrom16(own.As16()) {
				return len(m) - len(rest) + size - len(v) + 4
			}
			return 0
		}
		rest = rest[size:]
	}
	return 0
}
