package conf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// With a statement that accepts, GoBGP ends the judgement of a route, the global policies
// with it. So a neighbour's statement that accepts marks the route as decided instead, by
// a community: the neighbour's later statements pass over what has it, and after the last
// of them it is taken off again, before the global policies. What came with the mark loses
// it first: nobody decides for us. Only a copy that accepts before it rejects or changes
// other routes, and only where the global policies have a word, needs it.

// mark is a kind of community by which a decided route is known.
type mark struct {
	set    string // of the community
	define func(*oc.DefinedSets)
	// tests tells whether conditions look at such communities.
	tests func(*oc.Conditions) bool
	match func(*oc.Conditions, oc.MatchSetOptionsType)
	// sets adds the mark to actions, which is possible where they remove none such.
	sets    func(*oc.Actions) bool
	removes func(*oc.Actions)
}

// The marks are communities that are assigned to nobody: the largest AS number is
// reserved (RFC 8092, 6, and RFC 7300), and so are the communities of 65535 but for the
// well-known ones (RFC 1997).
const (
	largeMark = "4294967295:179:179"
	plainMark = "65535:44975"
)

var marks = []*mark{
	{
		set: ruleName + "decided, large",
		define: func(d *oc.DefinedSets) {
			b := &d.BgpDefinedSets
			b.LargeCommunitySets = append(b.LargeCommunitySets, oc.LargeCommunitySet{LargeCommunitySetName: ruleName + "decided, large", LargeCommunityList: []string{"^" + largeMark + "$"}})
		},
		tests: func(c *oc.Conditions) bool { return c.BgpConditions.MatchLargeCommunitySet.LargeCommunitySet != "" },
		match: func(c *oc.Conditions, how oc.MatchSetOptionsType) {
			c.BgpConditions.MatchLargeCommunitySet = oc.MatchLargeCommunitySet{LargeCommunitySet: ruleName + "decided, large", MatchSetOptions: how}
		},
		sets: func(a *oc.Actions) bool {
			s := &a.BgpActions.SetLargeCommunity
			options := string(s.Options)
			list, ok := marked(&options, s.SetLargeCommunityMethod.CommunitiesList, largeMark)
			s.Options, s.SetLargeCommunityMethod.CommunitiesList = oc.BgpSetCommunityOptionType(options), list
			return ok
		},
		removes: func(a *oc.Actions) {
			a.BgpActions.SetLargeCommunity = oc.SetLargeCommunity{
				Options:                 oc.BGP_SET_COMMUNITY_OPTION_TYPE_REMOVE,
				SetLargeCommunityMethod: oc.SetLargeCommunityMethod{CommunitiesList: []string{"^" + largeMark + "$"}},
			}
		},
	},
	{
		set: ruleName + "decided",
		define: func(d *oc.DefinedSets) {
			b := &d.BgpDefinedSets
			b.CommunitySets = append(b.CommunitySets, oc.CommunitySet{CommunitySetName: ruleName + "decided", CommunityList: []string{"^" + plainMark + "$"}})
		},
		tests: func(c *oc.Conditions) bool {
			b := &c.BgpConditions
			return b.MatchCommunitySet.CommunitySet != "" || b.CommunityCount != (oc.CommunityCount{})
		},
		match: func(c *oc.Conditions, how oc.MatchSetOptionsType) {
			c.BgpConditions.MatchCommunitySet = oc.MatchCommunitySet{CommunitySet: ruleName + "decided", MatchSetOptions: how}
		},
		sets: func(a *oc.Actions) bool {
			s := &a.BgpActions.SetCommunity
			list, ok := marked(&s.Options, s.SetCommunityMethod.CommunitiesList, plainMark)
			s.SetCommunityMethod.CommunitiesList = list
			return ok
		},
		removes: func(a *oc.Actions) {
			a.BgpActions.SetCommunity = oc.SetCommunity{
				Options:            string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_REMOVE),
				SetCommunityMethod: oc.SetCommunityMethod{CommunitiesList: []string{"^" + plainMark + "$"}},
			}
		},
	},
}

