package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// inDefault is a file that imports into default, with some lines more.
func inDefault(importing, export string) string {
	text := "[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n[[netlink.vrfs]]\nname = \"default\"\n[netlink.vrfs.import]\nenabled = true\n" + importing
	if export != "" {
		text += "[netlink.vrfs.export]\n" + export
	}
	return text
}

// TestImportKeys: addresses, kinds and tables, in the file's order.
func TestImportKeys(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(inDefault("interface_list = [\"*\"]\naddresses = true\nkinds = [\"unicast\", \"blackhole\"]\ntables = [200, 100]\n", "")), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	p := c.VRFs[0].Import
	if !p.Addresses || !slices.Equal(p.Kinds, []rib.Kind{rib.KindUnicast, rib.KindBlackhole}) || !slices.Equal(p.Tables, []uint32{200, 100}) {
		t.Errorf("read as %+v", p)
	}
	for lines, want := range map[string]string{
		"kinds = [\"blackhole\"]\n":                             "", // which has no interface
		"kinds = [\"blackhole\"]\naddresses = true\n":           "interface_list: is empty",
		"interface_list = [\"*\"]\nkinds = [\"local\"]\n":       `f.toml:9: netlink.vrfs[0].import.kinds[0]: "local" is not a kind of route that can be imported`,
		"interface_list = [\"*\"]\ntables = [255]\n":            "write addresses = true",
		"interface_list = [\"*\"]\ntables = [254]\n":            "has 254, which is the VRF's own table",
		"interface_list = [\"*\"]\ntables = [100, 200, 100]\n":  "has 100 twice",
		"interface_list = [\"*\"]\ntables = [100]\ntable = 5\n": "table",
	} {
		_, err := Parse("f.toml", []byte(inDefault(lines, "")), fakeBGP())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", lines, err, want)
		}
	}
}

// TestDefaultRouteInAndOut: a neighbour's default route can take the place of the one that is
// announced, which the file's writer is told.
func TestDefaultRouteInAndOut(t *testing.T) {
	t.Parallel()
	both := "interface_list = [\"*\"]\nallow_default = true\n"
	for name, tc := range map[string]struct {
		importing, export string
		noted             bool
	}{
		"all paths":       {both, "enabled = true\n", true},
		"some":            {both, "enabled = true\ncommunity = \"65000:1\"\n", false},
		"no export":       {both, "", false},
		"export is off":   {both, "enabled = false\n", false},
		"no default here": {"interface_list = [\"*\"]\n", "enabled = true\n", false},
	} {
		c, err := Parse("f.toml", []byte(inDefault(tc.importing, tc.export)), fakeBGP())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		is := slices.ContainsFunc(c.Notes, func(n Error) bool {
			return strings.Contains(n.Error(), "f.toml:9: netlink.vrfs[0].import.allow_default: announces the table's default route")
		})
		if is != tc.noted {
			t.Errorf("%s: noted %v: %v", name, is, c.Notes)
		}
	}
}
