package policy

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// What follows judges as the documentation says it, and nothing more: no trie, no cache, no
// order of conditions, a regular expression compiled for each path, and a copy of everything.

type plainVerdict struct {
	attrs    rib.Attrs
	rejected bool
	told     rib.NexthopTold
	rule     int // -1: the default
}

func plainly(d Definition, s rib.Subject) plainVerdict {
	out := plainVerdict{attrs: deepCopy(s.Attrs), rule: -1}
	for i, r := range d.Rules {
		s.Attrs = &out.attrs
		if !plainMatch(r, s) {
			continue
		}
		plainChange(r, s, &out)
		if r.Action != Next {
			out.rejected, out.rule = r.Action == Reject, i
			return out
		}
	}
	out.rejected = d.Default == Reject
	return out
}

func deepCopy(a *rib.Attrs) rib.Attrs {
	out := *a
	via, tags, rare := *a.Via, *a.Tags, rib.Rare{}
	if a.Rare != nil {
		rare = *a.Rare
	}
	rare.Segments = nil
	a.Segments(func(s rib.ASSegment) bool {
		rare.Segments = append(rare.Segments, rib.ASSegment{Kind: s.Kind, ASes: slices.Clone(s.ASes)})
		return true
	})
	tags.Communities, tags.Large = slices.Clone(tags.Communities), slices.Clone(tags.Large)
	out.Via, out.Tags, out.Rare, out.ASPath = &via, &tags, &rare, slices.Clone(a.ASPath)
	return out
}

func plainMatch(r Rule, s rib.Subject) bool {
	for _, c := range plainTests(r.When, s) {
		if !c {
			return false
		}
	}
	for _, c := range plainTests(r.Unless, s) {
		if c {
			return false
		}
	}
	return true
}

// plainTests is whether each condition that is given holds.
func plainTests(c Conditions, s rib.Subject) (out []bool) {
	a := s.Attrs
	is := func(given bool, holds func() bool) {
		if given {
			out = append(out, holds())
		}
	}
	ofPath := s.Route == nil
	is(len(c.Prefixes) > 0, func() bool { return listed(c.Prefixes, s.Prefix) })
	is(len(c.Families) > 0, func() bool { return slices.Contains(c.Families, rib.FamilyOf(s.Prefix)) })
	is(c.LocalPref != nil, func() bool { return a.LocalPref >= c.LocalPref.Least && a.LocalPref <= c.LocalPref.Most })
	is(c.MED != nil, func() bool { return a.MED >= c.MED.Least && a.MED <= c.MED.Most })
	is(len(c.Communities) > 0, func() bool { return common(c.Communities, a.Communities) > 0 })
	is(len(c.CommunitiesAll) > 0, func() bool { return common(c.CommunitiesAll, a.Communities) == len(c.CommunitiesAll) })
	is(len(c.Large) > 0, func() bool { return common(c.Large, a.Large) > 0 })
	is(len(c.LargeAll) > 0, func() bool { return common(c.LargeAll, a.Large) == len(c.LargeAll) })
	is(len(c.Nexthops) > 0, func() bool { return plainNexthop(c.Nexthops, s) })
	is(len(c.Protocols) > 0, func() bool { return !ofPath && slices.Contains(c.Protocols, s.Route.Protocol) })
	is(c.Metric != nil, func() bool { return !ofPath && s.Route.Metric >= c.Metric.Least && s.Route.Metric <= c.Metric.Most })
	is(len(c.Interfaces) > 0, func() bool { return !ofPath && plainInterface(c.Interfaces, s) })
	is(len(c.SourceVRFs) > 0, func() bool {
		name := cmp.Or(a.Source, "default")
		if a.Source == "" && s.RD != 0 {
			name = "another router's"
		}
		return ofPath && slices.Contains(c.SourceVRFs, name)
	})
	is(len(c.Neighbors) > 0, func() bool {
		for _, n := range c.Neighbors {
			if ofPath && a.Peer.IsValid() && within(n.Range, a.Peer) && (n.VRF == "" || n.VRF == cmp.Or(a.Source, "default")) {
				return true
			}
		}
		return false
	})
	is(len(c.RPKI) > 0, func() bool { return ofPath && slices.Contains(c.RPKI, s.RPKI) })
	is(len(c.OriginAS) > 0, func() bool {
		segments := a.Rare.Segments
		if !ofPath || len(segments) == 0 || segments[len(segments)-1].Kind != rib.ASSequence {
			return false
		}
		last := segments[len(segments)-1].ASes
		return slices.Contains(c.OriginAS, last[len(last)-1])
	})
	is(c.ASPathLength != nil, func() bool {
		n := uint32(a.ASPathLen)
		return ofPath && n >= c.ASPathLength.Least && n <= c.ASPathLength.Most
	})
	is(len(c.RouteTargets) > 0, func() bool { return ofPath && common(c.RouteTargets, a.RTs) > 0 })
	is(len(c.Extended) > 0, func() bool {
		all := slices.Clone(a.Rare.Extended)
		for _, rt := range a.RTs {
			all = append(all, rib.ExtCommunity(rt))
		}
		return ofPath && common(c.Extended, all) > 0
	})
	is(len(c.ASPath) > 0, func() bool {
		for _, e := range c.ASPath {
			if ofPath && regexp.MustCompile(strings.ReplaceAll(e.text, "_", "(^|[,{}() ]|$)")).MatchString(plainPath(a)) {
				return true
			}
		}
		return false
	})
	return out
}

