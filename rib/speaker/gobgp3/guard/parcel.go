package guard

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP writes a message for each route of every family but IPv4 unicast, and one for each path
// that it takes from a neighbour for others: of a table of VPN routes as many messages as it has
// routes, each with all attributes and a system call, and the neighbour reads and decodes each. Here
// messages that come right after one another, and differ in nothing but their routes, become one.
// Which routes the neighbour is told of, and in which order, stays as it is.

const (
	// together is how soon after another one a message comes of which more can be expected:
	// GoBGP writes what belongs together within some microseconds each. A single route never
	// waits.
	together = 100 * time.Microsecond
	// mostHeld is how long routes wait for others at most.
	mostHeld = time.Millisecond
)

// parcel is what waits to be written in one message.
type parcel struct {
	send func(m []byte, messages int) (int, error)

	mu      sync.Mutex // held while a message is written, too
	wrote   time.Time  // guarded by mu; when the last message was written, or put here
	waiting int        // guarded by mu; messages of GoBGP's that wait
	err     error      // guarded by mu; of a message that was written later
	timer   *time.Timer
	first   []byte              // guarded by mu; the first of them
	as      parts               // guarded by mu; its parts
	routes  []byte              // guarded by mu; those of all
	had     map[uint64]struct{} // guarded by mu; which they are
	lately  []uint64            // guarded by mu; those of the message in hand
	made    []byte              // guarded by mu; the message that they come to
	hash    maphash.Seed
}

func newParcel(send func(m []byte, messages int) (int, error)) *parcel {
	p := &parcel{send: send, had: make(map[uint64]struct{}), hash: maphash.MakeSeed()}
	p.timer = time.AfterFunc(time.Hour, p.late)
	p.timer.Stop()
	return p
}

// put writes a message of GoBGP's, or has it wait for a moment; agreed is nil of one that is no
// UPDATE. Its error may be of a message that waited.
func (p *parcel) put(m []byte, agreed *agreement) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	var as parts
	var routes []byte
	divided := false
	if agreed != nil {
		as, routes, divided = divide(m, agreed)
	}
	if divided && p.add(&as, routes) {
		p.wrote = time.Now()
		return len(m), nil
	}
	if err := p.flush(); err != nil {
		return 0, err
	}
	if divided && time.Since(p.wrote) < together {
		p.begin(m, agreed)
		p.wrote = time.Now()
		return len(m), nil
	}
	n, err := p.send(m, 1)
	p.wrote = time.Now()
	return n, err
}

// late writes what has waited long enough. GoBGP is told of an error with its next message, the
// next KEEPALIVE at the latest.
func (p *parcel) late() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.flush() // it is kept
}

// begin has a message wait.
func (p *parcel) begin(m []byte, agreed *agreement) {
	p.first = append(p.first[:0], m...)
	var routes []byte
	p.as, routes, _ = divide(p.first, agreed)
	p.routes, p.waiting = append(p.routes[:0], routes...), 1
	clear(p.had)
	p.know(&p.as, routes)
	p.timer.Reset(mostHeld)
}

// add puts the routes of a message to those that wait; false: they do not belong to these, have no
// room, or some of them wait already.
func (p *parcel) add(as *parts, routes []byte) bool {
	if p.waiting == 0 || !as.same(&p.as) || p.as.size()+len(p.routes)+len(routes) > mostMessage || !p.know(as, routes) {
		return false
	}
	p.routes = append(p.routes, routes...)
	p.waiting++
	return true
}

// flush writes what waits.
func (p *parcel) flush() error {
	if p.waiting == 0 {
		return p.err
	}
	m := p.first
	if p.waiting > 1 {
		p.made = p.as.with(p.made[:0], p.routes)
		m = p.made
	}
	_, p.err = p.send(m, p.waiting)
	p.waiting = 0
	p.timer.Stop()
	return p.err
}

// know notes which routes a message has, unless one of them waits. Two that only look alike are
// taken for one.
func (p *parcel) know(as *parts, routes []byte) bool {
	p.lately = p.lately[:0]
	var room [64]byte
	for len(routes) > 0 {
		n := as.encoding.size(routes)
		k := maphash.Bytes(p.hash, as.key(room[:0], routes[:n]))
		if _, waits := p.had[k]; waits {
			return false
		}
		p.lately = append(p.lately, k)
		routes = routes[n:]
	}
	for _, k := range p.lately {
		p.had[k] = struct{}{}
	}
	return true
}

// key is what names a route: all of it but its label.
func (e encoding) key(to, route []byte) []byte {
	const label = 3
	switch {
	case e.evpn && len(route) > e.id+headOfEVPN+label: // it ends with one; without one it has an address there
		return append(to, route[:len(route)-label]...)
	case e.rd > 0:
		return append(append(to, route[:e.id+1]...), route[e.id+1+label:]...)
	}
	return append(to, route...)
}

