package config

import (
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/vrf"
)

// hint notes what a file is likely to lack: it is right, and does less, or more, than whoever
// wrote it believes.
func hint(p *problems, root *node, run []vrf.Spec, judges *policies, applied *translation) {
	hintAnyAS(p, root)
	hintNoTargets(p, root, run)
	hintUnused(p, root, run, judges, applied)
	hintSets(p, root)
}

// hintAnyAS notes the neighbours without an AS: GoBGP takes whatever AS such a one says that it is
// of (pkg/packet/bgp/validate.go).
func hintAnyAS(p *problems, root *node) {
	const takes = "is missing, so that a neighbour of any AS is let in; write the AS number that it has"
	groups := peerGroups(root)
	lacks := func(n *node) bool { return n == nil || n.text == "0" }
	for _, item := range sections(root.get("neighbors")) {
		n := grouped{own: item}
		config := item.get("config")
		if g := config.get("peer-group"); g != nil {
			n.group = groups[g.text]
		}
		switch number := n.config("peer-as"); {
		case !present(config) || !lacks(number):
		case number != nil:
			p.hint(number, "", "is 0, so that a neighbour of any AS is let in; write the AS number that it has")
		default:
			p.hint(config, "peer-as", takes)
		}
	}
	for _, item := range sections(root.get("dynamic-neighbors")) {
		g := item.get("config").get("peer-group")
		if g != nil && groups[g.text] != nil && lacks(groups[g.text].get("config").get("peer-as")) {
			p.hint(g, "", "%q has no peer-as, so that neighbours of any AS are let in from there; write it under [peer-groups.config]", g.text)
		}
	}
}

// hintNoTargets notes the VRFs into whose tables nothing of BGP leads: the ones with neighbours of
// their own are readDeaf's to note.
func hintNoTargets(p *problems, root *node, run []vrf.Spec) {
	for i := range run {
		s := &run[i]
		if !s.Untargeted() {
			continue
		}
		for _, item := range sections(root.get("vrfs")) {
			config := item.get("config")
			if name := config.get("name"); name != nil && name.text == s.Name && !hasNeighbor(root, s.Name) {
				p.hint(name, "", "VRF %q exports, and has neither import route targets nor leaks: nothing of BGP gets into its table; write both-rt-list, or import-rt-list, with the targets of the routes that it is to have", s.Name)
			}
		}
	}
}

func hasNeighbor(root *node, name string) bool {
	return slices.ContainsFunc(sections(root.get("neighbors")), func(item *node) bool {
		in := item.get("config").get("vrf")
		return in != nil && in.text == name
	})
}

// hintUnused notes the policies that nothing goes by, of ours and of GoBGP's.
func hintUnused(p *problems, root *node, run []vrf.Spec, judges *policies, applied *translation) {
	uses := vrf.PolicyUses(run)
	sends := make(map[string]bool)
	for _, item := range sections(root.get("netlink").get("vrfs")) {
		if n := item.get("bgp").get("send"); n != nil {
			sends[n.text] = true
		}
	}
	for _, w := range judges.written {
		name := w.node.get("name")
		if name == nil || sends[name.text] || uses[name.text] != nil || applied.uses[name.text] != nil {
			continue
		}
		p.hint(name, "", "%q is used nowhere, so that it judges nothing; name it under [netlink.vrfs.import], [netlink.vrfs.export] or [netlink.vrfs.bgp], or in a list of a neighbour, or remove it", name.text)
	}
	named := make(map[string]bool)
	for _, of := range slices.Concat([]*node{root.get("global")}, sections(root.get("neighbors")), sections(root.get("peer-groups"))) {
		for _, list := range []string{"import-policy-list", "export-policy-list"} {
			if n := of.get("apply-policy").get("config").get(list); n != nil {
				for _, item := range n.items {
					named[item.text] = true
				}
			}
		}
	}
	for _, item := range sections(root.get("policy-definitions")) {
		if name := item.get("name"); name != nil && !named[name.text] {
			p.hint(name, "", "%q is in no import-policy-list or export-policy-list, so that it judges nothing; name it in one of [global.apply-policy.config] or of a neighbour, or remove it", name.text)
		}
	}
}

// definedSets are the lists of sets of GoBGP, each with the key of what is in one.
var definedSets = map[string]string{
	"prefix-sets": "prefix-list", "neighbor-sets": "neighbor-info-list",
	"community-sets": "community-list", "ext-community-sets": "ext-community-list", "as-path-sets": "as-path-list", "large-community-sets": "large-community-list",
}

// hintSets notes the sets that are empty, and those at which no statement looks.
func hintSets(p *problems, root *node) {
	looked := make(map[string]bool) // by the list of its kind, and name
	for _, policy := range sections(root.get("policy-definitions")) {
		for _, statement := range sections(policy.get("statements")) {
			noteLooked(statement.get("conditions"), looked)
		}
	}
	defined := root.get("defined-sets")
	for _, list := range slices.Sorted(maps.Keys(definedSets)) {
		of := cmpNode(defined.get(list), defined.get("bgp-defined-sets").get(list))
		kind := list[:len(list)-1] // prefix-set
		for _, set := range sections(of) {
			name := set.get(kind + "-name")
			if name == nil {
				continue
			}
			if held := set.get(definedSets[list]); held == nil || held.kind == kindList && len(held.items) == 0 {
				p.hint(name, "", "%q is empty, so that it matches nothing; write what is in it as %s", name.text, definedSets[list])
			}
			if !looked[kind+" "+name.text] {
				p.hint(name, "", "no statement of [[policy-definitions]] looks at %q, so that it matches nothing; name it there, or remove it", name.text)
			}
		}
	}
}

// noteLooked notes the sets that conditions name: prefix-set of match-prefix-set, and so on.
func noteLooked(n *node, looked map[string]bool) {
	if !present(n) {
		return
	}
	for _, f := range n.fields {
		noteLooked(f.value, looked)
		if f.value.kind == kindText {
			looked[f.name+" "+f.value.text] = true
		}
	}
}
