package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// The policy of what goes out of a VRF is GoBGP's too, and judges before those of neighbours.
// Each VRF has a copy of its own, whose statements look for the marks that the VRF's routes have
// (rib.SendMark): one for what is leaked into it from each other VRF, and one for all else.
// What accepts takes the mark off, so that the rest of the policy passes the route over, and
// the policies of neighbours are asked.

// readSends translates what VRFs name under send, and returns the names of the policies that
// GoBGP has for it.
func (all *policies) readSends(p *problems, t *translation, entries []*entry, vrfs []vrf.Spec) map[string]string {
	sends := make(map[string]string)
	marks := make(map[rib.RT]string)
	for _, e := range entries {
		if e.send == nil {
			continue // it has none, or it is said
		}
		at := e.node.get("bgp").get("send")
		i := slices.IndexFunc(vrfs, func(v vrf.Spec) bool { return v.Name == e.name })
		if i < 0 {
			continue // it is said
		}
		w := all.find(at.text)
		if len(w.def.Misused(policy.Send)) > 0 {
			continue
		}
		s := sending{all: all, translation: t, use: at, vrf: vrfs[i], leaked: make(map[string]rib.RT), name: fmt.Sprintf("%s (send of %s)", at.text, e.name)}
		for _, l := range e.originates.leaks {
			s.leaked[l.rule.From] = rib.SendMark(e.name, l.rule.From)
		}
		for _, rt := range append(slices.Collect(maps.Values(s.leaked)), rib.SendMark(e.name, "")) {
			if other, taken := marks[rt]; taken {
				p.at(at, "cannot tell the routes of VRF %q from those of VRF %q: the numbers made of their names are the same by chance; give one of them another name", e.name, other)
			}
			marks[rt] = e.name
		}
		s.write(p, w)
		sends[e.name] = s.name
		t.uses[at.text] = append(t.uses[at.text], vrf.PolicyUse{VRF: e.name, Place: "bgp.send", Uncounted: vrf.JudgedByBGP})
	}
	return sends
}

// sending writes the policy of what goes out of one VRF.
type sending struct {
	*translation
	all    *policies
	use    *node
	vrf    vrf.Spec
	leaked map[string]rib.RT // the marks of what is leaked into it, by the VRF that it is from
	name   string
}

// write writes the policy.
func (s *sending) write(p *problems, w *written) {
	var statements []any
	for i := range w.def.Rules {
		rule := &w.def.Rules[i]
		if rule.Set.Prepend > 0 {
			p.note(w.key(i, "prepend_as"), "is used by send of VRF %s, on line %d: routers of this AS take a path with its number in it for a loop, and do not use it (RFC 4271, 9.1.2); to those, set_local_pref says what is preferred", s.vrf.Name, s.use.line)
		}
		for _, part := range s.parts(rule) {
			r := ruleWriter{translation: s.translation, name: fmt.Sprintf("%s, rule %d%s", s.name, i+1, part.name), rule: &part.rule, at: policy.Send, marks: part.marks}
			out, err := r.write()
			if err != nil {
				p.at(w.key(i, err.key), "%s; line %d has GoBGP judge by this policy what goes out of VRF %s", err.why, s.use.line, s.vrf.Name)
				break
			}
			for j, one := range out {
				name := fmt.Sprintf("%s.%d", r.name, j+1)
				s.call(name, w.wordsFor(i))
				one["name"] = name
				part.end(one)
				statements = append(statements, one)
			}
		}
	}
	if w.def.Default == policy.Reject {
		r := ruleWriter{translation: s.translation, name: s.name + ", the rest", rule: new(policy.Rule), at: policy.Send}
		s.call(r.name, w.wordsForRest())
		conditions := section{}
		r.match(conditions, targetSets, "any", []string{anyTarget([]rib.RT{rib.SendMark(s.vrf.Name, "")})})
		statements = append(statements, section{"name": r.name, "conditions": section{"bgp-conditions": conditions}, "actions": section{"route-disposition": dispositions[policy.Reject]}})
	}
	s.definitions = append(s.definitions, map[string]any{"name": s.name, "statements": statements})
}

// part is a rule for some of the routes of a VRF.
type part struct {
	name  string
	rule  policy.Rule
	marks []rib.RT
	ext   section // what an accepted route gets in place of the mark
}

// parts divides a rule into one for the VRF's own routes, and one for what is leaked into it,
// where they come to different things. What is leaked in goes out only by a rule that names
// where it is from: another one that would accept it keeps it.
func (s *sending) parts(rule *policy.Rule) (list []part) {
	names := func(vrf string) bool {
		return (len(rule.When.SourceVRFs) == 0 || slices.Contains(rule.When.SourceVRFs, vrf)) && !slices.Contains(rule.Unless.SourceVRFs, vrf)
	}
	mark := rib.SendMark(s.vrf.Name, "")
	if names(s.vrf.Name) {
		list = append(list, part{"", *rule, []rib.RT{mark}, section{"options": "remove", "set-ext-community-method": section{"communities-list": []string{anyTarget([]rib.RT{mark})}}}})
	}
	leaked := part{name: ", leaked", rule: *rule}
	for _, from := range slices.Sorted(maps.Keys(s.leaked)) {
		if names(from) {
			leaked.marks = append(leaked.marks, s.leaked[from])
		}
	}
	if len(leaked.marks) == 0 {
		return list
	}
	if rule.Action == policy.Accept && len(rule.When.SourceVRFs) == 0 {
		leaked.rule.Action, leaked.rule.Set = policy.Reject, policy.Changes{}
	}
	var targets []string
	for _, rt := range s.vrf.ExportRTs {
		targets = append(targets, "rt:"+rt.Dotted())
	}
	leaked.ext = section{"options": "replace", "set-ext-community-method": section{"communities-list": targets}}
	return append(list, leaked)
}

// end has a statement that accepts let the route go on to other policies.
func (p *part) end(statement section) {
	actions := statement["actions"].(section)
	if actions["route-disposition"] != dispositions[policy.Accept] {
		return
	}
	actions = maps.Clone(actions)
	bgp, _ := actions["bgp-actions"].(section)
	if bgp = maps.Clone(bgp); bgp == nil {
		bgp = section{}
	}
	bgp["set-ext-community"] = p.ext
	actions["bgp-actions"], actions["route-disposition"] = bgp, dispositions[policy.Next]
	statement["actions"] = actions
}

// anyTarget is an expression for one of several route targets.
func anyTarget(rts []rib.RT) string {
	var list []string
	for _, rt := range rts {
		list = append(list, regexp.QuoteMeta(rt.Dotted()))
	}
	return "rt:^(" + strings.Join(list, "|") + ")$"
}

// unableOfSent refuses the conditions that GoBGP does not have on the way out of a VRF.
func unableOfSent(r *ruleWriter) *misfit {
	for i, c := range []*policy.Conditions{&r.rule.When, &r.rule.Unless} {
		not := []string{"", "not_"}[i]
		switch {
		case len(c.Neighbors) > 0:
			return &misfit{not + "neighbors", "GoBGP knows here whom it tells, and no more whom it heard; have the neighbour's import-policy-list add a community, and match that"}
		case len(c.RouteTargets) > 0:
			return &misfit{not + "route_targets", "GoBGP tells by them here which VRF a route goes out of; match communities, or the prefix"}
		}
	}
	return nil
}
