package policy

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// MayAccept tells whether the policy may accept some path for a prefix: false where it rejects
// all of them, whatever they are like.
func (p *Policy) MayAccept(prefix netip.Prefix) bool {
	rejected, known := p.OfPrefix(prefix)
	return !known || !rejected
}

// MayReject tells whether the policy may reject some path: false where it rejects none, whatever it
// is like.
func (p *Policy) MayReject() bool {
	return p.fails || slices.ContainsFunc(p.rules, func(r rule) bool { return r.action == Reject })
}

// OfPrefix says whether the policy rejects all paths for a prefix, or none, whatever they are
// like; known is false where it depends on them.
func (p *Policy) OfPrefix(prefix netip.Prefix) (rejected, known bool) {
	of := rib.Subject{Prefix: prefix, Attrs: &ofNoPath}
	accepts, rejects := false, false // some
	for i := range p.rules {
		r := &p.rules[i]
		if r.action == Next {
			continue
		}
		match, sure := r.ofPrefix(&of)
		if match {
			accepts, rejects = accepts || r.action == Accept, rejects || r.action == Reject
		}
		if accepts && rejects {
			return false, false
		}
		if match && sure {
			return rejects, true
		}
	}
	if p.fails && accepts || !p.fails && rejects {
		return false, false
	}
	return p.fails, true
}

// ofNoPath are the attributes where none is asked for.
var ofNoPath rib.Attrs

// ofPrefix tells whether a rule may be about some path for a prefix, and whether it is about all.
func (r *rule) ofPrefix(s *rib.Subject) (match, sure bool) {
	sure = true
	for i := range r.tests {
		switch t := &r.tests[i]; {
		case t.key != keyPrefixes && t.key != keyFamilies:
			sure = false
		case t.holds(s) == t.negated:
			return false, false
		}
	}
	return true, sure
}
