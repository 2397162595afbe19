package daemon

import (
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// Policies implements api.Backend and metrics.Source.
func (v *vrfs) Policies() []vrf.Policy {
	uses, applied := vrf.PolicyUses(v.force.specs()), v.force.config().Applied
	var list []vrf.Policy
	for _, p := range v.force.config().Policies {
		shown := vrf.Policy{Name: p.Name(), Uses: slices.Concat(uses[p.Name()], applied[p.Name()])}
		for _, r := range p.Describe() {
			shown.Rules = append(shown.Rules, vrf.PolicyRule{
				Title: r.Title, Conditions: r.Conditions, Changes: r.Changes, Action: r.Action, Matched: r.Matched,
			})
		}
		list = append(list, shown)
	}
	slices.SortFunc(list, func(a, b vrf.Policy) int { return strings.Compare(a.Name, b.Name) })
	return list
}
