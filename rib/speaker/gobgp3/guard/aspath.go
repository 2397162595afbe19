package guard

import (
	"encoding/binary"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// pathFacts are the facts by which an AS_PATH or AS4_PATH is judged.
type pathFacts struct {
	there bool
	own   int    // how often our own AS is in it
	zero  bool   // AS 0 is
	kind  byte   // of its first segment; 0: it is empty
	first uint32 // AS number of that
}

// asPath reads an AS_PATH or AS4_PATH, and tells whether it is well formed. GoBGP finds
// out by trying whether its AS numbers have two bytes or four, and may be wrong: on a
// session with two it gets four.
//
// An AS4_PATH that is malformed, or has a confederation's segment, is discarded alone
// (RFC 6793, 6): routers with two-byte AS numbers have passed it on unread.
func (j *judging) asPath(u *update, a *attribute, which int) bool {
	f := &u.asPath[which]
	f.there = true
	size := 4
	if which == 0 && !j.agreed.FourByteAS {
		size = 2
	}
	rules := j.rules()
	for v := a.value; len(v) > 0; {
		bad := len(v) < 2 || v[0] == 0 || v[0] > bgp.BGP_ASPATH_ATTR_TYPE_CONFED_SET || v[1] == 0 || len(v) < 2+size*int(v[1])
		if which == 1 && (bad || v[0] > bgp.BGP_ASPATH_ATTR_TYPE_SEQ) {
			*f = pathFacts{}
			j.cut(u, a, Discarded)
			return true
		}
		if bad {
			u.refuse(Malformed, "a malformed AS_PATH")
			return false
		}
		n := 2 + size*int(v[1])
		f.segment(v[:n], size, rules.OwnASes)
		if size == 2 {
			u.wide = widen(u.wide, v[:n])
		}
		if v[0] > bgp.BGP_ASPATH_ATTR_TYPE_SEQ && j.outside() {
			u.refuse(Malformed, "a confederation's segment in the path of somebody outside it (RFC 5065, 5)")
		}
		v = v[n:]
	}
	if size == 2 {
		a.value, u.changed = u.wide, true
	}
	return true
}

func (f *pathFacts) segment(v []byte, size int, own []uint32) {
	kind := v[0]
	for v = v[2:]; len(v) > 0; v = v[size:] {
		as := uint32(binary.BigEndian.Uint16(v))
		if size == 4 {
			as = binary.BigEndian.Uint32(v)
		}
		if f.kind == 0 {
			f.kind, f.first = kind, as
		}
		if as == 0 {
			f.zero = true
		}
		if slices.Contains(own, as) {
			f.own++
		}
	}
}

// widen appends a segment with four bytes for each AS number that had two.
func widen(to, v []byte) []byte {
	to = append(to, v[0], v[1])
	for v = v[2:]; len(v) > 0; v = v[2:] {
		to = append(to, 0, 0, v[0], v[1])
	}
	return to
}

// judgePaths refuses an announcement for the AS numbers of its path.
func (j *judging) judgePaths(u *update) {
	p, p4 := &u.asPath[0], &u.asPath[1]
	if !u.announces() || !p.there {
		return
	}
	rules := j.rules()
	if p.zero || p4.zero {
		u.refuse(ASZero, "")
	}
	if max(p.own, p4.own) > rules.AllowOwnAS {
		u.refuse(OwnAS, "")
	}
	switch {
	case !j.agreed.External:
	case j.agreed.Member:
		if p.kind != bgp.BGP_ASPATH_ATTR_TYPE_CONFED_SEQ {
			u.refuse(EmptyConfederation, "")
		}
	case rules.Terms.EnforceFirstAS && (p.kind != bgp.BGP_ASPATH_ATTR_TYPE_SEQ || !j.is(p.first)):
		j.record.firstAS.Add(1)
		u.refuse(FirstAS, "")
	}
}

// is tells whether an AS number is the neighbour's, or AS_TRANS in its place where AS
// numbers have two bytes (RFC 6793, 9).
func (j *judging) is(as uint32) bool {
	return as == j.agreed.PeerAS || !j.agreed.FourByteAS && as == bgp.AS_TRANS && j.agreed.PeerAS > 0xffff
}
