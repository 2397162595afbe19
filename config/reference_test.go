package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/vrfredist/vrfredist/integration/pki"
)

// documented is a row of a table of docs/CONFIGURATION.md.
type documented struct {
	key, byDefault, values string
}

var (
	sectionHeading = regexp.MustCompile("^##+ `\\[+([a-z0-9.-]+)\\]+`$")
	keyRow         = regexp.MustCompile("^\\| `([a-z_0-9]+)` \\| ([^|]*) \\| ([^|]*) \\|")
	literals       = regexp.MustCompile("`([^`]+)`")
	span           = regexp.MustCompile("^`([^`]+)` to `([^`]+)`")
)

// readReference returns the rows of each section that the page has.
func readReference(t *testing.T) map[string][]documented {
	t.Helper()
	page, err := os.ReadFile("../docs/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]documented)
	section := ""
	for _, line := range strings.Split(string(page), "\n") {
		if strings.HasPrefix(line, "#") {
			section = ""
		}
		if m := sectionHeading.FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		if m := keyRow.FindStringSubmatch(line); m != nil && section != "" {
			all[section] = append(all[section], documented{m[1], strings.TrimSpace(m[2]), m[3]})
		}
	}
	return all
}

// keysOf returns the keys that have values, by section.
func keysOf(s schema, at string, into map[string][]string) {
	for name, sub := range s {
		switch sub := sub.(type) {
		case schema:
			keysOf(sub, join(at, name), into)
		case []any:
			keysOf(sub[0].(schema), join(at, name), into)
		default:
			into[at] = append(into[at], snake(name))
		}
	}
}

// ours are the sections and keys that GoBGP does not have.
func ours() map[string][]string {
	all := make(map[string][]string)
	keysOf(netlinkSchema(), "netlink", all)
	for section := range all { // a template has those of a VRF, for which they are told
		if of, is := strings.CutPrefix(section, "netlink.templates."); is && of != "neighbors" {
			delete(all, section)
		}
	}
	all["netlink.templates"] = slices.DeleteFunc(all["netlink.templates"], func(key string) bool { return carriageKeys[canonical(key)] != nil })
	bare := make(map[string][]string)
	keysOf(fakeBGP().Schema, "", bare)
	with := make(map[string][]string)
	keysOf(withTenantKeys(withPeerKeys(fakeBGP().Schema)), "", with)
	for section, keys := range with {
		more := slices.DeleteFunc(keys, func(k string) bool { return slices.Contains(bare[section], k) })
		if len(more) > 0 {
			all[section] = more
		}
	}
	return all
}

// A template has every key of a VRF, so that what is told of one holds for the other.
func TestATemplateHasTheKeysOfAVRF(t *testing.T) {
	t.Parallel()
	all := make(map[string][]string)
	keysOf(netlinkSchema(), "netlink", all)
	for section, keys := range all {
		of, is := strings.CutPrefix(section, "netlink.vrfs")
		for _, key := range keys {
			if is && !slices.Contains(all["netlink.templates"+of], key) {
				t.Errorf("[netlink.templates%s] lacks the key %s", of, key)
			}
		}
	}
}

// docs/CONFIGURATION.md has every key, and no other.
func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	page := readReference(t)
	for section, keys := range ours() {
		var said []string
		for _, d := range page[section] {
			said = append(said, d.key)
		}
		for _, key := range keys {
			if !slices.Contains(said, key) {
				t.Errorf("docs/CONFIGURATION.md lacks the key %s of [%s]: add a row `| key | default | values | meaning |` below the heading of the section", key, section)
			}
		}
		for i, key := range said {
			if !slices.Contains(keys, key) {
				t.Errorf("docs/CONFIGURATION.md has the key %s of [%s], which there is not", key, section)
			}
			if slices.Contains(said[:i], key) {
				t.Errorf("docs/CONFIGURATION.md has the key %s of [%s] twice", key, section)
			}
		}
	}
	for section := range page {
		if _, ok := ours()[section]; !ok {
			t.Errorf("docs/CONFIGURATION.md has the section [%s], which has no keys of ours", section)
		}
	}
}

