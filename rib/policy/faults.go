package policy

import (
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Fault is what a rule says that contradicts itself, or does nothing.
type Fault struct {
	Rule    int    // its index
	Key     string // that is to blame, as it is written: "not_prefixes"
	Message string // with what to write instead
}

// Faults returns what is wrong with the rules, beside what each value says by itself.
func (d *Definition) Faults() (out []Fault) {
	for i := range d.Rules {
		for _, f := range d.Rules[i].faults() {
			f.Rule = i
			out = append(out, f)
		}
	}
	return out
}

func (r *Rule) faults() (out []Fault) {
	add := func(key, format string, args ...any) {
		out = append(out, Fault{Key: key, Message: fmt.Sprintf(format, args...)})
	}
	if sets := r.Set.keys(); r.Action == Reject && len(sets) > 0 {
		add(sets[0].String(), `changes what is rejected; write action = "accept", or "next" to have later rules decide, or remove it`)
	}
	if r.Action == Next && !r.Set.Any() {
		add("action", `is "next", and the rule changes nothing, so it does nothing; write what it sets, or "accept" or "reject"`)
	}
	if r.Set.Weight > 0 && r.Set.WeightBandwidth {
		add(keyWeightBandwidth.String(), "and set_weight exclude each other; remove one")
	}
	unless := r.Unless.settings()
	for _, s := range r.When.settings() {
		if slices.ContainsFunc(unless, func(o setting) bool { return o.key == s.key && o.value == s.value }) {
			add("not_"+s.key.String(), "has the same as %s, so that the rule matches nothing; remove one", s.key)
		}
	}
	if f := r.noFamily(); f.Key != "" && len(out) == 0 {
		out = append(out, f)
	}
	return append(out, r.communityFaults()...)
}

func (r *Rule) communityFaults() (out []Fault) {
	out = append(out, contradictions(&r.Set.Communities, keySetCommunities, keyAddCommunities, keyRemoveCommunities)...)
	return append(out, contradictions(&r.Set.Large, keySetLarge, keyAddLarge, keyRemoveLarge)...)
}

func contradictions[T interface {
	comparable
	fmt.Stringer
}](c *CommunityChanges[T], set, add, remove keyName,
) (out []Fault) {
	if c.Replace && len(c.Remove) > 0 {
		out = append(out, Fault{Key: remove.String(), Message: fmt.Sprintf("removes from what %s replaces; write into %s those that are to be there", set, set)})
	}
	if c.Replace && len(c.Add) > 0 {
		out = append(out, Fault{Key: add.String(), Message: fmt.Sprintf("adds to what %s replaces; write all of them into %s", set, set)})
	}
	for _, v := range c.Add {
		if slices.Contains(c.Remove, v) {
			out = append(out, Fault{Key: remove.String(), Message: fmt.Sprintf("removes %s, which %s adds; remove it from one of them", v, add)})
		}
	}
	return out
}

// noFamily says which key leaves no family that the rule could match; "": some is left.
func (r *Rule) noFamily() Fault {
	if len(r.families()) > 0 {
		return Fault{}
	}
	by := keyFamilies.String()
	if len(r.When.Families) == 0 {
		by = "not_" + by
	}
	if len(r.When.Prefixes) == 0 {
		return Fault{Key: by, Message: "leaves no family, so that the rule matches nothing; remove one of its values"}
	}
	return Fault{Key: keyPrefixes.String(), Message: fmt.Sprintf("has only %s prefixes, and %s leaves those out: the rule matches nothing; remove one of the two", rib.FamilyOf(r.When.Prefixes[0].Prefix), by)}
}

// families are those that the rule can match.
func (r *Rule) families() (out []rib.Family) {
	for f := range rib.Families {
		switch {
		case len(r.When.Families) > 0 && !slices.Contains(r.When.Families, f):
		case slices.Contains(r.Unless.Families, f):
		case len(r.When.Prefixes) > 0 && !slices.ContainsFunc(r.When.Prefixes, func(p Prefix) bool { return rib.FamilyOf(p.Prefix) == f }):
		default:
			out = append(out, f)
		}
	}
	return out
}

// only4 tells whether the rule can match IPv4 prefixes alone.
func (r *Rule) only4() bool { return slices.Equal(r.families(), []rib.Family{rib.IPv4}) }

// Unreached is a rule that never decides, because an earlier one decides of all that it matches.
type Unreached struct{ Rule, By int }

// Unreached returns the rules that are never reached, as far as their text tells.
func (d *Definition) Unreached() (out []Unreached) {
	for i := range d.Rules {
		by := -1
		for j := i - 1; j >= 0; j-- {
			r := &d.Rules[j]
			if r.Action != Next && r.covers(&d.Rules[i]) && (r.ofPrefix() || !changed(d.Rules[j+1:i])) {
				by = j
			}
		}
		if by >= 0 {
			out = append(out, Unreached{i, by})
		}
	}
	return out
}

// covers tells whether a rule has no condition that another one has not too.
func (r *Rule) covers(o *Rule) bool {
	theirs := o.conditions()
	for _, s := range r.conditions() {
		if !slices.Contains(theirs, s) {
			return false
		}
	}
	return true
}

// changed tells whether one of the rules changes what passes: what the conditions of a rule
// before them did not match may match the same ones behind them.
func changed(between []Rule) bool {
	return slices.ContainsFunc(between, func(r Rule) bool { return r.Action == Next })
}

// ofPrefix tells whether the conditions are about what no rule changes.
func (r *Rule) ofPrefix() bool {
	return !slices.ContainsFunc(r.conditions(), func(s setting) bool {
		return !slices.Contains([]keyName{keyPrefixes, keyFamilies, keySourceVRFs, keyNeighbors, keyProtocols, keyInterfaces, keyMetric, keyRPKI}, s.key)
	})
}
