package config

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
)

// write returns the statements, which have no names yet; none, where nothing can match.
func (r *ruleWriter) write() ([]section, *misfit) {
	r.families = nil
	if err := r.unable(); err != nil {
		return nil, err
	}
	for f := range rib.Families {
		in := len(r.rule.When.Families) == 0 || slices.Contains(r.rule.When.Families, f)
		if in && !slices.Contains(r.rule.Unless.Families, f) {
			r.families = append(r.families, f)
		}
	}
	general, bgp := section{}, section{}
	possible, err := r.neighbors(general)
	if err != nil || !possible {
		return nil, err
	}
	for _, condition := range []func(section) *misfit{r.nexthops, r.communities, r.large, r.targets, r.asPath} {
		if err := condition(bgp); err != nil {
			return nil, err
		}
	}
	lengths, err := r.lengths()
	if err != nil {
		return nil, err
	}
	var out []section
	for _, f := range r.byFamily() {
		inFamily, its := maps.Clone(general), maps.Clone(bgp)
		if !r.prefixes(f, inFamily, its) {
			continue
		}
		actions, err := r.actions(f)
		if err != nil {
			return nil, err
		}
		for _, length := range lengths {
			for _, state := range r.states() {
				with := maps.Clone(its)
				maps.Copy(with, length)
				maps.Copy(with, state)
				conditions := maps.Clone(inFamily)
				conditions["bgp-conditions"] = with
				for _, a := range actions {
					out = append(out, section{"conditions": conditions, "actions": a})
				}
			}
		}
	}
	return out, nil
}

// unable refuses the conditions that GoBGP does not have at all.
func (r *ruleWriter) unable() *misfit {
	for i, c := range []*policy.Conditions{&r.rule.When, &r.rule.Unless} {
		not := []string{"", "not_"}[i]
		switch {
		case c.LocalPref != nil:
			return &misfit{not + "local_pref", "GoBGP does not compare the local preference; match what it was set for, a community or the AS path"}
		case c.MED != nil:
			return &misfit{not + "med", "GoBGP does not compare the MED; match a community, the AS path or the neighbour"}
		case len(c.SourceVRFs) > 0 && r.at != policy.Send:
			return &misfit{not + "source_vrfs", "GoBGP does not know the VRF that a path comes from; match its route targets, or write it into send or receive of the VRF"}
		case len(c.Extended) > 0:
			return &misfit{not + "ext_communities", "GoBGP's policies read route targets alone here; match route_targets, or communities"}
		}
	}
	if r.at == policy.Send {
		if err := unableOfSent(r); err != nil {
			return err
		}
	}
	if p := r.rule.Set.LocalPref; p != nil && *p == 0 {
		return &misfit{"set_local_pref", "GoBGP takes 0 for none; write 1 or more"}
	}
	return nil
}

// neighbors writes the condition on neighbours; false: it is one that nobody meets.
func (r *ruleWriter) neighbors(to section) (bool, *misfit) {
	known := func(list []policy.Neighbor, key string) (all []netip.Prefix, err *misfit) {
		for _, n := range list {
			m := setMember{n.Prefix, n.Zone, n.VRF}
			if other, is := m.shared(r.peers); is {
				return nil, &misfit{key, fmt.Sprintf("%s cannot be told from %s, because GoBGP knows no links there; give one of the two another address", n, other.addr)}
			}
			all = append(all, m.known(r.peers)...)
		}
		return all, nil
	}
	when, err := known(r.rule.When.Neighbors, "neighbors")
	if err != nil {
		return false, err
	}
	unless, err := known(r.rule.Unless.Neighbors, "not_neighbors")
	if err != nil {
		return false, err
	}
	members, option := when, "any"
	switch {
	case len(r.rule.When.Neighbors) == 0 && len(unless) == 0:
		return true, nil
	case len(r.rule.When.Neighbors) == 0:
		members, option = unless, "invert"
	default:
		for _, hole := range unless {
			members = rib.Subtract(members, hole)
		}
		if len(members) == 0 {
			return false, nil
		}
	}
	to["match-neighbor-set"] = section{"neighbor-set": r.set("neighbor-sets", "neighbor-set-name", "neighbor-info-list", stringsOf(members)), "match-set-options": option}
	return true, nil
}