// parts are an UPDATE without its routes, in the message that it came in.
type parts struct {
	kind updateKind
	// before and after are the attributes before and after that one that has the routes: of IPv4
	// routes beside the attributes, all are before.
	before, after []byte
	flags         byte   // of that attribute
	to            []byte // what it has before the routes: family and nexthop
	encoding
}

// updateKind says where the routes of an UPDATE are.
type updateKind uint8

const (
	withdrawsFour updateKind = iota + 1 // as withdrawn routes of the message
	announcesFour                       // behind its attributes
	withdrawsAny                        // in MP_UNREACH_NLRI
	announcesAny                        // in MP_REACH_NLRI
)

// divide divides an UPDATE; false: it has more than one kind of routes, none, or such that are not
// read here.
func divide(m []byte, agreed *agreement) (as parts, routes []byte, is bool) {
	b := m[headerSize:]
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 4+n {
		return as, nil, false
	}
	withdrawn, attrs := b[2:2+n], b[4+n:]
	n = int(binary.BigEndian.Uint16(b[2+n:]))
	if len(attrs) < n {
		return as, nil, false
	}
	attrs, nlri := attrs[:n], attrs[n:]
	switch {
	case len(withdrawn) > 0 && len(attrs)+len(nlri) == 0:
		as.kind, routes = withdrawsFour, withdrawn
	case len(withdrawn) > 0:
		return as, nil, false
	case len(nlri) > 0:
		as.kind, as.before, routes = announcesFour, attrs, nlri
	}
	if as.kind != 0 {
		as.encoding = agreed.sent(bgp.AFI_IP, bgp.SAFI_UNICAST)
	}
	if !as.attributes(attrs, &routes, agreed) {
		return as, nil, false
	}
	return as, routes, as.whole(routes)
}

// attributes finds the one that has the routes.
func (as *parts) attributes(attrs []byte, routes *[]byte, agreed *agreement) bool {
	for rest := attrs; len(rest) > 0; {
		a, size, ok := firstAttribute(rest)
		if !ok {
			return false
		}
		if a.kind == kindReach || a.kind == kindUnreach {
			if as.kind != 0 || len(a.value) < 3 {
				return false
			}
			at := 3
			as.kind = withdrawsAny
			if a.kind == kindReach {
				if len(a.value) < 4 || len(a.value) < 5+int(a.value[3]) {
					return false
				}
				as.kind, at = announcesAny, 5+int(a.value[3])
			}
			as.encoding = agreed.sent(binary.BigEndian.Uint16(a.value), a.value[2])
			as.flags, as.to, *routes = a.flags, a.value[:at], a.value[at:]
			as.before, as.after = attrs[:len(attrs)-len(rest)], rest[size:]
		}
		rest = rest[size:]
	}
	return true
}

// whole tells whether routes are there, and can be told one from the other.
func (as *parts) whole(routes []byte) bool {
	if !as.agreed || len(routes) == 0 {
		return false
	}
	for len(routes) > 0 {
		n := as.encoding.size(routes)
		if n == 0 || n > len(routes) {
			return false
		}
		routes = routes[n:]
	}
	return true
}

// same tells whether two differ in nothing but their routes.
func (as *parts) same(o *parts) bool {
	return as.kind == o.kind && as.flags|flagExtended == o.flags|flagExtended &&
		bytes.Equal(as.to, o.to) && bytes.Equal(as.before, o.before) && bytes.Equal(as.after, o.after)
}

// size is that of the message without routes.
func (as *parts) size() int {
	const head = 4 // of an attribute
	return headerSize + 4 + len(as.before) + head + len(as.to) + len(as.after)
}

// with appends the message with routes.
func (as *parts) with(to, routes []byte) []byte {
	at := len(to)
	to = append(begin(to), 0, 0, bgp.BGP_MSG_UPDATE)
	if as.kind == withdrawsFour {
		to = append(binary.BigEndian.AppendUint16(to, uint16(len(routes))), routes...)
		to = append(to, 0, 0)
	} else {
		to = append(to, 0, 0, 0, 0)
		attrs := len(to)
		to = append(to, as.before...)
		if as.kind != announcesFour {
			to = appendAttributeHead(to, as.flags, kindOf(as.kind), len(as.to)+len(routes))
			to = append(append(append(to, as.to...), routes...), as.after...)
		}
		binary.BigEndian.PutUint16(to[attrs-2:], uint16(len(to)-attrs))
		if as.kind == announcesFour {
			to = append(to, routes...)
		}
	}
	binary.BigEndian.PutUint16(to[at+16:], uint16(len(to)-at))
	return to
}

func kindOf(k updateKind) byte {
	if k == withdrawsAny {
		return kindUnreach
	}
	return kindReach
}

// sent is how the prefixes of a family are written that go out.
func (a *agreement) sent(afi uint16, safi uint8) encoding {
	e, ours := a.of(afi, safi)
	if !ours {
		return encoding{}
	}
	e.id = 0
	if a.Families[bgp.AfiSafiToRouteFamily(afi, safi)]&bgp.BGP_ADD_PATH_SEND != 0 {
		e.id = 4
	}
	return e
}
