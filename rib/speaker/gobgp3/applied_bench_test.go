package gobgp3

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// BenchmarkApplied is what the policies of neighbours cost for one route of one of them: 5
// statements each, with prefixes or without, that differ from neighbour to neighbour or not.
func BenchmarkApplied(b *testing.B) {
	for _, neighbors := range []int{0, 1, 10, 100} {
		for _, own := range []bool{true, false} {
			for _, prefixes := range []bool{true, false} {
				if neighbors < 2 && own || neighbors == 0 && prefixes {
					continue
				}
				b.Run(fmt.Sprintf("%d neighbours, policies of their own %v, prefixes %v", neighbors, own, prefixes), func(b *testing.B) {
					benchmarkApplied(b, neighbors, own, prefixes)
				})
			}
		}
	}
}

func benchmarkApplied(b *testing.B, neighbors int, own, prefixes bool) {
	by, route := appliedJudge(b, neighbors, own, prefixes)
	b.ReportAllocs()
	for b.Loop() {
		if applyPolicy(by, conf.GlobalTable, inwards, unsafe.Pointer(route), nil) == nil {
			b.Fatal("it is rejected")
		}
	}
}

// appliedJudge judges by policies of some neighbours, and route is one of the last of them.
func appliedJudge(b testing.TB, neighbors int, own, prefixes bool) (by unsafe.Pointer, route *bgpPath) {
	b.Helper()
	c := baseConf(nil, nil)
	var sets, definitions, list []any
	for i := range neighbors {
		policy := "p0"
		if own {
			policy = fmt.Sprintf("p%d", i)
		}
		n := neighborConf(fmt.Sprintf("10.0.0.%d", i+1), 65001, 179, "ipv4-unicast")
		n["apply-policy"] = obj{"config": obj{"import-policy-list": []string{policy}}}
		list = append(list, n)
		if i > 0 && !own {
			continue
		}
		var statements []any
		for j := range 5 {
			name := fmt.Sprintf("%s-%d", policy, j)
			conditions := obj{"bgp-conditions": obj{"as-path-length": obj{"operator": "ge", "value": 20}}}
			if prefixes {
				var all []any
				for k := range 20 {
					all = append(all, obj{"ip-prefix": fmt.Sprintf("172.%d.%d.0/24", j, k), "masklength-range": "24..32"})
				}
				sets = append(sets, obj{"prefix-set-name": name, "prefix-list": all})
				conditions = obj{"match-prefix-set": obj{"prefix-set": name}}
			}
			statements = append(statements, obj{"name": name, "conditions": conditions, "actions": obj{"route-disposition": "reject-route"}})
		}
		definitions = append(definitions, obj{"name": policy, "statements": statements})
	}
	c["neighbors"], c["defined-sets"], c["policy-definitions"] = list, obj{"prefix-sets": sets}, definitions
	read := readConf(b, c, rib.Extras{})
	by = judgeOf(b, oc.ConfigSetToRoutingPolicy(&read.Set), read.Set.Global.ApplyPolicy)
	return by, routeFrom(fmt.Sprintf("10.0.0.%d", max(1, neighbors)), "10.1.0.0", nil, nil)
}

// TestStatementsOfOthersAreCheap: a statement of another neighbour is passed over before its
// other conditions are looked at, for which GoBGP allocates.
func TestStatementsOfOthersAreCheap(t *testing.T) {
	by, route := appliedJudge(t, 50, true, true)
	allocs := testing.AllocsPerRun(100, func() {
		if applyPolicy(by, conf.GlobalTable, inwards, unsafe.Pointer(route), nil) == nil {
			t.Fatal("it is rejected")
		}
	})
	if few := 5 * 4.0; allocs > few { // of its own 5 statements
		t.Errorf("%v allocations a route, want at most %v", allocs, few)
	}
}
