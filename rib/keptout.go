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
