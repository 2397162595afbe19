package guard

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// A Prefix-SID may have parts in it that a router does not know, and has to bear (RFC 9252, 2). GoBGP
// does not survive those of a service. Without them the SID is the same, so they are taken out
// before the whole attribute is.

// Types in a Prefix-SID: of services (RFC 9252, 2), of what a service has in it (3.1), and of what
// that has (3.2.1).
const (
	serviceL3, serviceL2 = 5, 6
	sidInformation       = 1
	sidStructure         = 1

	leastInformation = 21
	structureSize    = 6
)

// siftSIDs takes what GoBGP does not know out of the services of a Prefix-SID, and tells whether the
// UPDATE survives then.
func (r *rewriter) siftSIDs(u *update, why error) bool {
	i := slices.IndexFunc(u.attrs, func(a attribute) bool {
		return bgp.BGPAttrType(a.kind) == bgp.BGP_ATTR_TYPE_PREFIX_SID && a.odd && !a.cut
	})
	if i < 0 {
		return false
	}
	a := &u.attrs[i]
	all := a.value
	rest, ok := sifted(all, service)
	if !ok || len(rest) == len(all) {
		return false
	}
	if a.value = rest; r.try(u) != nil {
		a.value = all
		return false
	}
	r.record.counts[Discarded].Add(1)
	u.changed, u.detail = true, fmt.Sprintf("of a Prefix-SID: %v", why)
	r.say(Discarded, u.detail)
	u.detail = ""
	return true
}

// malformedService tells whether a service in a Prefix-SID has a part that is not as long as it says, or as
// it has to be. What is no list of parts at all is left to the rehearsal.
func malformedService(prefixSID []byte) (malformed bool) {
	_, _ = sifted(prefixSID, func(kind byte, v []byte) ([]byte, bool, bool) {
		rest, stays, ok := service(kind, v)
		malformed = malformed || !ok
		return rest, stays, ok
	})
	return malformed
}

// sifting is what is left of a part; stays: something is. ok is false where it is malformed (RFC
// 9252, 7).
type sifting func(kind byte, v []byte) (rest []byte, stays, ok bool)

// service is what is left of a part of a Prefix-SID. GoBGP passes over those of other kinds.
func service(kind byte, v []byte) (rest []byte, stays, ok bool) {
	switch {
	case kind != serviceL3 && kind != serviceL2:
		return v, true, true
	case len(v) == 0:
		return nil, false, false
	}
	subs, ok := sifted(v[1:], information)
	return append([]byte{v[0]}, subs...), true, ok
}

// information is what is left of a part of a service.
func information(kind byte, v []byte) (rest []byte, stays, ok bool) {
	switch {
	case kind != sidInformation:
		return nil, false, true
	case len(v) < leastInformation:
		return nil, false, false
	}
	subs, ok := sifted(v[leastInformation:], func(kind byte, v []byte) ([]byte, bool, bool) {
		return v, kind == sidStructure, kind != sidStructure || len(v) == structureSize
	})
	return append(slices.Clone(v[:leastInformation]), subs...), true, ok
}

// sifted is what is left of a list of parts, each with a type and a length of two bytes.
func sifted(list []byte, left sifting) (rest []byte, ok bool) {
	for len(list) > 0 {
		if len(list) < 3 || len(list) < 3+int(binary.BigEndian.Uint16(list[1:])) {
			return nil, false
		}
		kind, v := list[0], list[3:3+int(binary.BigEndian.Uint16(list[1:]))]
		list = list[3+len(v):]
		part, stays, ok := left(kind, v)
		if !ok {
			return nil, false
		}
		if stays {
			rest = append(binary.BigEndian.AppendUint16(append(rest, kind), uint16(len(part))), part...)
		}
	}
	return rest, true
}
