package config

import (
	"slices"
	"strings"
	"testing"
)

// TestVRFsWithoutImportTargets: a VRF with neighbours whose routes do not get into its table is
// noted once, at the first of them; one without neighbours, or with targets, is not.
func TestVRFsWithoutImportTargets(t *testing.T) {
	t.Parallel()
	neighbor := func(addr, vrf string) string {
		return "[[neighbors]]\nconfig = {neighbor-address = \"" + addr + "\", peer-as = 65001, vrf = \"" + vrf + "\"}\n"
	}
	for name, tc := range map[string]struct {
		text string
		deaf []string
		line int
	}{
		"no neighbours":  {head, nil, 0},
		"two neighbours": {head + neighbor("192.0.2.2", "a") + neighbor("192.0.2.3", "a"), []string{"a"}, 12},
		"export targets": {strings.Replace(head, `rd = "65000:1"`, `rd = "65000:1"`+"\nexport-rt-list = [\"65000:1\"]", 1) + neighbor("192.0.2.2", "a"), []string{"a"}, 13},
		"import targets": {strings.Replace(head, `rd = "65000:1"`, `rd = "65000:1"`+"\nimport-rt-list = [\"65000:1\"]", 1) + neighbor("192.0.2.2", "a"), nil, 0},
		"both targets":   {strings.Replace(head, `rd = "65000:1"`, `rd = "65000:1"`+"\nboth-rt-list = [\"65000:1\"]", 1) + neighbor("192.0.2.2", "a"), nil, 0},
		"of two VRFs":    {head + neighbor("192.0.2.2", "b") + neighbor("192.0.2.3", "a"), []string{"a", "b"}, 12},
		"in none":        {head + "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001}\n", nil, 0},
	} {
		c, err := Parse("f.toml", []byte(tc.text), fakeBGP())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var noted []Error
		for _, n := range c.Notes {
			if strings.Contains(n.Message, "has no import route targets") {
				noted = append(noted, n)
			}
		}
		if !slices.Equal(c.Deaf, tc.deaf) || len(noted) != len(tc.deaf) || len(noted) > 0 && noted[0].Line != tc.line {
			t.Errorf("%s: %q, noted %v", name, c.Deaf, noted)
		}
	}
}
