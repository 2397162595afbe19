package gobgp3

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// judgeOf has GoBGP judge by policies, and by lists of their names.
func judgeOf(t testing.TB, policies *oc.RoutingPolicy, lists oc.ApplyPolicy) unsafe.Pointer {
	t.Helper()
	r, err := conf.MakePolicies(quiet{}, policies, map[string]oc.ApplyPolicy{conf.GlobalTable: lists})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// routeFrom is a route of a neighbour.
func routeFrom(addr string, prefix string, communities []uint32, large []*bgp.LargeCommunity) *bgpPath {
	from := &bgpPeer{AS: 65001, Address: net.ParseIP(addr).To4()}
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeNextHop("192.0.2.7"), bgp.NewPathAttributeMultiExitDisc(7)}
	if len(communities) > 0 {
		attrs = append(attrs, bgp.NewPathAttributeCommunities(communities))
	}
	if len(large) > 0 {
		attrs = append(attrs, bgp.NewPathAttributeLargeCommunities(large))
	}
	return (*bgpPath)(newTablePath(unsafe.Pointer(from), bgp.NewIPAddrPrefix(24, prefix), false, attrs, time.Unix(0, 0), false))
}

// judged is what becomes of a route; "": it is rejected.
func judged(p *bgpPath) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	for _, a := range pathAttributes(p) {
		raw, err := a.Serialize()
		fmt.Fprintf(&b, "%s %x %v\n", a.GetType(), raw, err)
	}
	return b.String()
}

func apply(by unsafe.Pointer, way int, p *bgpPath) *bgpPath {
	return (*bgpPath)(applyPolicy(by, conf.GlobalTable, way, unsafe.Pointer(p), nil))
}

// policyMaker makes policies at random.
type policyMaker struct{ *rand.Rand }

func (m policyMaker) one(of ...string) string { return of[m.IntN(len(of))] }

func (m policyMaker) statement(name string) obj {
	conditions, general, actions := obj{}, obj{}, obj{}
	some := func(n int) bool { return m.IntN(n) == 0 }
	if some(2) {
		general["match-prefix-set"] = obj{"prefix-set": m.one("p1", "p2"), "match-set-options": m.one("any", "invert")}
	}
	if some(3) {
		general["match-neighbor-set"] = obj{"neighbor-set": m.one("n1", "n2", "n3"), "match-set-options": m.one("any", "invert")}
	}
	if some(3) {
		conditions["match-community-set"] = obj{"community-set": m.one("c1", "c2"), "match-set-options": m.one("any", "all", "invert")}
	}
	if some(5) {
		conditions["match-large-community-set"] = obj{"large-community-set": m.one("l1", "l2"), "match-set-options": m.one("any", "all", "invert")}
	}
	if some(8) {
		conditions["community-count"] = obj{"operator": m.one("ge", "le", "eq"), "value": m.IntN(3)}
	}
	if some(3) {
		actions["set-community"] = obj{"options": m.one("add", "remove", "replace"), "set-community-method": obj{"communities-list": []string{m.one("65001:1", "65001:2")}}}
	}
	if some(4) {
		actions["set-large-community"] = obj{"options": m.one("add", "remove", "replace"), "set-large-community-method": obj{"communities-list": []string{m.one("65001:1:1", "65001:2:2")}}}
	}
	if some(3) {
		actions["set-med"] = m.one("+10", "3")
	}
	if some(5) {
		actions["set-as-path-prepend"] = obj{"as": "65000", "repeat-n": 1}
	}
	general["bgp-conditions"] = conditions
	return obj{"name": name, "conditions": general, "actions": obj{"bgp-actions": actions, "route-disposition": m.one("none", "accept-route", "reject-route", "accept-route")}}
}

var policyNames = []string{"A", "B", "C", "D"}

// applied is a section apply-policy.
func (m policyMaker) applied() obj {
	list := func() (names []string) {
		for _, i := range m.Perm(len(policyNames))[:m.IntN(3)] {
			names = append(names, policyNames[i])
		}
		return names
	}
	return obj{"config": obj{
		"import-policy-list": list(), "default-import-policy": m.one("accept-route", "reject-route"),
		"export-policy-list": list(), "default-export-policy": m.one("accept-route", "reject-route", "accept-route"),
	}}
}

