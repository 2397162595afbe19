package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestErrorsOfTOML(t *testing.T) {
	testErrors(t, []errorCase{
		{"no TOML", head + "[netlink\nmetric = 5", []string{":11: is not TOML: expected ']' to close table name"}},
		{"no TOML before what is needed", "[netlink\nmetric = 0\n[global.config]\nas = 0", []string{":1: is not TOML: expected ']' to close table name"}},
		{"no TOML after another error", "[global.config]\nas = 0\nrouter-id", []string{":3: is not TOML: expected '=' after key"}},
		{"no TOML, a number", inNetlink("metric = 020"), []string{":12: is not TOML: integers cannot have leading zeroes"}},
		{"no number", inNetlink("metric = nan"), []string{":12: netlink.metric: nan is not a number that can be used; write a finite one"}},

		{"all at once", "[global.config]\nas = 0\n[netlink]\nmetric = 0\nmetrik = 1\n[[netlink.vrfs]]\nname = \"z\"\ntable = 255", []string{
			":1: global.config.router-id: is missing; write an IPv4 address of this router",
			":2: global.config.as: AS 0 is reserved; write the AS number you were given, or a private one such as 64512",
			":4: netlink.metric: 0 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295",
			":5: netlink.metrik: unknown key; did you mean metric?",
			`:7: netlink.vrfs[0].name: there is no VRF "z"; add it under [[vrfs]]`,
			":8: netlink.vrfs[0].table: 255 is reserved for the local table; write a table from 1 to 252 or above 255",
		}},
	})
}

