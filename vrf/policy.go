package vrf

import "github.com/vrfredist/vrfredist/rib"

// Policy is a policy of the configuration, as it is shown.
type Policy struct {
	Name  string
	Rules []PolicyRule // the last one is the default
	Uses  []PolicyUse
}

// PolicyRule is one rule of a policy, or its default.
type PolicyRule struct {
	Title      string   // "rule 2 (customers)"; "default"
	Conditions []string // as a configuration has them
	Changes    []string
	Action     string
	// Matched is how often it did, since the policy is in force: what is judged again counts
	// again.
	Matched uint64
}

// PolicyUse is where a policy is asked.
type PolicyUse struct {
	VRF   string // "": it is of none
	Place string // the key that names it: "export.policy", "bgp.leaks", "import-policy-list of neighbor 192.0.2.2"
	// Uncounted is why what is judged here is not counted; "": it is.
	Uncounted string
}

// JudgedByBGP is why what GoBGP judges is not counted: its conditions are its own, and none of them
// calls us.
const JudgedByBGP = "GoBGP judges here, by statements that the policy is written as, and counts nothing"

// PolicyUses are where some VRFs use policies, by the policy's name.
func PolicyUses(specs []Spec) map[string][]PolicyUse {
	all := make(map[string][]PolicyUse)
	for _, s := range specs {
		use := func(place string, j rib.Judge) {
			if j != nil {
				all[j.Name()] = append(all[j.Name()], PolicyUse{VRF: s.Name, Place: place})
			}
		}
		use("import.policy", s.Import.Policy)
		use("export.policy", s.Export.Policy)
		use("bgp.receive", s.Export.Receive)
		for _, l := range s.Leaks {
			use("bgp.leaks", l.Policy)
		}
	}
	return all
}
