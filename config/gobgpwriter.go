package config

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// translation is what GoBGP gets of [[netlink.policies]].
type translation struct {
	peers []setPeer
	as    uint32

	definitions []any
	sets        map[string][]any  // by the key of each kind of set
	made        map[string]bool   // definitions, by name
	renamed     map[string]string // by the path of the list's item
	uses        map[string][]vrf.PolicyUse
	words       map[string]string // what people call a statement, by its name; nil: there is none
}

// call says what people call a statement.
func (t *translation) call(statement, words string) {
	if t.words == nil {
		t.words = make(map[string]string)
	}
	t.words[statement] = words
}

// wordsFor is what people call a rule, and the default, of a policy.
func (w *written) wordsFor(rule int) string {
	return fmt.Sprintf("policy %q, %s", w.def.Name, policy.Title(rule, w.def.Rules[rule].Name))
}

func (w *written) wordsForRest() string { return fmt.Sprintf("the default of policy %q", w.def.Name) }

// dispositions are GoBGP's words for what a rule comes to.
var dispositions = map[policy.Action]string{policy.Accept: "accept-route", policy.Reject: "reject-route", policy.Next: "none"}

// ruleWriter writes a rule as statements of GoBGP: several, where one of GoBGP's conditions
// says less than ours; of a route at most one of them matches.
type ruleWriter struct {
	*translation
	name  string
	rule  *policy.Rule
	at    policy.Place
	sets  int      // that were made
	marks []rib.RT // of what goes out of a VRF, any of them

	families []rib.Family
}

// misfit is what GoBGP cannot be told.
type misfit struct{ key, why string }

type section = map[string]any

// set defines a set and returns its name.
func (r *ruleWriter) set(kind, nameKey, listKey string, members any) string {
	r.sets++
	name := fmt.Sprintf("%s, set %d", r.name, r.sets)
	r.translation.sets[kind] = append(r.translation.sets[kind], section{nameKey: name, listKey: members})
	return name
}

// kindOfSet is a kind of set as a statement's conditions name it.
type kindOfSet struct{ sets, name, list, condition, reference string }

var (
	communitySets = kindOfSet{"community-sets", "community-set-name", "community-list", "match-community-set", "community-set"}
	largeSets     = kindOfSet{"large-community-sets", "large-community-set-name", "large-community-list", "match-large-community-set", "large-community-set"}
	targetSets    = kindOfSet{"ext-community-sets", "ext-community-set-name", "ext-community-list", "match-ext-community-set", "ext-community-set"}
	asPathSets    = kindOfSet{"as-path-sets", "as-path-set-name", "as-path-list", "match-as-path-set", "as-path-set"}
)

func (r *ruleWriter) match(to section, of kindOfSet, option string, members []string) {
	to[of.condition] = section{of.reference: r.set(of.sets, of.name, of.list, members), "match-set-options": option}
}

// once writes one of several lists of which GoBGP compares one in a statement.
func (r *ruleWriter) once(to section, of kindOfSet, what string, lists []listOfSet) *misfit {
	lists = slices.DeleteFunc(lists, func(l listOfSet) bool { return len(l.members) == 0 })
	if len(lists) > 1 {
		return &misfit{lists[1].key, fmt.Sprintf("GoBGP compares %s with one list in a rule, and %s is one already; write two rules, of which the first rejects, or marks, what is not meant", what, lists[0].key)}
	}
	for _, l := range lists {
		r.match(to, of, l.option, l.members)
	}
	return nil
}

// listOfSet is a list of a rule, with the key that has it.
type listOfSet struct {
	key, option string
	members     []string
}

// exact are expressions for values.
func exact(values []string) (list []string) {
	for _, v := range values {
		list = append(list, "^"+regexp.QuoteMeta(v)+"$")
	}
	return list
}

// plainCommunities writes communities as numbers: GoBGP's expressions have no names.
func plainCommunities(list []rib.Community) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = fmt.Sprintf("%d:%d", uint32(c)>>16, uint32(c)&0xffff)
	}
	return out
}

func stringsOf[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}
