package conf

import "testing"

func TestSchema(t *testing.T) {
	s := Schema()
	for _, section := range []string{"global", "neighbors", "peer-groups", "vrfs", "defined-sets", "policy-definitions", "dynamic-neighbors", "zebra"} {
		if s[section] == nil {
			t.Errorf("no section %q", section)
		}
	}
	neighbor := s["neighbors"].([]any)[0].(map[string]any)
	config := neighbor["config"].(map[string]any)
	if v, ok := config["peer-group"]; !ok || v != nil {
		t.Errorf("neighbors.config.peer-group is %v, %v: want a value's nil", v, ok)
	}
	family := neighbor["afi-safis"].([]any)[0].(map[string]any)
	if _, ok := family["config"].(map[string]any)["afi-safi-name"]; !ok {
		t.Error("no key neighbors.afi-safis.config.afi-safi-name")
	}
	if v, ok := s["vrfs"].([]any)[0].(map[string]any)["config"].(map[string]any)["import-rt-list"]; !ok || v != nil {
		t.Errorf("vrfs.config.import-rt-list is %v, %v: want a value's nil", v, ok)
	}
}
