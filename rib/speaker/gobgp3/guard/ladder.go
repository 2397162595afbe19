package guard

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// ladder rehearses an odd UPDATE. Where it does not survive as it is, the extended
// communities or attributes that may be discarded are taken out: a single one, where that
// is to blame (RFC 7606, 2: attribute discard; RFC 8669, 5 for Prefix-SID). Where that is
// no help either, the error is that of the first rehearsal.
func (r *rewriter) ladder(u *update) error {
	first := r.try(u)
	if first == nil {
		r.known.add(u)
		return nil
	}
	if r.sift(u, first) || r.siftSIDs(u, first) {
		return nil
	}
	var suspects []*attribute
	for i := range u.attrs {
		if a := &u.attrs[i]; a.odd && !a.cut && discardable(a) {
			suspects = append(suspects, a)
		}
	}
	for _, a := range suspects[:min(len(suspects), mostSuspects)] {
		a.cut = true
		if r.try(u) == nil {
			r.discard(u, a, first)
			return nil
		}
		a.cut = false
	}
	if len(suspects) < 2 {
		return first
	}
	for _, a := range suspects {
		a.cut = true
	}
	if err := r.try(u); err != nil {
		return first
	}
	for _, a := range suspects {
		r.discard(u, a, first)
	}
	return nil
}

// sift takes the extended communities out that are to blame, and tells whether the UPDATE
// survives then. A router that does not know an extended community has to carry it (RFC
// 4360, 6), but GoBGP cannot read all of EVPN's, and a route without those forwards as
// before: its way depends on the route targets, which GoBGP reads.
func (r *rewriter) sift(u *update, why error) bool {
	const size = 8
	i := slices.IndexFunc(u.attrs, func(a attribute) bool {
		return bgp.BGPAttrType(a.kind) == bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES && a.odd && !a.cut && len(a.value)%size == 0
	})
	if i < 0 {
		return false
	}
	a := &u.attrs[i]
	all, tried := a.value, 0
	kept := make([]byte, 0, len(all))
	for v := all; len(v) > 0; v = v[size:] {
		if !plainCommunities(v[:size]) {
			if tried++; tried > mostSifted {
				break
			}
			if a.value = v[:size]; r.try(u) != nil {
				continue
			}
		}
		kept = append(kept, v[:size]...)
	}
	a.value, a.cut = kept, len(kept) == 0
	if len(kept) == len(all) || tried > mostSifted || r.try(u) != nil {
		a.value, a.cut = all, false
		return false
	}
	r.record.counts[Discarded].Add(uint64(len(all)-len(kept)) / size)
	u.changed, u.detail = true, fmt.Sprintf("of extended communities: %v", why)
	r.say(Discarded, u.detail)
	u.detail = ""
	return true
}

// mostSifted is how many extended communities are tried one by one.
const mostSifted = 64

// mostSuspects is how many attributes are tried one by one: each costs a rehearsal.
const mostSuspects = 4

// discardable tells whether a route forwards in the same way without an attribute.
// Attributes by which routes are chosen, or that say where a route may go, are not
// discardable: the route would be another one without them.
func discardable(a *attribute) bool {
	switch bgp.BGPAttrType(a.kind) {
	case bgp.BGP_ATTR_TYPE_ATOMIC_AGGREGATE, bgp.BGP_ATTR_TYPE_AGGREGATOR, bgp.BGP_ATTR_TYPE_AS4_PATH, bgp.BGP_ATTR_TYPE_AS4_AGGREGATOR:
		return true
	case bgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC, bgp.BGP_ATTR_TYPE_COMMUNITIES, bgp.BGP_ATTR_TYPE_ORIGINATOR_ID, bgp.BGP_ATTR_TYPE_CLUSTER_LIST,
		bgp.BGP_ATTR_TYPE_MP_REACH_NLRI, bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI, bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES,
		bgp.BGP_ATTR_TYPE_IP6_EXTENDED_COMMUNITIES, bgp.BGP_ATTR_TYPE_LARGE_COMMUNITY, bgp.BGP_ATTR_TYPE_PMSI_TUNNEL:
		return false
	}
	return a.flags&flagOptional != 0
}

func (r *rewriter) discard(u *update, a *attribute, why error) {
	u.detail = fmt.Sprintf("attribute %d: %v", a.kind, why)
	r.cut(u, a, Discarded)
	u.detail = ""
}

// try writes an UPDATE as it would go out and rehearses that.
func (r *rewriter) try(u *update) error {
	if err := r.emit(u); err != nil {
		return err
	}
	if u.refused != reasons {
		return fmt.Errorf("%s", u.detail)
	}
	return r.tryAll(u)
}

// tryAll rehearses the messages of r.made.
func (r *rewriter) tryAll(u *update) error {
	if !u.odd {
		return nil
	}
	if u.unreadable() && u.refused == reasons {
		return errNoBottom
	}
	for b := r.made; len(b) > 0; {
		n := int(binary.BigEndian.Uint16(b[16:]))
		if err := r.tryOne(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// tryOne rehearses a copy of a message: GoBGP keeps parts of the bytes that it reads.
func (r *rewriter) tryOne(m []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("GoBGP does not survive it: %v%s", p, panicked())
		}
	}()
	return r.guard.rehearse(append([]byte(nil), m...), &r.agreed.Session)
}

// panicked names GoBGP's function that panicked.
func panicked() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "osrg/gobgp") {
			return " (" + f.Function[strings.LastIndex(f.Function, "/")+1:] + ")"
		}
		if !more {
			return ""
		}
	}
}
