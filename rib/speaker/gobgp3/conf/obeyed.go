package conf

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// disregarded are the keys of a statement that GoBGP v3.37.0 reads and does not go by
// (NewStatement in internal/pkg/table/policy.go): a condition among them holds always, and
// so lets through or rejects more than the file says.
var disregarded = []struct {
	section []string
	key     string
	instead string
}{
	{[]string{"conditions"}, "call-policy", "write the statements of that policy here, or name it in the list of policies before this one"},
	{[]string{"conditions", "match-tag-set"}, "tag-set", "mark the routes with a community, and match that"},
	{[]string{"conditions"}, "install-protocol-eq", "have the import of a VRF add a community (communities), and match that"},
	{[]string{"conditions", "bgp-conditions"}, "med-eq", "leave it out, and match what the route came with otherwise: a community, the AS path or the neighbour"},
	{[]string{"conditions", "bgp-conditions"}, "local-pref-eq", "leave it out, and match what the preference was set for: a community, the AS path or the neighbour"},
	{[]string{"conditions", "bgp-conditions"}, "origin-eq", "leave it out, and match what the route came with otherwise: a community, the AS path or the neighbour"},
	{[]string{"actions", "igp-actions"}, "set-tag", "add a community"},
}

// obeyed refuses what GoBGP would read and not go by.
func (c policyChecker) obeyed() {
	for _, p := range c.root.each("policy-definitions") {
		for _, s := range p.each("statements") {
			for _, d := range disregarded {
				if at := s.at(d.section...); at.has(d.key) {
					c.fail(at.key(d.key), "GoBGP reads it and does not go by it: %s", d.instead)
				}
			}
			c.statement(s)
		}
	}
	for i, s := range c.root.at("defined-sets").each("tag-sets") {
		c.fail(fmt.Sprintf("defined-sets.tag-sets[%d]", i), "GoBGP has no tags: mark the routes with a community, and remove %q", s.text("tag-set-name"))
	}
	c.appliedTo(c.root.at("global"))
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, s := range c.root.each(list) {
			c.appliedTo(s)
		}
	}
}

// medOf is a MED that is set, added or subtracted.
var medOf = regexp.MustCompile(`^[+-]?[0-9]+$`)

// statement refuses values that GoBGP takes for none, or for others.
func (c policyChecker) statement(s section) {
	actions := s.at("actions", "bgp-actions")
	if actions.has("set-local-pref") && actions.number("set-local-pref") == 0 {
		c.fail(actions.key("set-local-pref"), "GoBGP takes 0 for none and leaves the preference as it is: write 1 or more")
	}
	if prepend := actions.at("set-as-path-prepend"); prepend.has("as") {
		if as := prepend.number("as"); prepend.text("as") != "last-as" && (as < 1 || as > math.MaxUint32 || as != math.Trunc(as)) {
			c.fail(prepend.key("as"), "%v is no AS: write its number, or last-as", prepend.value["as"])
		}
		if prepend.number("repeat-n") == 0 {
			c.fail(prepend.key("repeat-n"), "missing: write how many times the AS is prepended")
		}
	}
	if med := actions.text("set-med"); med != "" && !medOf.MatchString(med) {
		c.fail(actions.key("set-med"), "%q is no MED: write a number, or one to add or subtract, +10 or -10", med)
	}
	for _, set := range []string{"set-community", "set-ext-community", "set-large-community"} {
		options := []string{"add", "remove", "replace"}
		if at := actions.at(set); at.text("options") != "" && !slices.Contains(options, at.text("options")) {
			c.fail(at.key("options"), "%q is none of %s, and GoBGP would add the communities", at.text("options"), strings.Join(options, ", "))
		}
	}
	conditions := s.at("conditions", "bgp-conditions")
	for _, counts := range []string{"as-path-length", "community-count"} {
		if at := conditions.at(counts); at.has("value") && at.text("operator") == "" {
			c.fail(at.key("operator"), "missing, and GoBGP would take the condition for none: write eq, ge or le")
		}
	}
	for _, hop := range conditions.texts("next-hop-in-list") {
		if _, err := netip.ParsePrefix(hop); err == nil {
			continue
		}
		if addr, err := netip.ParseAddr(hop); err != nil || addr.Zone() != "" {
			// GoBGP drops the condition, without a word.
			c.fail(conditions.key("next-hop-in-list"), "%q is no address or prefix", hop)
		}
	}
}

// appliedTo refuses what apply-policy of a neighbour, a group or all has, and GoBGP does
// not go by.
func (c policyChecker) appliedTo(s section) {
	a := s.at("apply-policy", "config")
	for _, key := range []string{"in-policy-list", "default-in-policy"} {
		if a.has(key) {
			c.fail(a.key(key), "GoBGP reads it and does not go by it: write import-policy-list and default-import-policy")
		}
	}
	for _, key := range []string{"import-policy-list", "export-policy-list"} {
		names := a.texts(key)
		for i, name := range names {
			if slices.Contains(names[:i], name) {
				c.fail(a.key(key), "%q is named twice: GoBGP then goes by none of the list; name each policy once", name)
			}
		}
	}
	for _, family := range s.each("afi-safis") {
		if per := family.at("apply-policy"); len(per.at("config").value) > 0 {
			c.fail(per.path, "GoBGP goes by no policies of an address family: write them under %s, with afi-safi-in-list in the conditions of their statements", join(s.path, "apply-policy.config"))
		}
	}
}
