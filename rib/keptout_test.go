package rib

import (
	"net/netip"
	"testing"
)

// strict is a Judge that rejects paths without a MED.
type strict struct{}

func (strict) Name() string   { return "strict" }
func (strict) String() string { return "strict" }
func (strict) Judge(s Subject, _ *Hearing) Ruling {
	if s.Attrs.MED == 0 {
		return Ruling{Attrs: s.Attrs, Rejected: true, By: "the test"}
	}
	a := *s.Attrs
	a.MED++
	return Ruling{Attrs: &a}
}

// TestKeepsOut: a rule keeps out what its policy rejects of what the other VRF chose, and what is
// beyond its limit; and nothing that is not the other VRF's own, or that is not chosen.
func TestKeepsOut(t *testing.T) {
	t.Parallel()
	prefix := netip.MustParsePrefix("10.1.0.0/16")
	path := func(source string, id, med uint32) Path {
		return Path{Prefix: prefix, RD: 1, ID: id, Attrs: &Attrs{Via: &Via{Source: source}, Tags: &Tags{}, MED: med}}
	}
	passed := path("red", 9, 5)
	passed.Attrs.Via = &Via{Source: "red", Imported: true, As: FromLeak}
	limited := LeakRule{From: "red", Policy: strict{}, MaxPrefixes: 1}
	free, plain, linked := limited, limited, limited
	free.MaxPrefixes, plain.Policy, linked.Link = 0, nil, "l0"
	for name, test := range map[string]struct {
		rule  LeakRule
		c     Choice
		state State // 0: nothing is kept out
		id    uint32
		med   uint32
	}{
		"the policy rejects it":               {limited, Choice{Paths: []Path{path("red", 3, 0)}}, Filtered, 3, 0},
		"it is beyond the limit":              {limited, Choice{Paths: []Path{path("red", 3, 7)}}, OverLimit, 3, 8},
		"of two the policy lets one through":  {limited, Choice{Paths: []Path{path("red", 3, 0), path("red", 4, 7)}}, OverLimit, 4, 8},
		"there is no limit":                   {free, Choice{Paths: []Path{path("red", 3, 7)}}, 0, 0, 0},
		"there is no limit, and one rejected": {free, Choice{Paths: []Path{path("red", 3, 0), path("red", 4, 7)}}, 0, 0, 0},
		"there is no policy":                  {plain, Choice{Paths: []Path{path("red", 3, 0)}}, OverLimit, 3, 0},
		"nothing is chosen":                   {limited, Choice{}, 0, 0, 0},
		"it is another VRF's":                 {limited, Choice{Paths: []Path{path("blue", 3, 0)}}, 0, 0, 0},
		"one is another VRF's":                {limited, Choice{Paths: []Path{path("blue", 3, 0), path("red", 4, 0)}}, Filtered, 4, 0},
		"it came by a leak":                   {limited, Choice{Paths: []Path{passed}}, 0, 0, 0},
		"packets would come to no route":      {linked, Choice{Paths: []Path{path("red", 3, 0)}, Untabled: true}, 0, 0, 0},
		"they come by a link to one":          {linked, Choice{Paths: []Path{path("red", 3, 0)}}, Filtered, 3, 0},
	} {
		test.c.Prefix = prefix
		out, is := test.rule.KeepsOut(&test.c, "green", nil)
		if is != (test.state != 0) {
			t.Errorf("%s: kept out is %v", name, is)
			continue
		}
		if !is {
			continue
		}
		if out.State() != test.state || out.Prefix != prefix || out.Rule != test.rule || out.Path.ID != test.id || out.Path.Attrs.MED != test.med || !out.Path.Attrs.ByRule {
			t.Errorf("%s: kept out is %+v", name, out)
		}
	}
}
