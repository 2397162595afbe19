package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// leakEntry is one of [[netlink.vrfs.bgp.leaks]], or a name of leak_from.
type leakEntry struct {
	at   *node
	rule rib.LeakRule
}

// prefixEntry is a prefix of a section beside the place that says it.
type prefixEntry struct {
	at     *node
	prefix netip.Prefix
}

// origination is what a VRF tells BGP by its configuration, with where it is said.
type origination struct {
	rib.Origination
	leaks    []*leakEntry
	prefixes []prefixEntry // of aggregates and networks
}

var leakKeys = keys[leakEntry]{
	"from":         one(text, func(l *leakEntry) *string { return &l.rule.From }),
	"max-prefixes": one(whole[uint32](1, math.MaxUint32, ""), func(l *leakEntry) *uint32 { return &l.rule.MaxPrefixes }),
	"link":         one(linkName, func(l *leakEntry) *string { return &l.rule.Link }),
}

var aggregateKeys = keys[rib.Aggregate]{
	"prefix":      one(announcedPrefix, func(a *rib.Aggregate) *netip.Prefix { return &a.Prefix }),
	"suppress":    one(boolean, func(a *rib.Aggregate) *bool { return &a.Suppress }),
	"discard":     one(boolean, func(a *rib.Aggregate) *bool { return &a.Discard }),
	"communities": many(community, func(a *rib.Aggregate) *[]rib.Community { return &a.Communities }),
	"med":         one(whole[uint32](0, math.MaxUint32, ""), func(a *rib.Aggregate) *uint32 { return &a.MED }),
}

var networkKeys = keys[rib.Network]{
	"prefix":      one(announcedPrefix, func(n *rib.Network) *netip.Prefix { return &n.Prefix }),
	"communities": many(community, func(n *rib.Network) *[]rib.Community { return &n.Communities }),
}

var announceKeys = keys[rib.Condition]{
	"prefixes":  many(prefix, func(c *rib.Condition) *[]netip.Prefix { return &c.Prefixes }),
	"while":     many(prefix, func(c *rib.Condition) *[]netip.Prefix { return &c.While }),
	"while-not": many(prefix, func(c *rib.Condition) *[]netip.Prefix { return &c.WhileNot }),
}

// originationSchema are the sections under bgp.
func originationSchema() schema {
	return schema{
		"leaks":      []any{leakKeys.schema(schema{"policy": nil})},
		"aggregates": []any{aggregateKeys.schema(nil)},
		"networks":   []any{networkKeys.schema(nil)},
		"conditions": []any{announceKeys.schema(nil)},
	}
}

func linkName(n *node) (string, error) {
	s, err := text(n)
	if err != nil {
		return "", err
	}
	if s == "" {
		return "", fmt.Errorf("is empty; write the interface that leads to the other VRF, or remove the key")
	}
	return s, deviceName(s)
}

func prefix(n *node) (netip.Prefix, error) {
	s, err := text(n)
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Errorf(`%s is no prefix; write one such as "10.1.0.0/16"`, n.show())
	case p != p.Masked():
		return p, fmt.Errorf("%s has bits beyond its length; write %v", n.show(), p.Masked())
	}
	return p, nil
}

// announcedPrefix is one that other routers may hear of.
func announcedPrefix(n *node) (netip.Prefix, error) {
	p, err := prefix(n)
	if err != nil {
		return p, err
	}
	if name, is := rib.Martian(p); is {
		return p, fmt.Errorf("%v is %s, which no other router takes; write another prefix", p, name)
	}
	return p, nil
}

// readLeakFrom reads the short key for leaks.
func readLeakFrom(p *problems, n *node, e *entry) {
	if n.kind != kindList {
		p.at(n, `%s is no list; write it in brackets: [%s]`, n.show(), n.show())
		return
	}
	for _, item := range n.items {
		if item.kind == kindBad {
			continue
		}
		name, err := text(item)
		if err != nil {
			p.at(item, "%v", err)
			continue
		}
		e.originates.leaks = append(e.originates.leaks, &leakEntry{at: item, rule: rib.LeakRule{From: name}})
	}
}

// readOrigination reads the sections under bgp.
func readOrigination(p *problems, bgp *node, e *entry) {
	o := &e.originates
	for _, item := range sections(bgp.get("leaks")) {
		l := &leakEntry{at: item}
		read(p, item, leakKeys, l)
		if n := item.get("policy"); n != nil && !n.isBad() {
			uses(policy.Leak, func(*entry) *rib.Judge { return &l.rule.Policy })(p, n, e)
		}
		if from := item.get("from"); from == nil {
			p.add(item.line, join(item.path, "from"), `is missing; name the VRF whose routes come in, or "default"`)
			continue
		} else if from.kind != kindText {
			continue // said so
		}
		o.leaks = append(o.leaks, l)
	}
	for _, item := range sections(bgp.get("aggregates")) {
		a := rib.Aggregate{Discard: true}
		read(p, item, aggregateKeys, &a)
		if o.names(p, item, a.Prefix) {
			o.Aggregates = append(o.Aggregates, a)
		}
	}
	for _, item := range sections(bgp.get("networks")) {
		var n rib.Network
		read(p, item, networkKeys, &n)
		if o.names(p, item, n.Prefix) {
			o.Networks = append(o.Networks, n)
		}
	}
	for _, item := range sections(bgp.get("conditions")) {
		var c rib.Condition
		read(p, item, announceKeys, &c)
		o.condition(p, item, c)
	}
}