// examples/reference has every key of [netlink] too, be it in a comment, but for
// the short form and gobgp-netlink's.
func TestReferenceExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../examples/reference/vrfredist.toml")
	if err != nil {
		t.Fatal(err)
	}
	for section, keys := range ours() {
		if section == "netlink.import" || strings.HasPrefix(section, "netlink.export") || !strings.HasPrefix(section, "netlink") {
			continue
		}
		for _, key := range keys {
			if !regexp.MustCompile(`(?m)^[# ]*` + key + ` = `).Match(example) {
				t.Errorf("examples/reference/vrfredist.toml lacks the key %s of [%s]: add it, in a comment where it does not go with the rest", key, section)
			}
		}
	}
}

// referenceFiles are the least files that have each section: [netlink], the
// VRF's own part, and the neighbour's.
var referenceFiles = map[string]string{
	"netlink":                `{"netlink": {}}`,
	"netlink.policies":       `{"netlink": {"policies": [{"name": "to-kernel", "default": "accept", "rules": [{"action": "accept"}]}]}}`,
	"netlink.policies.rules": `{"netlink": {"policies": [{"name": "to-kernel", "default": "accept", "rules": [{"action": "accept"}]}]}}`,
	"netlink.core":           `{"netlink": {"core": {}}}`,
	"netlink.vxlan":          `{"netlink": {"vxlan": {}}}`,
	"netlink.mpls":           `{"netlink": {"mpls": {}}}`,
	"netlink.srv6":           `{"netlink": {"srv6": {"locator": "fd00:1:0:1::/64"}}}`,
	"netlink.vrfs": `{"netlink": {"manage_devices": true, "core": {"source": "10.255.0.1", "source6": "fd00:255::1"}, "srv6": {"locator": "fd00:1:0:1::/64"},
		"vrfs": [{"name": "tenant-a"}]}}`,
	"netlink.templates": `{"netlink": {"manage_devices": true, "templates": [{"name": "t", "netns": "t-*", "rd": "65000:{id}", "ids": "1-9"}]}}`,
	"netlink.templates.neighbors": `{"netlink": {"templates": [{"name": "t", "netns": "t-*", "rd": "65000:{id}", "ids": "1-9", "neighbors": [{"address": "first", "peer_as": 65001}]}],
		"policies": [{"name": "from-customers", "default": "accept", "rules": [{"action": "accept"}]}, {"name": "to-customers", "default": "accept", "rules": [{"action": "accept"}]}]},
		"peer-groups": [{"config": {"peer-group-name": "customers"}}]}`,
	"netlink.vrfs.import": `{"netlink": {"policies": [{"name": "from-kernel", "default": "accept", "rules": [{"action": "accept"}]}], "vrfs": [{"name": "tenant-a", "import": {"enabled": true, "interface_list": ["*"]}}]}}`,
	"netlink.vrfs.bgp":    `{"netlink": {"policies": [{"name": "from-others", "default": "accept", "rules": [{"action": "accept"}]}, {"name": "to-pe", "default": "accept", "rules": [{"action": "accept"}]}], "vrfs": [{"name": "tenant-a", "export": {"enabled": true}, "bgp": {}}, {"name": "default"}]}}`,
	"netlink.vrfs.bgp.leaks": `{"netlink": {"policies": [{"name": "default-route-only", "default": "accept", "rules": [{"action": "accept"}]}], "vrfs": [{"name": "tenant-a", "netns": "a", "export": {"enabled": true},
		"bgp": {"leaks": [{"from": "default", "link": "core"}]}}, {"name": "default"}]}}`,
	"netlink.vrfs.bgp.aggregates": `{"netlink": {"vrfs": [{"name": "tenant-a", "bgp": {"aggregates": [{"prefix": "10.0.0.0/16"}]}}]}}`,
	"netlink.vrfs.bgp.networks":   `{"netlink": {"vrfs": [{"name": "tenant-a", "bgp": {"networks": [{"prefix": "10.0.0.0/16"}]}}]}}`,
	"netlink.vrfs.bgp.conditions": `{"netlink": {"vrfs": [{"name": "tenant-a", "bgp": {"conditions": [{"prefixes": ["10.0.0.0/16"], "while": ["10.9.0.0/16"]}]}}]}}`,
	"netlink.vrfs.export":         `{"netlink": {"policies": [{"name": "to-kernel", "default": "accept", "rules": [{"action": "accept"}]}], "vrfs": [{"name": "tenant-a", "export": {"enabled": true}}]}}`,
	"netlink.import":              `{"netlink": {"policies": [{"name": "from-kernel", "default": "accept", "rules": [{"action": "accept"}]}], "import": {"enabled": true, "interface_list": ["*"]}}}`,
	"netlink.export":              `{"netlink": {"policies": [{"name": "to-kernel", "default": "accept", "rules": [{"action": "accept"}]}], "export": {"enabled": true}}}`,
	"netlink.export.rules":        `{"netlink": {"export": {"enabled": true, "rules": [{}]}}}`,
	"netlink.api":                 `{"netlink": {"api": {}}}`,
	"netlink.api.limits":          `{"netlink": {"api": {"limits": {}}}}`,
	"netlink.api.roles":           `{"netlink": {"api": {"roles": [{"role": "read", "users": [31001]}]}}}`,
	"netlink.api.tls": `{"netlink": {"api": {"roles": [{"role": "read", "certificates": ["noc"]}],
		"tls": {"certificate": "DIR/server.pem", "key": "DIR/server.key", "client_ca": "DIR/server.pem"}}}}`,
	"netlink.metrics":     `{"netlink": {"metrics": {"listen": "127.0.0.1:9179"}}}`,
	"vrfs.netlink-import": `{"vrfs": [{"netlink-import": {}}]}`,
	"vrfs.netlink-export": `{"vrfs": [{"netlink-export": {}}]}`,
	"neighbors.config":    `{"neighbors": [{"config": {"vrf": "tenant-a"}}]}`,
	"peer-groups.config":  `{"peer-groups": [{"config": {"peer-group-name": "customers"}}]}`,
}

