package policy

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// MayAccept tells whether the policy may accept some path for a prefix: false where it rejects
// all of them, whatever they are like.
func (p *Policy) MayAccept(prefix netip.Prefix) bool {
	of := rib.Subject{Prefix: prefix, Attrs: new(rib.Attrs)}
	for i := range p.rules {
		r := &p.rules[i]
		if r.action == Next {
			continue
		}
		switch match, sure := r.ofPrefix(&of); {
		case !match:
		case r.action == Accept:
			return true
		case sure:
			return false
		}
	}
	return !p.fails
}

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
