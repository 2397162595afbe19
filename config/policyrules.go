package config

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
)

// policyRuleKeys are those of a rule: the conditions, and the same with not before them, what is
// changed, and what follows.
var policyRuleKeys = func() keys[policy.Rule] {
	all := with(changeKeys, keys[policy.Rule]{
		"name":   one(text, func(r *policy.Rule) *string { return &r.Name }),
		"action": one(action, func(r *policy.Rule) *policy.Action { return &r.Action }),
	})
	for name, set := range conditionKeys {
		all[name] = func(p *problems, n *node, r *policy.Rule) { readCondition(p, n, set, &r.When) }
		all["not-"+name] = func(p *problems, n *node, r *policy.Rule) { readCondition(p, n, set, &r.Unless) }
	}
	return all
}()

// readCondition also refuses an empty list, of which nobody can say what it asks for.
func readCondition(p *problems, n *node, set func(*problems, *node, *policy.Conditions), c *policy.Conditions) {
	if n.kind == kindList && len(n.items) == 0 {
		p.at(n, "is empty, and no route has any of nothing; write what it is to match, or remove the key")
		return
	}
	set(p, n, c)
}

var conditionKeys = keys[policy.Conditions]{
	"prefixes":              many(spelled("prefix", policy.ParsePrefix), func(c *policy.Conditions) *[]policy.Prefix { return &c.Prefixes }),
	"families":              many(spelled("family", policy.ParseFamily), func(c *policy.Conditions) *[]rib.Family { return &c.Families }),
	"source-vrfs":           many(text, func(c *policy.Conditions) *[]string { return &c.SourceVRFs }),
	"neighbors":             many(spelled("neighbour", policy.ParseNeighbor), func(c *policy.Conditions) *[]policy.Neighbor { return &c.Neighbors }),
	"nexthops":              many(spelled("nexthop", policy.ParseRange), func(c *policy.Conditions) *[]policy.Range { return &c.Nexthops }),
	"protocols":             many(protocol, func(c *policy.Conditions) *[]uint8 { return &c.Protocols }),
	"interfaces":            many(glob, func(c *policy.Conditions) *[]string { return &c.Interfaces }),
	"metric":                one(numbers, func(c *policy.Conditions) **policy.Numbers { return &c.Metric }),
	"rpki":                  many(spelled("state", policy.ParseValidity), func(c *policy.Conditions) *[]rib.Validity { return &c.RPKI }),
	"local-pref":            one(numbers, func(c *policy.Conditions) **policy.Numbers { return &c.LocalPref }),
	"med":                   one(numbers, func(c *policy.Conditions) **policy.Numbers { return &c.MED }),
	"origin-as":             many(originAS, func(c *policy.Conditions) *[]uint32 { return &c.OriginAS }),
	"as-path-length":        one(numbers, func(c *policy.Conditions) **policy.Numbers { return &c.ASPathLength }),
	"communities":           many(policyCommunity, func(c *policy.Conditions) *[]rib.Community { return &c.Communities }),
	"communities-all":       many(policyCommunity, func(c *policy.Conditions) *[]rib.Community { return &c.CommunitiesAll }),
	"large-communities":     many(policyLarge, func(c *policy.Conditions) *[]rib.LargeCommunity { return &c.Large }),
	"large-communities-all": many(policyLarge, func(c *policy.Conditions) *[]rib.LargeCommunity { return &c.LargeAll }),
	"route-targets":         many(spelled("route target", rib.ParseRT), func(c *policy.Conditions) *[]rib.RT { return &c.RouteTargets }),
	"ext-communities":       many(spelled("extended community", rib.ParseExtCommunity), func(c *policy.Conditions) *[]rib.ExtCommunity { return &c.Extended }),
	"as-path":               many(spelled("regular expression", policy.ParseASPath), func(c *policy.Conditions) *[]policy.ASPath { return &c.ASPath }),
}

