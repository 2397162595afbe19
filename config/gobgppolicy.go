package config

import (
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// The lists of policies of a neighbour, a peer group and of all take policies of
// [[netlink.policies]] beside those of [[policy-definitions]]. GoBGP judges by its own, so
// the former are written as those: each condition and action that GoBGP has becomes its own,
// and what it has not is refused, with the lines of both.

// lists are where policies are named, and what they judge there.
var lists = []struct {
	key, suffix string
	at          policy.Place
}{{"import-policy-list", " (in)", policy.NeighborIn}, {"export-policy-list", " (out)", policy.NeighborOut}}

// readApplied translates the policies that lists name.
func (all *policies) readApplied(p *problems, root *node, peers []setPeer) *translation {
	var g global
	read(&problems{}, root.get("global").get("config"), globalKeys, &g) // its faults were reported already
	t := &translation{peers: peers, as: g.as, sets: make(map[string][]any), made: make(map[string]bool), renamed: make(map[string]string), uses: make(map[string][]vrf.PolicyUse)}
	owners := []*node{root.get("global")}
	for _, list := range []string{"neighbors", "peer-groups"} {
		owners = append(owners, sections(root.get(list))...)
	}
	for _, owner := range owners {
		for _, l := range lists {
			items := itemsOf(owner.get("apply-policy").get("config").get(l.key))
			for i, item := range items {
				w := all.find(item.text)
				if w == nil || item.kind != kindText {
					continue // one of [[policy-definitions]], or none, which GoBGP's check says
				}
				if i < len(items)-1 {
					p.at(items[i+1], "is never asked: policy %q before it decides every route, by its default what no rule does; write it before that, or remove it", item.text)
				}
				t.renamed[canonical(item.path)] = item.text + l.suffix
				t.uses[item.text] = append(t.uses[item.text], useIn(owner, l.key))
				all.translate(p, t, w, item, l.at, item.text+l.suffix)
			}
		}
	}
	return t
}

// useIn says whose list names a policy: that of a neighbour, of a group's, or of all, which are
// of no VRF.
func useIn(owner *node, list string) vrf.PolicyUse {
	config := owner.get("config")
	for _, by := range []string{"neighbor-address", "neighbor-interface"} {
		if n := config.get(by); n != nil && n.text != "" {
			u := vrf.PolicyUse{VRF: vrf.Default, Place: list + " of neighbor " + n.text, Uncounted: vrf.JudgedByBGP}
			if in := config.get("vrf"); in != nil && in.text != "" {
				u.VRF = in.text
			}
			return u
		}
	}
	if group := config.get("peer-group-name"); group != nil {
		return vrf.PolicyUse{Place: list + " of peer group " + group.text, Uncounted: vrf.JudgedByBGP}
	}
	return vrf.PolicyUse{Place: list + " of [global]", Uncounted: vrf.JudgedByBGP}
}

// itemsOf are the items of a list, of which GoBGP takes a single value for one of one.
func itemsOf(list *node) []*node {
	switch {
	case list == nil:
		return nil
	case list.kind == kindText:
		return []*node{list}
	}
	return list.items
}

// translate writes a policy for GoBGP, once for each direction.
func (all *policies) translate(p *problems, t *translation, w *written, use *node, at policy.Place, name string) {
	if t.made[name] {
		return
	}
	t.made[name] = true
	definition := map[string]any{"name": name}
	t.definitions = append(t.definitions, definition)
	if w.faulty {
		return // it is there, and no list names one that is not
	}
	misused := w.def.Misused(at)
	for _, m := range misused {
		p.at(w.key(m.Rule, m.Key), "means nothing in %s, where line %d uses this policy; remove it, or write a policy of its own for that", at, use.line)
	}
	if len(misused) > 0 {
		return
	}
	var statements []any
	for i := range w.def.Rules {
		r := ruleWriter{translation: t, name: fmt.Sprintf("%s, rule %d", name, i+1), rule: &w.def.Rules[i], at: at}
		out, err := r.write()
		if err != nil {
			p.at(w.key(i, err.key), "%s; line %d has GoBGP judge by this policy", err.why, use.line)
			continue
		}
		for j, s := range out {
			name := fmt.Sprintf("%s.%d", r.name, j+1)
			t.call(name, w.wordsFor(i))
			s["name"] = name
			statements = append(statements, s)
		}
	}
	t.call(name+", the rest", w.wordsForRest())
	definition["statements"] = append(statements, map[string]any{
		"name": name + ", the rest", "actions": map[string]any{"route-disposition": dispositions[w.def.Default]},
	})
}

// put writes the translated policies into GoBGP's part, and names them in its lists.
func (t *translation) put(all map[string]any) {
	if len(t.definitions) == 0 {
		return
	}
	theirs, _ := all["policy-definitions"].([]any)
	all["policy-definitions"] = append(slices.Clip(theirs), t.definitions...)
	for kind, sets := range t.sets {
		in := under(all, "defined-sets")
		if kind != "prefix-sets" && kind != "neighbor-sets" {
			in = under(in, "bgp-defined-sets")
		}
		theirs, _ := in[kind].([]any)
		in[kind] = append(slices.Clip(theirs), sets...)
	}
	rename := func(owner any, path string) {
		o, _ := owner.(map[string]any)
		apply, _ := o["apply-policy"].(map[string]any)
		config, _ := apply["config"].(map[string]any)
		for _, l := range lists {
			at := path + ".apply-policy.config." + l.key
			switch v := config[l.key].(type) {
			case string:
				if name, is := t.renamed[at]; is {
					config[l.key] = name
				}
			case []any:
				for i := range v {
					if name, is := t.renamed[fmt.Sprintf("%s[%d]", at, i)]; is {
						v[i] = name
					}
				}
			}
		}
	}
	rename(all["global"], "global")
	for _, list := range []string{"neighbors", "peer-groups"} {
		items, _ := all[list].([]any)
		for i, item := range items {
			rename(item, fmt.Sprintf("%s[%d]", list, i))
		}
	}
}