func TestErrorsOfYAMLAndJSON(t *testing.T) {
	const yamlHead = "global: {config: {as: 65000, router-id: 192.0.2.1}}\n"
	const jsonHead = "{\"global\": {\"config\": {\"as\": 65000, \"router-id\": \"192.0.2.1\"}},\n"
	tests := []struct {
		name, file, data string
		want             []string
	}{
		{"repeated key", "f.yaml", yamlHead + "netlink:\n  metric: 5\n  metric: 6\n", []string{":4: netlink.metric: is given twice, first on line 3; remove one"}},
		{"unknown key", "f.yml", yamlHead + "netlink:\n  vrfs:\n  - name: default\n    tabel: 5\n", []string{":5: netlink.vrfs[0].tabel: unknown key; did you mean table?"}},
		{"no value", "f.yaml", yamlHead + "netlink:\n  metric:\n", []string{":3: netlink.metric: has no value; write one, or remove the key"}},
		{"list item", "f.yaml", yamlHead + "netlink:\n  export:\n    enabled: true\n    community-list:\n    - no-export\n    - 1:2:3:4\n",
			[]string{`:7: netlink.export.community-list[1]: community "1:2:3:4": it has more than two parts; write AS:NUMBER, as in 65001:100`}},
		{"a boolean of YAML 1.1", "f.yaml", yamlHead + "netlink:\n  export:\n    enabled: yes\n",
			[]string{`:4: netlink.export.enabled: "yes" is neither true nor false; write one of them, without quotes`}},
		{"no YAML", "f.yaml", yamlHead + "netlink: [\n", []string{":2: is not YAML: did not find expected node content"}},
		{"a tag", "f.yaml", yamlHead + "netlink:\n  metric: !x 5\n", []string{":3: netlink.metric: has the tag !x; remove the tag"}},
		{"two documents", "f.yaml", yamlHead + "---\nnetlink: {}\n", []string{":2: is a second YAML document; write one file with one document"}},
		{"a list", "f.yaml", "- a\n", []string{":1: is a list; write a configuration with sections, such as global"}},
		{"an alias within itself", "f.yaml", yamlHead + "netlink: &x\n  api: *x\n", nil},
		{"aliases that multiply", "f.yaml", yamlHead + "vrfs: &a\n- &b {x: [1,2,3,4,5,6,7,8,9]}\n" + laughs(), nil},

		{"repeated key", "f.json", jsonHead + "\"netlink\": {\"metric\": 5,\n\"on_exit\": \"keep\",\n\"metric\": 6}}",
			[]string{":4: netlink.metric: is given twice, first on line 2; remove one"}},
		{"unknown key", "f.json", jsonHead + "\"netlink\": {\n\"vrfs\": [\n{\"name\": \"default\", \"tabel\": 5}]}}",
			[]string{":4: netlink.vrfs[0].tabel: unknown key; did you mean table?"}},
		{"YAML of that name is read as YAML", "f.json", "global: 5\n", []string{":1: global: is 5; write a section with keys of its own"}},
		{"neither", "f.json", "global\n", []string{":1: is not JSON: invalid character 'g' looking for beginning of value"}},
		{"a comma too many", "f.json", jsonHead + "\"netlink\": {\"metric\": 5,}}", []string{":2: is not JSON: invalid character '}' looking for beginning of object key string"}},
		{"something behind", "f.json", jsonHead + "\"netlink\": {}}\nx", []string{":3: is not JSON: something follows the end of the configuration"}},
		{"the end missing", "f.json", jsonHead + "\"netlink\": {\n", []string{":3: is not JSON: it ends too early"}},
		{"a list", "f.json", "[]", []string{`:1: is a list; write an object with sections, such as "global"`}},
		{"too deep", "f.json", strings.Repeat("[", 1_000_000), []string{":1: " + strings.Repeat("[0]", 65) + ": nests more than 64 deep; nothing here does"}},
		{"null", "f.json", jsonHead + "\"netlink\": {\"metric\": null}}", []string{":2: netlink.metric: has no value; write one, or remove the key"}},
		{"a number too large", "f.json", jsonHead + "\"netlink\": {\"metric\": 1e999}}",
			[]string{":2: netlink.metric: 1e999 is not a number that can be used; write a finite one"}},
		{"a whole number too large", "f.json", jsonHead + "\"netlink\": {\"metric\": 99999999999999999999}}",
			[]string{":2: netlink.metric: 99999999999999999999 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295"}},
	}
	for _, test := range tests {
		t.Run(test.file+" "+test.name, func(t *testing.T) {
			_, err := Parse(test.file, []byte(test.data), fakeBGP())
			got := messages(t, err, test.file)
			if test.want == nil { // what matters is that it ends, and is refused once
				if n := strings.Count(err.Error(), "or its aliases repeat too much; write it out"); n != 1 {
					t.Errorf("the aliases are refused %d times:\n%.2000v", n, err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// laughs is a document that becomes 9^12 nodes by its aliases.
func laughs() string {
	s := "l0: &l0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		s += fmt.Sprintf("l%d: &l%d [%s*l%d]\n", i, i, strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 8), i-1)
	}
	return s
}

func TestErrorsByValue(t *testing.T) {
	_, err := Parse("f.toml", []byte("[global.config]\n"), fakeBGP())
	var list Errors
	if !errors.As(err, &list) || len(list) != 2 {
		t.Errorf("errors.As into a value found %d errors, want 2", len(list))
	}
}

func TestCheckOfGoBGP(t *testing.T) {
	data := head + "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"192.0.2.2\"\npeer_as = 5\ndescription = 7\n[netlink]\nmetrik = 5\n"
	bgp := fakeBGP()
	bgp.Check = func(conf []byte) error {
		if strings.Contains(string(conf), "netlink") || !strings.Contains(string(conf), `"peer-as":5`) {
			t.Errorf("Check was given %s", conf)
		}
		return errors.Join(
			errors.New("neighbors[0].config.description: expected a string"),
			fmt.Errorf("decoding: %w", errors.New("cannot parse 'neighbors[0].config.peer-as' as uint")),
			errors.New("neighbors[0].timers.config.hold-time: must be 3 or more"),
			errors.New("it does not like it"),
		)
	}
	_, err := Parse("f.toml", []byte(data), bgp)
	want := []string{
		": GoBGP refuses it: it does not like it",
		":11: neighbors[0].timers.config.hold-time: must be 3 or more",
		":14: neighbors[0].config.peer-as: GoBGP refuses it: decoding: cannot parse 'neighbors[0].config.peer-as' as uint",
		":15: neighbors[0].config.description: expected a string",
		":17: netlink.metrik: unknown key; did you mean metric?",
	}
	if diff := cmp.Diff(want, messages(t, err, "f.toml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.toml")
	secret := head + "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"192.0.2.2\"\nauth-password = \"hush\"\n"
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		mode os.FileMode
		want []string
	}{
		{0o600, nil},
		{0o640, nil},
		{0o644, []string{":14: neighbors[0].config.auth-password: every user can read this file (mode 0644), and it holds a secret; run: chmod 0640 " + path}},
	} {
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, fakeBGP())
		if diff := cmp.Diff(test.want, messages(t, err, path)); diff != "" {
			t.Errorf("mode %o (-want +got):\n%s", test.mode, diff)
		}
	}

	absent := filepath.Join(t.TempDir(), "absent.toml")
	_, err := Load(absent, fakeBGP())
	want := []string{": cannot be read: no such file or directory; give the path of a configuration file that this user may read"}
	if diff := cmp.Diff(want, messages(t, err, absent)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
