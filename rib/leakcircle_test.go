package rib

import (
	"net/netip"
	"slices"
	"testing"
)

// only accepts one prefix, and says so.
type only struct{ prefix netip.Prefix }

func (only) Name() string   { return "only" }
func (only) String() string { return "only" }

func (o only) Judge(s Subject, _ *Hearing) Ruling {
	return Ruling{Attrs: s.Attrs, Rejected: s.Prefix != o.prefix}
}

func (o only) MayAccept(p netip.Prefix) bool { return p == o.prefix }

// TestGivesWay: in each circle of leaks that a prefix may go round one gives way, in its order, and
// nothing does outside of circles.
func TestGivesWay(t *testing.T) {
	p, q := prefix("10.1.0.0/16"), prefix("0.0.0.0/0")
	of := func(names ...string) (rules []LeakRule) {
		for _, n := range names {
			rules = append(rules, LeakRule{From: n})
		}
		return rules
	}
	for _, test := range []struct {
		name  string
		rules LeakRules
		want  []string // "into<from"
	}{
		{"none", LeakRules{"a": of("b"), "b": of("c")}, nil},
		{"two", LeakRules{"a": of("b"), "b": of("a")}, []string{"a<b"}},
		{"with the global table", LeakRules{"default": of("t"), "t": of("default")}, []string{"t<default"}},
		{"three", LeakRules{"a": of("c"), "b": of("a"), "c": of("b")}, []string{"a<c"}},
		{"three, the other way", LeakRules{"a": of("b"), "b": of("c"), "c": of("a")}, []string{"a<b", "b<c"}},
		{"two circles with one in common", LeakRules{"a": of("b"), "b": of("a", "c"), "c": of("b"), "d": of("b")}, []string{"a<b", "b<c"}},
		{"not for this prefix", LeakRules{"t": of("default"), "default": {{From: "t", Policy: only{q}}}}, nil},
	} {
		var got []string
		for _, into := range []string{"a", "b", "c", "d", "default", "t"} {
			for i := range test.rules[into] {
				if rule := &test.rules[into][i]; test.rules.GivesWay(into, rule, p) {
					got = append(got, into+"<"+rule.From)
				}
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q give way, want %q", test.name, got, test.want)
		}
	}
}