var changeKeys = keys[policy.Rule]{
	"set-local-pref":           one(pointer(whole[uint32](0, math.MaxUint32, "")), func(r *policy.Rule) **uint32 { return &r.Set.LocalPref }),
	"set-med":                  one(pointer(whole[uint32](0, math.MaxUint32, "")), func(r *policy.Rule) **uint32 { return &r.Set.MED }),
	"prepend-as":               one(whole[uint8](1, 100, ""), func(r *policy.Rule) *uint8 { return &r.Set.Prepend }),
	"set-nexthop":              one(spelled("nexthop", policy.ParseNexthop), func(r *policy.Rule) *policy.Nexthop { return &r.Set.Nexthop }),
	"set-communities":          replaces(policyCommunity, func(r *policy.Rule) *policy.CommunityChanges[rib.Community] { return &r.Set.Communities }),
	"add-communities":          some(policyCommunity, func(r *policy.Rule) *[]rib.Community { return &r.Set.Communities.Add }),
	"remove-communities":       some(policyCommunity, func(r *policy.Rule) *[]rib.Community { return &r.Set.Communities.Remove }),
	"set-large-communities":    replaces(policyLarge, func(r *policy.Rule) *policy.CommunityChanges[rib.LargeCommunity] { return &r.Set.Large }),
	"add-large-communities":    some(policyLarge, func(r *policy.Rule) *[]rib.LargeCommunity { return &r.Set.Large.Add }),
	"remove-large-communities": some(policyLarge, func(r *policy.Rule) *[]rib.LargeCommunity { return &r.Set.Large.Remove }),
	"set-metric":               one(metric, func(r *policy.Rule) *uint32 { return &r.Set.Metric }),
	"set-prefsrc":              func(p *problems, n *node, r *policy.Rule) { readSources(p, n, &r.Set.PrefSrc) },
	"set-weight":               one(whole[uint32](1, rib.MaxWeight, ""), func(r *policy.Rule) *uint32 { return &r.Set.Weight }),
	"weight-from-bandwidth":    one(boolean, func(r *policy.Rule) *bool { return &r.Set.WeightBandwidth }),
}

var action = spelled("action", policy.ParseAction)

// numbers reads a number, or text with some of them.
func numbers(n *node) (*policy.Numbers, error) {
	v, err := spelled("number", policy.ParseNumbers)(n)
	return &v, err
}

// originAS reads an AS that a path may come from, reserved ones too: they are what is filtered.
func originAS(n *node) (uint32, error) {
	s, ok := word(n)
	v, err := strconv.ParseUint(s, 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("%s is not an AS number; write one from 0 to 4294967295", n.show())
	}
	return uint32(v), nil
}

// policyCommunity and policyLarge name the keys of a rule where one kind was written for the
// other: rib's own words are about export.
func policyCommunity(n *node) (rib.Community, error) {
	c, err := community(n)
	if _, large := rib.ParseLargeCommunity(n.text); err != nil && large == nil {
		err = fmt.Errorf("%s has three parts, which makes it a large community; write it in the key for those, with large_communities in its name", n.show())
	}
	return c, err
}

func policyLarge(n *node) (rib.LargeCommunity, error) {
	c, err := largeCommunity(n)
	if _, standard := rib.ParseCommunity(n.text); err != nil && standard == nil {
		err = fmt.Errorf("%s is no large community, which has three parts; write one such as \"65001:1:100\", or write it in the key without large_ in its name", n.show())
	}
	return c, err
}

// some is many for a list that must have a value.
func some[T any](parse func(*node) (T, error), field func(*policy.Rule) *[]T) func(*problems, *node, *policy.Rule) {
	read := many(parse, field)
	return func(p *problems, n *node, r *policy.Rule) {
		if n.kind == kindList && len(n.items) == 0 {
			p.at(n, "is empty, and changes nothing; write the communities, or remove the key")
			return
		}
		read(p, n, r)
	}
}

// replaces reads the communities that take the place of those that are there: [] for none.
func replaces[T comparable](parse func(*node) (T, error), field func(*policy.Rule) *policy.CommunityChanges[T]) func(*problems, *node, *policy.Rule) {
	return func(p *problems, n *node, r *policy.Rule) {
		many(parse, func(r *policy.Rule) *[]T { return &field(r).Set })(p, n, r)
		field(r).Replace = true
	}
}

// readSources reads source addresses: one, or a list with one of each family.
func readSources(p *problems, n *node, to *[rib.Families]netip.Addr) {
	list := n
	if n.kind != kindList {
		list = &node{kind: kindList, items: []*node{n}}
	}
	var all []netip.Addr
	many(source, func(l *[]netip.Addr) *[]netip.Addr { return l })(p, list, &all)
	if n.kind == kindList && len(n.items) == 0 {
		p.at(n, "is empty; write an address, or one of each family, or remove the key")
	}
	for _, a := range all {
		f := rib.FamilyOfAddr(a)
		if to[f].IsValid() {
			p.at(n, "names %v and %v; write one address of each family", to[f], a)
		}
		to[f] = a
	}
}