// common is how many of the values of a are in b.
func common[T comparable](a, b []T) (n int) {
	for _, v := range a {
		if slices.Contains(b, v) {
			n++
		}
	}
	return n
}

func within(r Range, a netip.Addr) bool {
	return r.Prefix.Contains(a.WithZone("")) && (r.Zone == "" || r.Zone == a.Zone())
}

func plainNexthop(list []Range, s rib.Subject) bool {
	var all []netip.Addr
	if s.Route == nil {
		all = []netip.Addr{s.Attrs.Nexthop, s.Attrs.LinkLocal}
	} else {
		for _, h := range s.Route.Hops {
			if h.Gateway.Is6() && h.Gateway.IsLinkLocalUnicast() {
				h.Gateway = h.Gateway.WithZone(s.Links[h.Ifindex].Name)
			}
			all = append(all, h.Gateway)
		}
	}
	for _, r := range list {
		for _, a := range all {
			if a.IsValid() && within(r, a) {
				return true
			}
		}
	}
	return false
}

func plainInterface(globs []string, s rib.Subject) bool {
	for _, h := range s.Route.Hops {
		for _, g := range globs {
			if ok, _ := path.Match(g, s.Links[h.Ifindex].Name); ok {
				return true
			}
		}
	}
	return false
}

func plainPath(a *rib.Attrs) string {
	var words []string
	for _, s := range a.Rare.Segments {
		text := strings.Trim(fmt.Sprint(s.ASes), "[]")
		switch s.Kind {
		case rib.ASSet:
			text = "{" + strings.ReplaceAll(text, " ", ",") + "}"
		case rib.ConfedSequence:
			text = "(" + text + ")"
		case rib.ConfedSet:
			text = "[" + strings.ReplaceAll(text, " ", ",") + "]"
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}

func plainChange(r Rule, s rib.Subject, out *plainVerdict) {
	a, set := &out.attrs, r.Set
	if set.LocalPref != nil {
		a.LocalPref = *set.LocalPref
	}
	if set.MED != nil {
		a.MED = *set.MED
	}
	first := s.AS
	for _, seg := range a.Rare.Segments {
		if first != 0 || seg.Kind == rib.ASSet {
			break
		}
		if seg.Kind == rib.ASSequence {
			first = seg.ASes[0]
		}
	}
	for range set.Prepend {
		if first == 0 {
			break
		}
		a.ASPath = append([]uint32{first}, a.ASPath...)
		a.ASPathLen++
		if segs := a.Rare.Segments; len(segs) > 0 && segs[0].Kind == rib.ASSequence {
			segs[0].ASes = append([]uint32{first}, segs[0].ASes...)
		} else {
			a.Rare.Segments = append([]rib.ASSegment{{Kind: rib.ASSequence, ASes: []uint32{first}}}, segs...)
		}
	}
	before := slices.Clone(a.Communities)
	a.Communities = plainCommunities(set.Communities, a.Communities)
	if !slices.Equal(before, a.Communities) {
		a.Stale = slices.Contains(a.Communities, rib.CommunityLLGRStale)
	}
	a.Large = plainCommunities(set.Large, a.Large)
	if to := set.Nexthop.Addr; to.IsValid() {
		only4 := len(r.When.Prefixes) > 0 && !slices.ContainsFunc(r.When.Prefixes, func(p Prefix) bool { return p.Prefix.Addr().Is6() })
		only4 = only4 || slices.Equal(slices.Compact(slices.Clone(r.When.Families)), []rib.Family{rib.IPv4}) || slices.Contains(r.Unless.Families, rib.IPv6)
		if to.Is4() == s.Prefix.Addr().Is4() || to.Is6() && only4 {
			a.Nexthop, a.LinkLocal = to, netip.Addr{}
		}
	}
	if set.Nexthop.Told != rib.NexthopUsual {
		out.told = set.Nexthop.Told
	}
	kept := a.KernelTerms()
	k := &kept
	a.Rare.Kernel = k
	k.Metric = cmp.Or(set.Metric, k.Metric)
	for f, src := range set.PrefSrc {
		if src.IsValid() {
			k.PrefSrc[f] = src
		}
	}
	if set.Weight > 0 {
		k.Weight, k.ByBandwidth = set.Weight, false
	}
	if i := slices.IndexFunc(a.Rare.Extended, func(e rib.ExtCommunity) bool { _, is := e.Bandwidth(); return is }); i >= 0 && set.WeightBandwidth {
		b, _ := a.Rare.Extended[i].Bandwidth()
		k.Weight, k.ByBandwidth = max(1, uint32(b*8/1e6)), true
	}
}

func plainCommunities[T comparable](c CommunityChanges[T], list []T) []T {
	var out []T
	if c.Replace {
		list = c.Set
	}
	for _, v := range list {
		if !slices.Contains(c.Remove, v) {
			out = append(out, v)
		}
	}
	for _, v := range c.Add {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// TestPoliciesJudgeAsTheyAreWritten holds random policies against the plain evaluator.
func TestPoliciesJudgeAsTheyAreWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	subjects := make([]rib.Subject, 400)
	for i := range subjects {
		subjects[i] = randomSubject(r, subjects[:i])
	}
	decided := map[int]int{}
	for range 1500 {
		d := randomPolicy(r)
		p := Compile(d)
		for range 40 {
			s := subjects[r.IntN(len(subjects))]
			want := plainly(d, s)
			decided[want.rule]++
			got := p.Judge(s, nil)
			by := fmt.Sprintf("the default of policy %q", d.Name)
			if want.rule >= 0 {
				by = fmt.Sprintf("policy %q, %s", d.Name, Title(want.rule, d.Rules[want.rule].Name))
			}
			if got.Rejected != want.rejected || got.By != by || got.Nexthop != want.told {
				t.Fatalf("%s\non %s (%+v, %+v): %+v, want %+v", d.Text(), s.Prefix, s.Attrs, s.Route, got, want)
			}
			if a := deepCopy(got.Attrs); !sameAttrs(&a, &want.attrs) {
				t.Fatalf("%s\non %s: it left\n%+v %+v %+v %+v\nwant\n%+v %+v %+v %+v", d.Text(), s.Prefix, a, *a.Via, *a.Tags, *a.Rare, want.attrs, *want.attrs.Via, *want.attrs.Tags, *want.attrs.Rare)
			}
		}
	}
	for _, rule := range []int{-1, 0, 1, 2} {
		if decided[rule] < 1000 {
			t.Errorf("the generator is a bad one: rule %d decided %d times", rule, decided[rule])
		}
	}
}

func sameAttrs(a, b *rib.Attrs) bool {
	slim := func(a *rib.Attrs) rib.Attrs { // empty lists are as good as none
		out := *a
		tags, rare, terms := *a.Tags, *a.Rare, a.KernelTerms()
		rare.Kernel = &terms
		for _, v := range []any{&tags.Communities, &tags.Large, &rare.Segments, &rare.Extended, &out.ASPath} {
			if l := reflect.ValueOf(v).Elem(); l.Len() == 0 {
				l.SetZero()
			}
		}
		out.Tags, out.Rare = &tags, &rare
		return out
	}
	return reflect.DeepEqual(slim(a), slim(b))
}
