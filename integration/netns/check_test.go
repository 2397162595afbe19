package netns_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// base is a configuration without an error; the wrong ones are made of it.
const base = `
[global.config]
  as = 65000
  router-id = "192.0.2.1"

[[vrfs]]
  [vrfs.config]
    name = "vrf-red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]

[[vrfs]]
  [vrfs.config]
    name = "vrf-blue"
    rd = "65000:20"
    both-rt-list = ["65000:20"]
`

// wrong are configurations that must be refused: what follows base, and words
// of the message.
var wrong = map[string]struct {
	config string
	says   []string
}{
	"unknown key":         {"[netlink]\n  metrik = 20\n", []string{"metrik", "metric"}},
	"unknown section":     {"[netlink.exprot]\n  enabled = true\n", []string{"exprot", "export"}},
	"unknown GoBGP key":   {"[zebra.config]\n  enabeld = true\n", []string{"enabeld"}},
	"unknown VRF, short":  {"[netlink.export]\n  enabled = true\n  vrf = \"vrf-rde\"\n", []string{"vrf-rde", "vrf-red"}},
	"unknown VRF, long":   {"[[netlink.vrfs]]\n  name = \"nowhere\"\n", []string{"nowhere"}},
	"VRF bound twice":     {"[[netlink.vrfs]]\n  name = \"vrf-red\"\n  table = 100\n[[netlink.vrfs]]\n  name = \"vrf-red\"\n  table = 101\n", []string{"vrf-red"}},
	"two VRFs, one table": {"[[netlink.vrfs]]\n  name = \"vrf-red\"\n  table = 100\n[[netlink.vrfs]]\n  name = \"vrf-blue\"\n  table = 100\n", []string{"vrf-red", "vrf-blue", "100"}},
	"two VRFs, one namespace": {
		"[[netlink.vrfs]]\n  name = \"vrf-red\"\n  netns = \"x\"\n[[netlink.vrfs]]\n  name = \"vrf-blue\"\n  netns = \"/run/netns/x\"\n", []string{"vrf-red", "vrf-blue"}},
	"device and table": {"[[netlink.vrfs]]\n  name = \"vrf-red\"\n  device = \"red\"\n  table = 100\n", []string{"device", "table"}},
	"bad glob":         {"[netlink.import]\n  enabled = true\n  interface_list = [\"eth[\"]\n", []string{"eth["}},
	"no interface":     {"[netlink.import]\n  enabled = true\n  interface_list = []\n", []string{"interface_list"}},
	"no interface_list": {"[netlink.import]\n  enabled = true\n",
		[]string{"interface_list"}},
	"half a community":      {export(`community = "65001:"`), []string{"65001:", "community"}},
	"letters":               {export(`community_list = ["a:b"]`), []string{"a:b"}},
	"a community too big":   {export(`community_list = ["70000:1"]`), []string{"70000:1"}},
	"a large one of two":    {export(`large_community_list = ["65001:1"]`), []string{"65001:1"}},
	"table 0":               {table("0"), []string{"table", "0"}},
	"table 253":             {table("253"), []string{"253"}},
	"table 255":             {table("255"), []string{"255"}},
	"table over 32 bits":    {table("4294967296"), []string{"4294967296"}},
	"namespace a/b":         {netns("a/b"), []string{"a/b"}},
	"namespace ..":          {netns(".."), []string{".."}},
	"namespace ../x":        {netns("../x"), []string{"../x"}},
	"metric 0":              {"[netlink]\n  metric = 0\n", []string{"metric", "0"}},
	"metric over 32 bits":   {"[netlink]\n  metric = 4294967296\n", []string{"metric", "4294967296"}},
	"route protocol 4":      {"[netlink]\n  route_protocol = 4\n", []string{"route_protocol", "4"}},
	"route protocol 256":    {"[netlink]\n  route_protocol = 256\n", []string{"route_protocol", "256"}},
	"duration":              {"[netlink]\n  resync_interval = \"soon\"\n", []string{"resync_interval", "soon"}},
	"duration without unit": {"[netlink]\n  sweep_delay = \"60\"\n", []string{"sweep_delay", "60"}},
	"peer-group": {"[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"192.0.2.2\"\n    peer-group = \"nobody\"\n",
		[]string{"nobody"}},
}

func export(line string) string { return "[netlink.export]\n  enabled = true\n  " + line + "\n" }
func table(n string) string {
	return "[[netlink.vrfs]]\n  name = \"vrf-red\"\n  table = " + n + "\n"
}
func netns(name string) string {
	return "[[netlink.vrfs]]\n  name = \"vrf-red\"\n  netns = \"" + name + "\"\n"
}

// check runs `vrfredist check` on a file; it needs no right and no daemon.
func check(t *testing.T, name, content string) (status int, out string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, err := exec.Command(run.Daemon, "check", "-f", file).CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return status, string(printed)
}

// Every wrong configuration is refused with the file, the line and words that
// help.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range wrong {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, out := check(t, "wrong.toml", base+tc.config)
			if status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			for _, want := range append(tc.says, "wrong.toml:") {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}

// All errors are told at once, each with its own line.
func TestCheckTellsAllAtOnce(t *testing.T) {
	t.Parallel()
	status, out := check(t, "all.toml", base+`
[netlink]
  metric = 0
  route_protocol = 3
  [netlink.export]
    enabled = true
    community = "a:b"
[[netlink.vrfs]]
  name = "nowhere"
`)
	if status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	for _, want := range []string{"all.toml:19", "all.toml:20", "all.toml:23", "all.toml:25"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// The right spellings are taken: TOML, YAML and JSON, snake_case and kebab-case.
func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"plain.toml":   base,
		"number.toml":  base + export(`community = "65001"`),
		"known.toml":   base + export(`community_list = ["no-export", "blackhole", "65001:100"]`),
		"path.toml":    base + netns("/run/netns/x"),
		"kebab.toml":   base + "[netlink]\n  route-protocol = 180\n  resync-interval = \"1m\"\n[netlink.import]\n  enabled = true\n  interface-list = [\"eth*\"]\n",
		"default.toml": base + "[[netlink.vrfs]]\n  name = \"default\"\n  [netlink.vrfs.export]\n    enabled = true\n    max_routes = 10\n    metric = 4294967295\n",
		"some.yaml": `
global:
  config:
    as: 65000
    router-id: 192.0.2.1
netlink:
  import:
    enabled: true
    interface_list: ["eth*"]
`,
		"some.json": `{"global": {"config": {"as": 65000, "router-id": "192.0.2.1"}},
 "netlink": {"export": {"enabled": true, "community": "65001:100"}}}`,
	}
	for name, content := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if status, out := check(t, name, content); status != 0 {
				t.Errorf("status %d: %s", status, out)
			}
		})
	}
}

// The configurations in examples/ are right ones.
func TestExamplesAreRight(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example was found: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if status, out := check(t, filepath.Base(file), string(content)); status != 0 {
			t.Errorf("%s: status %d: %s", file, status, out)
		}
	}
}