// referenceNeeds are keys that a key needs beside it, or one of its values does.
var referenceNeeds = map[string]map[string]any{
	"netlink.metrics.status_hosts": {"status_page": true},
	"netlink.templates.device":     {"netns": nil},
	"netlink.templates.interfaces": {"device": "blue", "table": 1001},
	"netlink.vrfs.interfaces":      {"device": "vrf-a", "table": 1001},
	"netlink.metrics.exemplars":    {"open_metrics": true},
	"netlink.vrfs.encap=vxlan":     {"vni": 100},
	"netlink.vrfs.encap=mpls":      {"label": 16010},
	"netlink.vrfs.label":           {"encap": "mpls"},
	"netlink.vrfs.sid":             {"encap": "srv6"},
	"netlink.vrfs.core_link":       {"encap": "mpls", "netns": "a", "label": 16010},
	"netlink.vrfs.core_device":     {"encap": "mpls", "netns": "a", "label": 16010, "core_link": "vr-a"},
	"netlink.vrfs.core_table":      {"encap": "mpls", "netns": "a", "label": 16010, "core_link": "vr-a"},
	"netlink.vrfs.trusted":         {"encap": "srv6"},
	"netlink.vrfs.trusted=true":    {"netns": "a", "core_link": "vr-a"},
	"netlink.vrfs.vni":             {"encap": "vxlan"},
	"netlink.vrfs.router_mac":      {"encap": "vxlan", "vni": 100},
	"netlink.vrfs.vxlan_device":    {"encap": "vxlan", "vni": 100},

	"neighbors.config.router_advertisements": {"neighbor-interface": "eth0"},
}

// trial parses the least file of a section after change.
func trial(t *testing.T, section string, change func(section map[string]any)) (*Config, error) {
	t.Helper()
	var file map[string]any
	least := referenceFiles[section]
	if strings.Contains(least, "DIR") {
		dir := t.TempDir()
		pki.Files(t, dir, "server", pki.New(t).Issue(t, time.Now().Add(time.Hour), "server"))
		least = strings.ReplaceAll(least, "DIR", dir)
	}
	if err := json.Unmarshal([]byte(least), &file); err != nil {
		t.Fatalf("referenceFiles has no good file for [%s]: %v", section, err)
	}
	file["global"] = map[string]any{"config": map[string]any{"as": 65000, "router-id": "192.0.2.1"}}
	tenant := map[string]any{}
	if list, ok := file["vrfs"].([]any); ok {
		tenant = list[0].(map[string]any)
	}
	tenant["config"] = map[string]any{"name": "tenant-a", "rd": "65000:10"}
	file["vrfs"] = []any{tenant}
	if list, ok := file["neighbors"].([]any); ok {
		neighbor := list[0].(map[string]any)
		maps.Copy(neighbor["config"].(map[string]any), map[string]any{"neighbor-address": "192.0.2.2", "peer-as": 65001})
		neighbor["transport"] = map[string]any{"config": map[string]any{"local-address": "192.0.2.1"}}
	}
	at := file
	for _, part := range strings.Split(section, ".") {
		next := at[part]
		if list, ok := next.([]any); ok {
			next = list[0]
		}
		at = next.(map[string]any)
	}
	change(at)
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	bgp := fakeBGP()
	neighbor := bgp.Schema["neighbors"].([]any)[0].(map[string]any)
	neighbor["config"].(map[string]any)["neighbor-interface"] = nil
	neighbor["transport"] = map[string]any{"config": map[string]any{"local-address": nil, "passive-mode": nil}}
	neighbor["apply-policy"] = map[string]any{"config": map[string]any{"import-policy-list": nil, "export-policy-list": nil}}
	c, err := Parse("reference.json", text, bgp)
	if c != nil {
		c.Notes, c.Changed = nil, nil // of what is written, not of what it comes to
	}
	return c, err
}

