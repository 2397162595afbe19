package rib

import (
	"fmt"
	"net/netip"
)

// KeptOut is a prefix of another VRF that a rule of a VRF is about and does not let in.
type KeptOut struct {
	Prefix netip.Prefix
	Path   Path // one of those that are kept out, as it would come in
	Rule   LeakRule
	By     string // what of the rule's policy rejects it; "": its limit keeps it out
}

// State is that of the prefix in a list of routes.
func (k *KeptOut) State() State {
	if k.By == "" {
		return OverLimit
	}
	return Filtered
}

// Reason says for a person which leak keeps the prefix out, and by what.
func (k *KeptOut) Reason() string {
	if k.By == "" {
		return fmt.Sprintf("the leak from VRF %q has as many prefixes as its max_prefixes, %d, lets in; this one comes in when another goes", k.Rule.From, k.Rule.MaxPrefixes)
	}
	return fmt.Sprintf("the leak from VRF %q does not let it in: %s rejects it", k.Rule.From, k.By)
}

// KeepsOut is what the rule keeps out of a VRF of what From goes by, where nothing of that came in;
// false: nothing. What From does not go by is nothing that it leaks.
func (l *LeakRule) KeepsOut(c *Choice, into string, by *RPKI) (out KeptOut, is bool) {
	if !l.Takes(c) {
		return out, false
	}
	for _, p := range c.Paths {
		if !l.Concerns(&p) {
			continue
		}
		p.Attrs = l.Leaked(p.Attrs)
		r := l.Judge(&p, into, true, by, nil)
		if !r.Rejected {
			p.Attrs = r.Attrs
			return KeptOut{Prefix: c.Prefix, Path: p, Rule: *l}, l.MaxPrefixes > 0 // without a limit it is about to come in
		}
		if !is {
			out, is = KeptOut{Prefix: c.Prefix, Path: p, Rule: *l, By: r.By}, true
		}
	}
	return out, is
}