// file is a configuration with policies of each kind of neighbour.
func (m policyMaker) file() obj {
	c := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, nil)
	neighbor := func(addr string, more obj) obj {
		n := neighborConf(addr, 65001, 179, "ipv4-unicast")
		n["apply-policy"] = m.applied()
		for k, v := range more {
			n[k] = v
		}
		return n
	}
	c["neighbors"] = []any{
		neighbor("127.0.0.2", nil), neighbor("127.0.0.3", nil), inVRF(neighbor("127.0.0.4", nil), "red"), neighbor("10.0.0.7", nil),
		neighborConf("127.0.0.9", 65001, 179, "ipv4-unicast"),
	}
	group := func(name string) obj {
		g := neighbor("", nil)
		g["config"] = obj{"peer-group-name": name, "peer-as": 65001}
		return g
	}
	c["peer-groups"] = []any{group("g"), group("h")}
	c["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "10.0.0.0/8", "peer-group": "g"}}, obj{"config": obj{"prefix": "10.0.1.0/24", "peer-group": "h"}}}
	prefixes := func(name string, list ...string) obj {
		var all []any
		for _, p := range list {
			all = append(all, obj{"ip-prefix": p, "masklength-range": "8..32"})
		}
		return obj{"prefix-set-name": name, "prefix-list": all}
	}
	c["defined-sets"] = obj{
		"prefix-sets": []any{prefixes("p1", "10.1.0.0/16"), prefixes("p2", "10.1.0.0/16", "10.2.0.0/16")},
		"neighbor-sets": []any{
			obj{"neighbor-set-name": "n1", "neighbor-info-list": []string{"127.0.0.2", "10.0.0.0/16"}},
			obj{"neighbor-set-name": "n2", "neighbor-info-list": []string{"127.0.0.0/8"}},
			obj{"neighbor-set-name": "n3", "neighbor-info-list": []string{"10.0.0.8", "10.0.1.0/25", "127.0.0.4"}},
		},
		"bgp-defined-sets": obj{
			"community-sets":       []any{obj{"community-set-name": "c1", "community-list": []string{"65001:1"}}, obj{"community-set-name": "c2", "community-list": []string{"65001:1", "65001:2"}}},
			"large-community-sets": []any{obj{"large-community-set-name": "l1", "large-community-list": []string{"65001:1:1"}}, obj{"large-community-set-name": "l2", "large-community-list": []string{"65001:1:1", "65001:2:2"}}},
		},
	}
	var policies []any
	for _, name := range policyNames {
		var list []any
		for i := range m.IntN(4) {
			list = append(list, m.statement(fmt.Sprintf("%s%d", name, i)))
		}
		policies = append(policies, obj{"name": name, "statements": list})
	}
	c["policy-definitions"] = policies
	c["global"].(obj)["apply-policy"] = m.applied()
	if m.IntN(3) == 0 { // what the global ones have to say is often nothing
		c["global"].(obj)["apply-policy"] = obj{"config": obj{}}
	}
	return c
}

// route is a route at random, that came with what marks a decided one, where that is asked
// for, as often as not.
func (m policyMaker) route(from string) func(marked bool) *bgpPath {
	prefix := m.one("10.1.0.0", "10.2.3.0", "10.3.0.0")
	var communities []uint32
	for _, c := range []uint32{65001<<16 | 1, 65001<<16 | 2} {
		if m.IntN(2) == 0 {
			communities = append(communities, c)
		}
	}
	var large []*bgp.LargeCommunity
	for _, c := range []uint32{1, 2} {
		if m.IntN(2) == 0 {
			large = append(large, bgp.NewLargeCommunity(65001, c, c))
		}
	}
	plain, wide := m.IntN(2) == 0, m.IntN(2) == 0
	return func(marked bool) *bgpPath {
		communities, large := slices.Clone(communities), slices.Clone(large)
		if marked && plain {
			communities = append(communities, 65535<<16|44975)
		}
		if marked && wide {
			large = append(large, bgp.NewLargeCommunity(4294967295, 179, 179))
		}
		return routeFrom(from, prefix, communities, large)
	}
}

