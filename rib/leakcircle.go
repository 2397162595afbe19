package rib

import (
	"net/netip"
	"slices"
)

// LeakRules are the leaks of all VRFs, by the VRF that takes. What is leaked is what the VRF
// chose of its own, so a choice may depend on another VRF's, and that on the first one: each of
// three VRFs that prefer what the next one has to their own would go on changing its mind for
// ever. So in such a circle one of them keeps to its own: see GivesWay.
type LeakRules map[string][]LeakRule

// GivesWay tells whether what a rule lets into a VRF comes behind all else that the VRF has for
// the prefix, whatever it prefers: because what the VRF has may come by rules to the one that it
// is from, and into is the one of the two that comes first by name, "default" last. Then each
// VRF's choice depends on those alone that come before it, and there is always one that all
// come to, whoever is heard first.
func (all LeakRules) GivesWay(into string, rule *LeakRule, prefix netip.Prefix) bool {
	return comesBefore(into, rule.From) && all.leads(into, rule.From, prefix)
}

// comesBefore is the order of VRFs in a circle.
func comesBefore(a, b string) bool {
	if last := defaultName(""); a == last || b == last {
		return b == last && a != b
	}
	return a < b
}

// leads tells whether something of one VRF may come by rules to another, as far as the prefix
// says: it is gone back, because few VRFs have many rules.
func (all LeakRules) leads(from, to string, prefix netip.Prefix) bool {
	seen, next := []string{to}, []string{to}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		for i := range all[at] {
			rule := &all[at][i]
			if slices.Contains(seen, rule.From) || !rule.mayLetIn(prefix) {
				continue
			}
			if rule.From == from {
				return true
			}
			seen, next = append(seen, rule.From), append(next, rule.From)
		}
	}
	return false
}

// sieve is a Judge that can tell from a prefix alone that it rejects every path for it.
type sieve interface {
	MayAccept(prefix netip.Prefix) bool
}

// mayLetIn tells whether a rule may let some path for a prefix in.
func (l *LeakRule) mayLetIn(prefix netip.Prefix) bool {
	by, is := l.Policy.(sieve)
	return !is || by.MayAccept(prefix)
}

// GivingWay returns the attributes of a path that a rule lets in which gives way.
func GivingWay(a *Attrs) *Attrs {
	b, via := *a, *a.Via
	via.GivesWay = true
	b.Via = &via
	return &b
}
