package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
)

// policies are those of [[netlink.policies]]. One that has a fault is there as well, so that
// who uses it is not blamed, and is compiled to nothing.
type policies struct {
	written  []*written
	theirs   map[string]int // the lines of [[policy-definitions]], by name
	misplace map[misplaced]bool
}

// written is a policy with the place where it is written.
type written struct {
	node     *node
	rules    []*node
	def      policy.Definition
	faulty   bool
	compiled *policy.Policy // once it is used, or asked for
}

// misplaced is a key that means nothing in a place: it is blamed once, however many VRFs use the
// policy there.
type misplaced struct {
	policy string
	policy.Misuse
	at policy.Place
}

// use is a key that names a policy.
type use struct {
	node *node
	name string
	at   policy.Place
	set  func(rib.Judge)
}

// uses returns the reader of a key that names a policy: what it names is found when all
// policies are read.
func uses(at policy.Place, field func(*entry) *rib.Judge) func(*problems, *node, *entry) {
	return func(p *problems, n *node, e *entry) {
		name, err := text(n)
		if err == nil && name == "" {
			err = errors.New("is empty; name a policy of [[netlink.policies]], or remove the key")
		}
		if err != nil {
			p.at(n, "%v", err)
			return
		}
		e.uses = append(e.uses, use{n, name, at, func(j rib.Judge) { *field(e) = j }})
	}
}

// policyDraft is an item of [[netlink.policies]] but for its rules.
type policyDraft struct {
	name     string
	fallback policy.Action
}

var policyKeys = keys[policyDraft]{
	"name":    one(text, func(d *policyDraft) *string { return &d.name }),
	"default": one(defaultAction, func(d *policyDraft) *policy.Action { return &d.fallback }),
}

func defaultAction(n *node) (policy.Action, error) {
	if a, err := action(n); err == nil && a != policy.Next {
		return a, nil
	}
	return 0, fmt.Errorf(`%s is neither "accept" nor "reject"; write one of them: what becomes of a route that no rule decides`, n.show())
}

// readPolicies reads [[netlink.policies]]. known are the names of all VRFs.
func readPolicies(p *problems, root *node, known []string) *policies {
	all := &policies{theirs: make(map[string]int), misplace: make(map[misplaced]bool)}
	for _, item := range sections(root.get("policy-definitions")) {
		if n := item.get("name"); n != nil {
			all.theirs[n.text] = n.line
		}
	}
	for _, item := range sections(root.get("netlink").get("policies")) {
		faults := len(p.list)
		w := &written{node: item}
		d := policyDraft{fallback: policy.Accept}
		read(p, item, policyKeys, &d)
		w.def.Name, w.def.Default = d.name, d.fallback
		all.checkName(p, w)
		if item.get("default") == nil {
			p.add(item.line, join(item.path, "default"), `is missing; write "accept" or "reject": what becomes of a route that no rule decides`)
		}
		w.readRules(p, known)
		if w.faulty = len(p.list) > faults; !w.faulty {
			w.judge(p)
			w.faulty = len(p.list) > faults
		}
		all.written = append(all.written, w)
	}
	return all
}

// checkName refuses a name that says nothing, or that means another policy as well.
func (all *policies) checkName(p *problems, w *written) {
	n, name := w.node.get("name"), w.def.Name
	switch {
	case n == nil:
		p.add(w.node.line, join(w.node.path, "name"), "is missing; name the policy")
		return
	case n.kind != kindText:
		return
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		p.at(n, "%q is no name; write one of characters that are printed", name)
		return
	}
	if other := all.find(name); other != nil {
		p.at(n, "%q is the name of another policy, on line %d; give each a name of its own", name, other.node.get("name").line)
	}
	if line, is := all.theirs[name]; is {
		p.at(n, "%q is the name of a policy of [[policy-definitions]] too, on line %d; rename one of them: where a neighbour names its policies, both kinds may stand", name, line)
	}
}

func (all *policies) find(name string) *written {
	for _, w := range all.written {
		if w.def.Name == name {
			return w
		}
	}
	return nil
}

