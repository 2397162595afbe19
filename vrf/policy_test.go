package vrf

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// named is a policy of which only the name is asked.
type named struct {
	judge
	name string
}

type judge = rib.Judge

func (n named) Name() string { return n.name }

// TestPolicyUses: a policy is used wherever a key of a VRF names it, leaks among them.
func TestPolicyUses(t *testing.T) {
	t.Parallel()
	red := Spec{Name: "red", Leaks: []rib.LeakRule{{From: "blue", Policy: named{name: "all"}}, {From: "green"}}}
	red.Import.Policy, red.Export.Policy, red.Export.Receive = named{name: "all"}, named{name: "all"}, named{name: "in"}
	want := map[string][]PolicyUse{
		"all": {{VRF: "red", Place: "import.policy"}, {VRF: "red", Place: "export.policy"}, {VRF: "red", Place: "bgp.leaks"}},
		"in":  {{VRF: "red", Place: "bgp.receive"}},
	}
	if diff := cmp.Diff(want, PolicyUses([]Spec{red, {Name: "blue"}})); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}