// marked adds a mark to the communities that a statement sets, if it can. The list may be
// another statement's too.
func marked(options *string, list []string, with string) ([]string, bool) {
	switch oc.BgpSetCommunityOptionType(*options) {
	case oc.BGP_SET_COMMUNITY_OPTION_TYPE_REMOVE:
		return list, len(list) == 0
	case "":
		*options = string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_ADD)
	}
	return append(list[:len(list):len(list)], with), true
}

// goOn has what a copy accepts go on to the global policies.
func (r *rules) goOn(w *way, c *copied, own []oc.Statement) ([]oc.Statement, error) {
	first := -1 // the first that accepts while others could still have a word
	for i := range own {
		if accepts(own[i]) && i < len(own)-1 {
			first = i
			break
		}
	}
	if first < 0 {
		for i := range own {
			if accepts(own[i]) { // the last one
				own[i].Actions.RouteDisposition = oc.ROUTE_DISPOSITION_NONE
			}
		}
		return own, nil
	}
	by, ok := marksFor(own, first)
	if !ok {
		return nil, &undecidedError{way: w, list: c.list, first: own[first].Name}
	}
	var out []oc.Statement
	for _, m := range marks {
		if slices.Contains(by, m) {
			r.define(m)
			out = append(out, m.strip(c, ", not decided yet"))
		}
	}
	before := len(out)
	for i, s := range own {
		if m := by[i]; m != nil {
			m.match(&s.Conditions, oc.MATCH_SET_OPTIONS_TYPE_INVERT)
		}
		if accepts(s) {
			s.Actions.RouteDisposition = oc.ROUTE_DISPOSITION_NONE
			for _, m := range marks {
				if slices.Contains(by[i+1:], m) {
					m.sets(&s.Actions)
				}
			}
		}
		out = append(out, s)
	}
	for _, s := range out[:before:before] {
		s.Name = strings.Replace(s.Name, ", not decided yet", ", decided", 1)
		out = append(out, s)
	}
	return out, nil
}

// marksFor chooses for each statement behind the first that accepts the mark that it looks
// for: one kind for all, where that is possible. false: there is none for some statement.
func marksFor(own []oc.Statement, first int) (by []*mark, ok bool) {
	for _, some := range [][]*mark{marks[:1], marks[1:], marks} {
		if by, ok = chosen(some, own, first); ok {
			return by, true
		}
	}
	return nil, false
}

// chosen is marksFor with some kinds of marks.
func chosen(some []*mark, own []oc.Statement, first int) ([]*mark, bool) {
	by := make([]*mark, len(own))
	for i := first + 1; i < len(own); i++ {
		m := slices.IndexFunc(some, func(m *mark) bool { return !m.tests(&own[i].Conditions) })
		if m < 0 {
			return nil, false
		}
		by[i] = some[m]
	}
	for i, s := range own {
		for _, m := range some {
			actions := s.Actions
			if accepts(s) && slices.Contains(by[i+1:], m) && !m.sets(&actions) {
				return nil, false
			}
		}
	}
	return by, true
}

// undecidedError is the error of policies that accept too early: both kinds of marks are
// communities that their statements look at, or remove.
type undecidedError struct {
	way   *way
	list  []string
	first string
}

func (e *undecidedError) Error() string {
	return fmt.Sprintf("what these policies accept goes on to the global ones, and cannot be told from what they have not decided yet, because a statement behind the first that accepts (%q) looks at communities and at large communities, or one that accepts removes some that the mark of a decided route would be: "+
		"divide that statement, or put the statements with route-disposition = \"accept-route\" last", e.first)
}

// define defines the set of a mark, once.
func (r *rules) define(m *mark) {
	if !r.marks[m.set] {
		r.marks[m.set] = true
		m.define(&r.sets)
	}
}

// strip takes the mark off the routes of a copy's members.
func (m *mark) strip(c *copied, when string) oc.Statement {
	s := oc.Statement{Name: c.name + when + ", " + m.set, Conditions: to(c.name)}
	m.match(&s.Conditions, oc.MATCH_SET_OPTIONS_TYPE_ANY)
	m.removes(&s.Actions)
	return s
}
