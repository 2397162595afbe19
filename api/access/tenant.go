package access

import (
	"fmt"
	"slices"
	"strings"
)

// own are the fields of a VRF and of its neighbours that are its tenant's own.
var own = []string{
	"import.enabled", "import.interface_list", "import.communities", "import.large_communities",
	"export.enabled", "export.community", "export.community_list", "export.large_community_list",
	"bgp.aggregates", "policies", "description",
}

// ownPolicies are the fields that name policies, which are a tenant's own where they are called
// after its VRF: another one is a limit that an administrator set.
var ownPolicies = []string{"import.policy", "export.policy", "bgp.receive", "bgp.send", "import_policy_list", "export_policy_list"}

// OwnField says why who has the role of a VRF alone may not change a field from one value to
// another; nil: it may. Values are as encoding/json has them; nil: there is none.
func OwnField(vrf, field string, was, value any) error {
	switch {
	case field == "policies":
		return ownRules(value)
	case slices.Contains(own, field):
		return nil
	case !slices.Contains(ownPolicies, field):
		return fmt.Errorf("%s is not a tenant's own; it needs the role admin, or provision for a VRF that was made over the API", field)
	}
	for _, v := range []any{was, value} {
		for _, name := range namesOf(v) {
			if !strings.HasPrefix(name, vrf+"/") {
				return fmt.Errorf("%s names the policy %q, which is not a tenant's own; those are called %q and something", field, name, vrf+"/")
			}
		}
	}
	return nil
}

func namesOf(v any) (names []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			names = append(names, namesOf(item)...)
		}
	}
	return names
}

// ownRules refuses a rule that gives packets of this router an address: it could be another
// tenant's.
func ownRules(policies any) error {
	list, _ := policies.([]any)
	for i, p := range list {
		policy, _ := p.(map[string]any)
		rules, _ := policy["rules"].([]any)
		for j, r := range rules {
			if rule, _ := r.(map[string]any); rule["set_prefsrc"] != nil {
				return fmt.Errorf("policies[%d].rules[%d].set_prefsrc is not a tenant's own; it needs the role admin", i, j)
			}
		}
	}
	return nil
}