// readRules reads the rules of a policy.
func (w *written) readRules(p *problems, known []string) {
	w.rules = sections(w.node.get("rules"))
	if list := w.node.get("rules"); len(w.rules) == 0 && !list.isBad() {
		line, path := w.node.line, join(w.node.path, "rules")
		if list != nil {
			line = list.line
		}
		p.add(line, path, `has no rules; write one, such as action = "reject" alone, which is about every route`)
	}
	for _, item := range w.rules {
		var r policy.Rule
		read(p, item, policyRuleKeys, &r)
		if item.get("action") == nil {
			p.add(item.line, join(item.path, "action"), `is missing; write "accept", "reject", or "next" to go on with the next rules`)
		}
		if n := item.get("name"); n != nil && strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) }) {
			p.at(n, "%q is no name; write one of characters that are printed", r.Name)
		}
		checkVRFs(p, item, known)
		w.def.Rules = append(w.def.Rules, r)
	}
}

// checkVRFs refuses the names of VRFs that there are not.
func checkVRFs(p *problems, rule *node, known []string) {
	for _, not := range []string{"", "not-"} {
		check := func(key string, of func(*node) string) {
			list := rule.get(not + key)
			if list == nil || list.kind != kindList {
				return
			}
			for _, n := range list.items {
				if name := of(n); n.kind == kindText && name != "" && !slices.Contains(known, name) {
					p.at(n, "there is no VRF %q; %s", name, suggest(name, known, "add it under [[vrfs]]"))
				}
			}
		}
		check("source-vrfs", func(n *node) string { return n.text })
		check("neighbors", func(n *node) string { _, vrf, _ := strings.Cut(n.text, "@"); return vrf })
	}
}

// judge says what contradicts itself in the rules, and notes what is never reached.
func (w *written) judge(p *problems) {
	for _, f := range w.def.Faults() {
		p.at(w.key(f.Rule, f.Key), "%s", f.Message)
	}
	for _, u := range w.def.Unreached() {
		p.note(w.rules[u.Rule], "is never reached: %s, on line %d, decides of all that it matches; move it up, or remove it", policy.Title(u.By, w.def.Rules[u.By].Name), w.rules[u.By].line)
	}
}

// key is a key of a rule, or the rule.
func (w *written) key(rule int, key string) *node {
	if n := w.rules[rule].get(canonical(key)); n != nil {
		return n
	}
	return w.rules[rule]
}

// resolve gives each use its policy, and refuses what there is not, and what means nothing there.
func (all *policies) resolve(p *problems, list []use) {
	for _, u := range list {
		w := all.find(u.name)
		if w == nil {
			line, theirs := all.theirs[u.name]
			if theirs {
				p.at(u.node, "%q, on line %d, is one of [[policy-definitions]], which judge what neighbours send and are told, and nothing else; write it under [[netlink.policies]]", u.name, line)
			} else {
				p.at(u.node, "there is no policy %q; %s", u.name, suggest(u.name, all.names(), "add it under [[netlink.policies]]"))
			}
			continue
		}
		for _, m := range w.def.Misused(u.at) {
			if key := (misplaced{u.name, m, u.at}); !all.misplace[key] {
				all.misplace[key] = true
				p.at(w.key(m.Rule, m.Key), "means nothing in %s, where line %d uses this policy; remove it, or write a policy of its own for that", u.at, u.node.line)
			}
		}
		if c := w.compile(); c != nil {
			u.set(c)
		}
	}
}

// compile returns the policy, nil where it has a fault.
func (w *written) compile() *policy.Policy {
	if w.compiled == nil && !w.faulty {
		w.compiled = policy.Compile(w.def)
	}
	return w.compiled
}

func (all *policies) names() []string {
	out := make([]string, len(all.written))
	for i, w := range all.written {
		out[i] = w.def.Name
	}
	return out
}

// compiled are all policies, in the order of the file.
func (all *policies) compiled() (out []*policy.Policy) {
	for _, w := range all.written {
		if c := w.compile(); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// policySchema is that of [[netlink.policies]].
func policySchema() []any {
	return []any{policyKeys.schema(schema{"rules": []any{policyRuleKeys.schema(nil)}})}
}
