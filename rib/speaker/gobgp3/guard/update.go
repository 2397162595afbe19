package guard

import (
	"encoding/binary"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// update is an UPDATE in hand. Its lists are used again for the next one.
type update struct {
	withdrawn, nlri []byte // of IPv4
	attrs           []attribute
	broken          bool // the list of attributes ends in the midst of one
	reach, unreach  routes

	changed bool   // GoBGP gets other bytes than the neighbour sent
	odd     bool   // it is rehearsed
	refused Reason // why all that it announces is taken for withdrawn; reasons: it is not
	detail  string
	// shutdown says that its routes are marked with GRACEFUL_SHUTDOWN, and that this counts.
	shutdown bool
	// bottomless says that an announced VPN prefix has a label without a bottom.
	bottomless bool

	asPath [2]pathFacts // of AS_PATH and AS4_PATH

	ofNLRI, ofReach division // of the announced prefixes of nlri and of reach

	wide  []byte // an AS_PATH with four-byte AS numbers
	kept  []byte // the extended communities that pass
	kept6 []byte // the same, of IPv6
	head  []byte // the attributes as they go out
	hop   [1 + sizeOfRD + sizeOfAddr]byte
}

// division of announced prefixes.
type division struct {
	divided bool   // keep is announced, and not the whole list
	keep    []byte // prefixes that pass
	drop    []byte // prefixes that are withdrawn
}

func (d division) empty() division { return division{keep: d.keep[:0], drop: d.drop[:0]} }

// attribute is one of the path.
type attribute struct {
	flags, kind byte
	value       []byte
	cut         bool // left out
	odd         bool // not plain: it is rehearsed
}

// routes are the routes of an MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 4760).
type routes struct {
	there   bool
	afi     uint16
	safi    uint8
	nexthop []byte // with its length before it, as GoBGP gets it
	nlri    []byte
	// encoding says how nlri is read, where the guard does so itself.
	encoding
	ours bool
}

// Flags of an attribute (RFC 4271, 4.3).
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagPartial    = 0x20
	flagExtended   = 0x10
	flagsUnused    = 0x0f
)

func (u *update) reset() {
	*u = update{
		attrs: u.attrs[:0], refused: reasons, ofNLRI: u.ofNLRI.empty(), ofReach: u.ofReach.empty(),
		wide: u.wide[:0], kept: u.kept[:0], kept6: u.kept6[:0], head: u.head[:0],
	}
}

// parse divides the body of an UPDATE. Where its lengths contradict each other nothing
// can be said of its routes, and the session has to end (RFC 7606, 3 a).
func (u *update) parse(b []byte) error {
	u.reset()
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 4+n {
		return malformed("its withdrawn routes are longer than it is")
	}
	u.withdrawn, b = b[2:2+n], b[2+n:]
	n = int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return malformed("its path attributes are longer than it is")
	}
	attrs := b[2 : 2+n]
	u.nlri = b[2+n:]
	for len(attrs) > 0 {
		a, size, ok := firstAttribute(attrs)
		if !ok {
			u.broken = true
			break
		}
		u.attrs = append(u.attrs, a)
		attrs = attrs[size:]
	}
	return nil
}

func malformed(what string) error {
	return notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_MALFORMED_ATTRIBUTE_LIST, nil, "a malformed UPDATE: %s", what)
}

func firstAttribute(b []byte) (a attribute, size int, ok bool) {
	if len(b) < 3 {
		return a, 0, false
	}
	n, head := int(b[2]), 3
	if b[0]&flagExtended != 0 {
		if len(b) < 4 {
			return a, 0, false
		}
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	if len(b) < head+n {
		return a, 0, false
	}
	return attribute{flags: b[0], kind: b[1], value: b[head : head+n]}, head + n, true
}

// announces tells whether an UPDATE has routes that it does not withdraw.
func (u *update) announces() bool { return len(u.nlri) > 0 || u.reach.there && len(u.reach.nlri) > 0 }

// refuse has all that it announces withdrawn. The first reason stands.
func (u *update) refuse(why Reason, detail string) {
	if u.refused == reasons {
		u.refused, u.detail = why, detail
	}
}
