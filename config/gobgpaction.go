package config

import (
	"fmt"
	"maps"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
)

// actions writes what a rule does with what it matches: of one statement, or of two that
// follow each other, because GoBGP removes communities or adds some.
func (r *ruleWriter) actions(family int) ([]section, *misfit) {
	set, bgp := &r.rule.Set, section{}
	if set.LocalPref != nil {
		bgp["set-local-pref"] = *set.LocalPref
	}
	if set.MED != nil {
		bgp["set-med"] = fmt.Sprint(*set.MED)
	}
	if set.Prepend > 0 {
		as := "last-as"
		if r.at == policy.NeighborOut || r.at == policy.Send {
			as = fmt.Sprint(r.as)
		}
		bgp["set-as-path-prepend"] = section{"as": as, "repeat-n": set.Prepend}
	}
	switch hop := set.Nexthop; {
	case hop.Told == rib.NexthopSelf:
		bgp["set-next-hop"] = "self"
	case hop.Told == rib.NexthopUnchanged:
		bgp["set-next-hop"] = "unchanged"
	case hop.Addr.IsValid() && (hop.Addr.Is4() == (rib.Family(family) == rib.IPv4) || hop.Addr.Is6() && len(r.families) == 1):
		bgp["set-next-hop"] = hop.Addr.String()
	}
	before := section{}
	when, unless := &r.rule.When, &r.rule.Unless
	plain := changesOf{
		key: "communities", action: "set-community", method: "set-community-method",
		replace: set.Communities.Replace, set: plainCommunities(set.Communities.Set), add: plainCommunities(set.Communities.Add), remove: plainCommunities(set.Communities.Remove),
		tested: len(when.Communities)+len(when.CommunitiesAll)+len(unless.Communities)+len(unless.CommunitiesAll) > 0,
	}
	large := changesOf{
		key: "large_communities", action: "set-large-community", method: "set-large-community-method",
		replace: set.Large.Replace, set: stringsOf(set.Large.Set), add: stringsOf(set.Large.Add), remove: stringsOf(set.Large.Remove),
		tested: len(when.Large)+len(when.LargeAll)+len(unless.Large)+len(unless.LargeAll) > 0,
	}
	for _, c := range []changesOf{plain, large} {
		if err := c.write(before, bgp); err != nil {
			return nil, err
		}
	}
	last := section{"bgp-actions": bgp, "route-disposition": dispositions[r.rule.Action]}
	if len(before) == 0 {
		return []section{last}, nil
	}
	return []section{{"bgp-actions": maps.Clone(before), "route-disposition": "none"}, last}, nil
}

// changesOf are changes of one kind of communities.
type changesOf struct {
	key, action, method string
	replace             bool
	set, add, remove    []string
	tested              bool // the rule's own conditions look at them
}

// write writes the changes into a statement, and what has to be done before into another.
func (c changesOf) write(before, last section) *misfit {
	action := func(to section, how string, list []string) {
		to[c.action] = section{"options": how, c.method: section{"communities-list": list}}
	}
	switch {
	case c.replace && len(c.set) == 0:
		action(last, "remove", []string{"^.*$"}) // GoBGP takes an empty list for none
	case c.replace:
		action(last, "replace", c.set)
	case len(c.add) > 0 && len(c.remove) > 0 && c.tested:
		return &misfit{"remove_" + c.key, "GoBGP removes communities in one rule and adds some in the next, which may not match any more; write two rules, with action = \"next\" in the first"}
	case len(c.add) > 0 && len(c.remove) > 0:
		action(before, "remove", exact(c.remove))
		action(last, "add", c.add)
	case len(c.remove) > 0:
		action(last, "remove", exact(c.remove))
	case len(c.add) > 0:
		action(last, "add", c.add)
	}
	return nil
}