// names takes in that a section is about a prefix, which is said once in a VRF.
func (o *origination) names(p *problems, item *node, prefix netip.Prefix) bool {
	at := item.get("prefix")
	switch {
	case at == nil:
		p.add(item.line, join(item.path, "prefix"), `is missing; write the prefix to announce, such as "10.1.0.0/16"`)
		return false
	case !prefix.IsValid():
		return false // said so
	}
	for _, other := range o.prefixes {
		if other.prefix == prefix {
			p.at(at, "%v is announced by line %d already; remove one of them", prefix, other.at.line)
			return false
		}
	}
	o.prefixes = append(o.prefixes, prefixEntry{at, prefix})
	return true
}

// condition takes a condition in, where it means something.
func (o *origination) condition(p *problems, item *node, c rib.Condition) {
	list := item.get("prefixes")
	switch {
	case list == nil, list.kind == kindList && len(list.items) == 0:
		p.add(item.line, join(item.path, "prefixes"), "is missing; list the prefixes that are announced on this condition")
		return
	case item.get("while") == nil && item.get("while-not") == nil:
		p.add(item.line, join(item.path, "while"), "is missing; list prefixes of which one has to be there, or with while_not prefixes of which none may be")
		return
	}
	for _, key := range []string{"while", "while-not"} {
		if n := item.get(key); n != nil && n.kind == kindList && len(n.items) == 0 {
			p.at(n, "is empty; list the prefixes that count, or remove the key")
		}
	}
	for _, q := range c.While {
		if slices.Contains(c.WhileNot, q) {
			p.at(item.get("while-not"), "has %v, which while has too: both are never so; remove one of them", q)
		}
	}
	for _, q := range c.Prefixes {
		if slices.Contains(c.While, q) || slices.Contains(c.WhileNot, q) {
			p.at(list, "has %v, on whose presence the condition itself depends; remove it from one of the lists", q)
		}
	}
	o.Conditions = append(o.Conditions, c)
}

// checkLeaks holds the leaks of all VRFs against each other, and gives each Spec its own.
func checkLeaks(p *problems, entries []*entry, run []vrf.Spec) {
	byName, rules := vrf.SpecsByName(run), make(map[string][]rib.LeakRule)
	for _, e := range entries {
		rules[e.name] = e.leakRules(p, byName)
	}
	for i := range run {
		run[i].Leaks = rules[run[i].Of()]
	}
}

// leakRules are the rules of one VRF.
func (e *entry) leakRules(p *problems, run map[string]vrf.Spec) (rules []rib.LeakRule) {
	lines := make(map[string]int)
	for _, l := range e.originates.leaks {
		at := l.at
		if from := at.get("from"); from != nil {
			at = from
		}
		from, runs := run[l.rule.From]
		into := run[e.name]
		switch {
		case l.rule.From == e.name:
			p.at(at, "VRF %q cannot leak from itself; name another VRF, or remove it", e.name)
		case lines[l.rule.From] != 0:
			p.at(at, "VRF %q is leaked from already, by line %d; say it once", l.rule.From, lines[l.rule.From])
		case !runs || from.VRF != "":
			p.at(at, "there is no VRF %q under [[netlink.vrfs]], through whose table packets could go; %s",
				l.rule.From, suggest(l.rule.From, leakable(run, e.name), "add a section for it there"))
		case !into.Export.Enabled:
			p.at(at, "has no effect: VRF %q has export off, so what it leaks in goes into no table, and is told to nobody; write enabled = true under its export", e.name)
		case l.rule.Link == "" && l.at.get("link") != nil: // said so
		case l.rule.Link == "" && !rib.SameNetns(from.Binding.Netns, into.Binding.Netns):
			p.at(at, "VRF %q is in another network namespace (%s; this one: %s); write it as [[netlink.vrfs.bgp.leaks]] with link, the interface of this VRF whose other end is there",
				l.rule.From, from.Binding, into.Binding)
		case l.rule.Link != "" && rib.SameNetns(from.Binding.Netns, into.Binding.Netns):
			p.at(l.at.get("link"), "is for VRFs of two network namespaces, and VRF %q is in the same (%s): packets go out by its own interfaces; remove it", l.rule.From, from.Binding)
		default:
			rules = append(rules, l.rule)
		}
		lines[l.rule.From] = at.line
	}
	return rules
}

// leakable are the VRFs from which one may leak.
func leakable(run map[string]vrf.Spec, into string) (names []string) {
	for name, s := range run {
		if name != into && s.VRF == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
