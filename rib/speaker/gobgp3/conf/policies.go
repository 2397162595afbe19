package conf

import (
	"regexp"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// definedSets are the lists of sets that a policy can name: the section of each
// in defined-sets, the key of its name, and where a statement's conditions name
// it.
var definedSets = []struct {
	section         []string
	list, name      string
	condition       []string
	reference       string
	content, format string
}{
	{nil, "prefix-sets", "prefix-set-name", []string{"match-prefix-set"}, "prefix-set", "", ""},
	{nil, "neighbor-sets", "neighbor-set-name", []string{"match-neighbor-set"}, "neighbor-set", "neighbor-info-list", ""},
	{[]string{"bgp-defined-sets"}, "community-sets", "community-set-name",
		[]string{"bgp-conditions", "match-community-set"}, "community-set", "community-list", "regexp"},
	{[]string{"bgp-defined-sets"}, "ext-community-sets", "ext-community-set-name",
		[]string{"bgp-conditions", "match-ext-community-set"}, "ext-community-set", "ext-community-list", ""},
	{[]string{"bgp-defined-sets"}, "large-community-sets", "large-community-set-name",
		[]string{"bgp-conditions", "match-large-community-set"}, "large-community-set", "large-community-list", "regexp"},
	{[]string{"bgp-defined-sets"}, "as-path-sets", "as-path-set-name",
		[]string{"bgp-conditions", "match-as-path-set"}, "as-path-set", "as-path-list", "regexp"},
}

// policyChecker looks for the errors of policies, of their sets, and of the lists that name
// them.
type policyChecker struct{ *checker }

// policies checks the references between policies: with one that is wrong,
// GoBGP drops every policy with a line in its log, and accepts all routes.
func (c policyChecker) policies() {
	policies, statements := make(map[string]string), make(map[string]string)
	for _, p := range c.root.each("policy-definitions") {
		c.unique(policies, p, "name", p.text("name"))
		for _, s := range p.each("statements") {
			// GoBGP wants them unique over all policies, and names those
			// without a name itself.
			if s.text("name") != "" {
				c.unique(statements, s, "name", s.text("name"))
			}
		}
	}
	for _, kind := range definedSets {
		names := make(map[string]string)
		for _, set := range c.root.at("defined-sets").at(kind.section...).each(kind.list) {
			c.unique(names, set, kind.name, set.text(kind.name))
			c.setContent(set, kind.content, kind.format)
		}
		for _, p := range c.root.each("policy-definitions") {
			for _, s := range p.each("statements") {
				cond := s.at("conditions").at(kind.condition...)
				if ref := cond.text(kind.reference); ref != "" && names[ref] == "" {
					c.fail(cond.key(kind.reference), "there is no %s %q", kind.reference, ref)
				}
			}
		}
	}
	c.notOurs()
	c.applied(c.root.at("global"), policies)
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, s := range c.root.each(list) {
			c.applied(s, policies)
		}
	}
}

// notOurs refuses the names that our own policies and sets have.
func (c policyChecker) notOurs() {
	refuse := func(s section, key string) {
		if name := s.text(key); isRule(name) {
			c.fail(s.key(key), "%q: names that begin with %s are those of the rules that are always there: choose another", name, ruleName)
		}
	}
	for _, p := range c.root.each("policy-definitions") {
		refuse(p, "name")
		for _, s := range p.each("statements") {
			refuse(s, "name")
		}
	}
	for _, kind := range definedSets {
		for _, set := range c.root.at("defined-sets").at(kind.section...).each(kind.list) {
			refuse(set, kind.name)
		}
	}
}

func (c policyChecker) setContent(set section, key, format string) {
	for _, text := range set.texts(key) {
		if text == "" {
			c.fail(set.key(key), "has an empty entry")
		} else if format == "regexp" {
			if _, err := regexp.Compile(text); err != nil {
				c.fail(set.key(key), "%q: %w", text, err)
			}
		}
	}
	for _, p := range set.each("prefix-list") {
		if _, _, err := oc.ParseMaskLength(p.text("ip-prefix"), p.text("masklength-range")); err != nil {
			c.fail(p.path, "%w", err)
		}
	}
}

func (c policyChecker) applied(s section, policies map[string]string) {
	a := s.at("apply-policy", "config")
	for _, key := range []string{"import-policy-list", "export-policy-list"} {
		for _, name := range a.texts(key) {
			if policies[name] == "" {
				c.fail(a.key(key), "there is no policy %q", name)
			}
		}
	}
}