// nexthops writes the condition on nexthops: GoBGP has a list of which one has to match.
func (r *ruleWriter) nexthops(to section) *misfit {
	when, unless := r.rule.When.Nexthops, r.rule.Unless.Nexthops
	if len(when)+len(unless) == 0 {
		return nil
	}
	var list []netip.Prefix
	for _, n := range when {
		if n.Zone != "" {
			return &misfit{"nexthops", fmt.Sprintf("GoBGP knows no links of nexthops; write %s without one", n)}
		}
		list = append(list, n.Prefix)
	}
	if len(when) == 0 {
		list = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	for _, n := range unless {
		if n.Zone != "" {
			return &misfit{"not_nexthops", fmt.Sprintf("GoBGP knows no links of nexthops; write %s without one", n)}
		}
		list = rib.Subtract(list, n.Prefix)
	}
	if len(list) == 0 {
		list = []netip.Prefix{netip.MustParsePrefix(nobody)} // and no route's nexthop is
	}
	to["next-hop-in-list"] = stringsOf(list)
	return nil
}

func (r *ruleWriter) communities(to section) *misfit {
	when, unless := &r.rule.When, &r.rule.Unless
	return communityLists(r, to, communitySets, "communities", [4][]string{
		plainCommunities(when.Communities), plainCommunities(when.CommunitiesAll), plainCommunities(unless.Communities), plainCommunities(unless.CommunitiesAll),
	})
}

func (r *ruleWriter) large(to section) *misfit {
	when, unless := &r.rule.When, &r.rule.Unless
	return communityLists(r, to, largeSets, "large_communities", [4][]string{
		stringsOf(when.Large), stringsOf(when.LargeAll), stringsOf(unless.Large), stringsOf(unless.LargeAll),
	})
}

// communityLists writes any of, all of, none of, and not all of some communities.
func communityLists(r *ruleWriter, to section, of kindOfSet, key string, l [4][]string) *misfit {
	anyOf, all, none, notAll := exact(l[0]), exact(l[1]), exact(l[2]), exact(l[3])
	if len(notAll) > 1 {
		return &misfit{"not_" + key + "_all", "GoBGP cannot say that a route has some of several communities and not all; write a rule before that decides what has all"}
	}
	if none = append(none, notAll...); len(all) > 0 && len(anyOf) == 1 {
		all, anyOf = append(all, anyOf...), nil
	}
	return r.once(to, of, "communities", []listOfSet{{key, "any", anyOf}, {key + "_all", "all", all}, {"not_" + key, "invert", none}})
}

func (r *ruleWriter) targets(to section) *misfit {
	if r.at == policy.Send {
		r.match(to, targetSets, "any", []string{anyTarget(r.marks)})
		return nil
	}
	list := func(rts []rib.RT) (out []string) {
		for _, rt := range rts {
			out = append(out, "rt:^"+regexp.QuoteMeta(rt.Dotted())+"$")
		}
		return out
	}
	return r.once(to, targetSets, "route targets", []listOfSet{
		{"route_targets", "any", list(r.rule.When.RouteTargets)}, {"not_route_targets", "invert", list(r.rule.Unless.RouteTargets)},
	})
}

func (r *ruleWriter) asPath(to section) *misfit {
	paths := stringsOf[policy.ASPath]
	origins := func(list []uint32) (out []string) {
		for _, as := range list {
			out = append(out, fmt.Sprintf("_%d$", as))
		}
		return out
	}
	when, unless := &r.rule.When, &r.rule.Unless
	none := listOfSet{"not_as_path", "invert", append(paths(unless.ASPath), origins(unless.OriginAS)...)}
	if len(unless.ASPath) == 0 {
		none.key = "not_origin_as"
	}
	return r.once(to, asPathSets, "the AS path", []listOfSet{
		{"as_path", "any", paths(when.ASPath)}, {"origin_as", "any", origins(when.OriginAS)}, none,
	})
}

// mostLengths is how many lengths of an AS path are compared one by one.
const mostLengths = 64

// lengths are the conditions on the length of the AS path, of which one matches.
func (r *ruleWriter) lengths() ([]section, *misfit) {
	spans := []policy.Numbers{{Least: 0, Most: math.MaxUint32}}
	if when := r.rule.When.ASPathLength; when != nil {
		spans[0] = *when
	}
	if unless := r.rule.Unless.ASPathLength; unless != nil {
		spans = outOfSpan(spans[0], *unless)
	}
	var out []section
	compare := func(how string, n uint32) {
		out = append(out, section{"as-path-length": section{"operator": how, "value": n}})
	}
	for _, s := range spans {
		switch {
		case s.Least == 0 && s.Most == math.MaxUint32:
			out = append(out, section{})
		case s.Least == s.Most:
			compare("eq", s.Least)
		case s.Most == math.MaxUint32:
			compare("ge", s.Least)
		case s.Least == 0:
			compare("le", s.Most)
		case s.Most-s.Least < mostLengths:
			for n := s.Least; n <= s.Most; n++ {
				compare("eq", n)
			}
		default:
			return nil, &misfit{"as_path_length", fmt.Sprintf("GoBGP compares the length with one number, and %d to %d are too many; write \">= %d\", and a rule before for those above %d", s.Least, s.Most, s.Least, s.Most)}
		}
	}
	return out, nil
}

// outOfSpan takes one span out of another.
func outOfSpan(of, hole policy.Numbers) (rest []policy.Numbers) {
	if hole.Most < of.Least || hole.Least > of.Most {
		return []policy.Numbers{of}
	}
	if hole.Least > of.Least {
		rest = append(rest, policy.Numbers{Least: of.Least, Most: hole.Least - 1})
	}
	if hole.Most < of.Most {
		rest = append(rest, policy.Numbers{Least: hole.Most + 1, Most: of.Most})
	}
	return rest
}

// states are the conditions on what the RPKI says, of which one matches.
func (r *ruleWriter) states() (out []section) {
	when, unless := r.rule.When.RPKI, r.rule.Unless.RPKI
	for _, v := range []rib.Validity{rib.NotFound, rib.Valid, rib.Invalid} {
		if (len(when) == 0 || slices.Contains(when, v)) && !slices.Contains(unless, v) {
			out = append(out, section{"rpki-validation-result": v.String()})
		}
	}
	if len(out) == 3 {
		return []section{{}}
	}
	return out
}

// byFamily are the families for which a rule is written by itself; -1 stands for all of them
// at once.
func (r *ruleWriter) byFamily() []int {
	all := len(r.families) == int(rib.Families)
	if all && len(r.rule.When.Prefixes)+len(r.rule.Unless.Prefixes) == 0 && !r.rule.Set.Nexthop.Addr.IsValid() {
		return []int{-1}
	}
	var list []int
	for _, f := range r.families {
		list = append(list, int(f))
	}
	return list
}

// prefixes writes the condition on prefixes, or on the family where there is none; false:
// no prefix of the family meets it.
func (r *ruleWriter) prefixes(family int, general, bgp section) bool {
	if family < 0 {
		return true
	}
	f := rib.Family(family)
	if len(r.rule.When.Prefixes)+len(r.rule.Unless.Prefixes) == 0 {
		bgp["afi-safi-in-list"] = map[rib.Family][]string{
			rib.IPv4: {"ipv4-unicast", "l3vpn-ipv4-unicast", "ipv4-labelled-unicast"}, rib.IPv6: {"ipv6-unicast", "l3vpn-ipv6-unicast", "ipv6-labelled-unicast"},
		}[f]
		return true
	}
	members, some := prefixMembers(f, r.rule.When.Prefixes, r.rule.Unless.Prefixes)
	if !some {
		return false
	}
	name := r.set("prefix-sets", "prefix-set-name", "prefix-list", members)
	general["match-prefix-set"] = section{"prefix-set": name, "match-set-options": "any"}
	return true
}