// value reads what the page has in code as TOML; false where it is no value.
func value(text string) (any, bool) {
	var v struct{ V any }
	err := toml.Unmarshal([]byte("V = "+text), &v)
	return v.V, err == nil
}

// Defaults are what holds where a key is left out; what is required is missed;
// the values of the page are taken, and those beside its ranges are not.
func TestReferenceIsRight(t *testing.T) {
	t.Parallel()
	for section, rows := range readReference(t) {
		without, err := trial(t, section, func(map[string]any) {})
		if err != nil {
			t.Errorf("the least file with [%s]: %v", section, err)
			continue
		}
		for _, d := range rows {
			t.Run(section+"."+d.key, func(t *testing.T) { checkRow(t, section, d, without) })
		}
	}
}

func checkRow(t *testing.T, section string, d documented, without *Config) {
	set := func(v any) (*Config, error) {
		return trial(t, section, func(s map[string]any) {
			maps.Copy(s, referenceNeeds[section+"."+d.key])
			maps.Copy(s, referenceNeeds[fmt.Sprintf("%s.%s=%v", section, d.key, v)])
			s[d.key] = v
			maps.DeleteFunc(s, func(_ string, v any) bool { return v == nil })
		})
	}
	if needs := referenceNeeds[section+"."+d.key]; needs != nil {
		without, _ = trial(t, section, func(s map[string]any) { maps.Copy(s, needs) })
	}
	takes := func(v any) {
		if _, err := set(v); err != nil {
			t.Errorf("the page has the value %v: %v", v, err)
		}
	}
	switch v, ok := value(strings.Trim(d.byDefault, "`")); {
	case d.byDefault == "required":
		if _, err := trial(t, section, func(s map[string]any) { delete(s, d.key) }); err == nil {
			t.Error("the page says that the key is required, and it can be left out")
		}
	case d.byDefault == "none":
	case !ok:
		t.Errorf("the default %s is neither a value nor required nor none", d.byDefault)
	default:
		if with, err := set(v); err != nil || !reflect.DeepEqual(with, without) {
			t.Errorf("with the default of the page, %v, the configuration is not what it is without the key: %v", v, err)
		}
	}
	rest := d.values
	if m := span.FindStringSubmatch(rest); m != nil {
		rest = ""
		low, _ := value(m[1])
		high, _ := value(m[2])
		takes(low)
		takes(high)
		for _, beside := range []any{step(low, -1), step(high, 1)} {
			if _, err := set(beside); err == nil {
				t.Errorf("%v is taken, and is not in the range of the page", beside)
			}
		}
	}
	for _, m := range literals.FindAllStringSubmatch(rest, -1) {
		// Patterns, section and command names in a sentence are no values.
		if v, ok := value(m[1]); ok && !strings.HasPrefix(m[1], "[[") && m[1] != "[a-z]" {
			takes(v)
		}
	}
}

// step goes one beyond a number, or beyond a duration.
func step(v any, by int64) any {
	switch v := v.(type) {
	case int64:
		return json.Number(new(big.Int).Add(big.NewInt(v), big.NewInt(by)).String())
	case string:
		if d, err := time.ParseDuration(v); err == nil {
			return (d + time.Duration(by)).String()
		}
	}
	return v
}