// applyPolicyOf are the policies of a neighbour in a file that was read.
func applyPolicyOf(c *conf.Config, addr string) oc.ApplyPolicy {
	for _, n := range c.Set.Neighbors {
		if n.State.NeighborAddress == addr {
			return n.ApplyPolicy
		}
	}
	group := "g"
	if strings.HasPrefix(addr, "10.0.1.") {
		group = "h"
	}
	return c.Groups()[group].ApplyPolicy
}

// TestAppliedAtRandom: what GoBGP makes of a route by the policies that are written for it
// is what it makes of it by the neighbour's policies, its default, and then the global
// policies, one after the other. A route that came with a mark of ours is judged as one
// without, and loses it where that is in use.
func TestAppliedAtRandom(t *testing.T) {
	undecided, files, compared, passed := 0, 0, 0, 0
	for seed := range uint64(300) {
		m := policyMaker{rand.New(rand.NewPCG(seed, 14))}
		file := toJSON(t, m.file())
		c, err := conf.Read(file, rib.Extras{}, nil)
		if err != nil {
			if !strings.Contains(err.Error(), "cannot be told from what they have not decided yet") {
				t.Fatalf("seed %d: %v\n%s", seed, err, file)
			}
			if conf.Check(file) == nil {
				t.Fatalf("seed %d: check finds nothing", seed)
			}
			undecided++
			continue
		}
		files++
		if err := conf.Check(file); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		own := conf.WithoutRules(c.Set)
		whole := judgeOf(t, oc.ConfigSetToRoutingPolicy(&c.Set), c.Set.Global.ApplyPolicy)
		global := judgeOf(t, oc.ConfigSetToRoutingPolicy(&own), own.Global.ApplyPolicy)
		for _, from := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9", "10.0.0.7", "10.0.0.8", "10.0.1.9", "10.0.1.200", "10.9.9.9"} {
			theirs := judgeOf(t, oc.ConfigSetToRoutingPolicy(&own), applyPolicyOf(c, from))
			for range 6 {
				route := m.route(from)
				for _, way := range []int{inwards, outwards} {
					var want [2]string
					for i, marked := range []bool{false, true} {
						p := apply(theirs, way, route(marked))
						if p != nil {
							p = apply(global, way, p)
						}
						want[i] = withoutMark(p)
					}
					got, ofMarked := judged(apply(whole, way, route(false))), withoutMark(apply(whole, way, route(true)))
					if compared++; got != "" {
						passed++
					}
					// A mark that came may have been taken off, or not, before the policies.
					if got != want[0] || !slices.Contains(want[:], ofMarked) {
						t.Fatalf("seed %d, way %d, from %s, route\n%s\nis\n%s\nmarked\n%s\nwant\n%s\n%s", seed, way, from, judged(route(true)), got, ofMarked, want, file)
					}
				}
			}
		}
	}
	t.Logf("%d files, %d that cannot be written; %d judgements, %d routes passed", files, undecided, compared, passed)
	if files < undecided*3 || passed < compared/10 || passed > compared*9/10 {
		t.Error("the files are not worth it")
	}
}

// withoutMark is judged but for the marks, of which a route that came with one may have
// kept it where nothing was to be told by it.
func withoutMark(p *bgpPath) string {
	if p == nil {
		return ""
	}
	p = pathClone(p, false)
	var kept []bgp.PathAttributeInterface
	for _, a := range pathAttributes(p) {
		switch a := a.(type) {
		case *bgp.PathAttributeCommunities:
			list := slices.DeleteFunc(slices.Clone(a.Value), func(v uint32) bool { return v == 65535<<16|44975 })
			if len(list) > 0 {
				kept = append(kept, bgp.NewPathAttributeCommunities(list))
			}
		case *bgp.PathAttributeLargeCommunities:
			list := slices.DeleteFunc(slices.Clone(a.Values), func(v *bgp.LargeCommunity) bool { return v.ASN == 4294967295 })
			if len(list) > 0 {
				kept = append(kept, bgp.NewPathAttributeLargeCommunities(list))
			}
		default:
			kept = append(kept, a)
		}
	}
	var b strings.Builder
	for _, a := range kept {
		raw, err := a.Serialize()
		fmt.Fprintf(&b, "%s %x %v\n", a.GetType(), raw, err)
	}
	return b.String()
}
