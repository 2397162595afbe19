package config

import (
	"strings"
	"testing"
)

// TestNotesOfChangedDefaults: each is noted once, at the first neighbour whom it may
// concern, and not where its key is written.
func TestNotesOfChangedDefaults(t *testing.T) {
	t.Parallel()
	const head = "[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n[[vrfs]]\n[vrfs.config]\nname = \"red\"\nrd = \"65000:1\"\n"
	const group = "[[peer-groups]]\n[peer-groups.config]\npeer-group-name = \"g\"\npeer-as = 65001\naccept_route_targets = []\nenforce_first_as = true\naccept_martians = []\nfast_failover = true\n"
	neighbor := func(lines ...string) string {
		return "[[neighbors]]\n[neighbors.config]\n" + strings.Join(lines, "\n") + "\n"
	}
	for name, tc := range map[string]struct {
		text string
		want []string // parts of the notes, in the order of their lines
	}{
		"nobody":           {"", nil},
		"iBGP":             {neighbor(`neighbor-address = "192.0.2.2"`, "peer-as = 65000"), nil},
		"eBGP":             {neighbor(`neighbor-address = "192.0.2.2"`, "peer-as = 65001"), []string{"f.toml:11: neighbors[0].config.peer-as: a path", "f.toml:11: neighbors[0].config.peer-as: its LOCAL_PREF", "f.toml:11: neighbors[0].config.peer-as: its session ends with the carrier"}},
		"a customer":       {neighbor(`neighbor-address = "192.0.2.2"`, "peer-as = 65000", `vrf = "red"`), []string{"f.toml:12: neighbors[0].config.vrf: route targets"}},
		"its keys written": {neighbor(`neighbor-address = "192.0.2.2"`, "peer-as = 65001", `vrf = "red"`, "accept_route_targets = []", "enforce_first_as = false", "accept_martians = []", "fast_failover = false"), nil},
		"in its group":     {group + neighbor(`neighbor-address = "192.0.2.2"`, `vrf = "red"`, `peer-group = "g"`), nil},
		"two of a kind": {neighbor(`neighbor-address = "192.0.2.2"`, "peer-as = 65000", `vrf = "red"`) + neighbor(`neighbor-address = "192.0.2.3"`, "peer-as = 65000", `vrf = "red"`),
			[]string{"f.toml:12: neighbors[0].config.vrf: route targets"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Parse("f.toml", []byte(head+tc.text), sessionsBGP())
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Changed) != len(tc.want) {
				t.Fatalf("%d notes, want %d:\n%v", len(c.Changed), len(tc.want), c.Changed)
			}
			for i, n := range c.Changed {
				if !strings.Contains(n.Error(), tc.want[i]) {
					t.Errorf("note %q, want %q", n.Error(), tc.want[i])
				}
			}
		})
	}
}

// TestInterfaceOfANeighbour: one that waits for an interface that there cannot be is an
// error, not a neighbour that waits.
func TestInterfaceOfANeighbour(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"e/9": "is not an interface name", "averylonginterface": "at most 15", "eth9": ""} {
		text := "[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n[[neighbors]]\n[neighbors.config]\nneighbor-interface = \"" + name + "\"\npeer-as = 65000\n"
		_, err := Parse("f.toml", []byte(text), termsBGP())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.toml:6: ")) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
