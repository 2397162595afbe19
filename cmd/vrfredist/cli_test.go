package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is printed now as what is wanted")

// now is the time of the sessions.
var now = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// session runs command lines and writes down what a terminal would show.
func session(t *testing.T, lines ...string) string {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		c := &cli{out: &b, now: func() time.Time { return now }}
		var stderr bytes.Buffer
		fmt.Fprintf(&b, "$ vrfredist %s\n", line)
		status := c.execute(t.Context(), split(line), &stderr)
		b.Write(stderr.Bytes())
		if status != 0 {
			fmt.Fprintf(&b, "[status %d]\n", status)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// split splits at blanks; a pair of single quotes is an empty argument.
func split(line string) []string {
	args := strings.Fields(line)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "''", "")
	}
	return args
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), or run the tests with -update:\n%s", file, diff)
	}
}

func TestSessions(t *testing.T) {
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for name, lines := range map[string][]string{
		"vrf": {
			"vrf", "vrf vrf-red", "vrf tenant-b", "vrf vrf-blue", "vrf vrf-rde", "vrf vrf-red --json", "vrf --state failed,pending", "vrf --state fine",
		},
		"route": {
			"route export -vrf vrf-red", "route import --vrf=vrf-red", "route export", "route import -vrf=tenant-a",
			"route export --vrf vrf-red --prefix 10.0.0.0/12", "route export --vrf vrf-red --prefix 10.0.0.0/8 --exact --no-pager", "route export --vrf vrf-red --state unresolved,stale", "route import --vrf vrf-red --state announced", "route export --state fine", "route export --prefix 10.0.0.1/8", "route export --exact",
			"route export --vrf vrf-red --count", "route export --vrf vrf-red --count --json --state unresolved,stale", "route export --vrf vrf-red --count --prefix 10.0.0.0/12", "route export --count", "route export --count --state fine", "route export --count --vrf nobody", "route import --vrf vrf-red --count", "route import --vrf vrf-red --count --state announced --json",
			"route export --vrf vrf-red --json", "route import --vrf vrf-red --json",
		},
		"redistribution": {
			"redistribution",
			"redistribution enable import eth0 eth1 -vrf vrf-red",
			"redistribution enable import eth*",
			"redistribution enable export --community 65001:100",
			"redistribution enable export -vrf vrf-blue --community-list 65001:100,65001:200 --large-community-list 65001:1:100",
			"redistribution enable export --vrf tenant-a",
			"redistribution",
			"redistribution --vrf vrf-blue",
			"redistribution --vrf vrf-blue --json",
			"redistribution disable export --vrf vrf-blue",
			"redistribution disable import --vrf vrf-red --json",
			"redistribution enable import eth[0",
			"redistribution enable export --community 70000:1",
			"redistribution enable export --community-list 65001:1,a:b",
			"redistribution enable export --large-community-list 65001:1",
			"redistribution enable export --vrf nobody",
		},
		"plan":     {"plan -f fine.toml", "plan -f fine.toml --vrf red", "plan -f fine.toml --summary --json", "plan", "plan -f fine.toml --all --summary", "plan -f bad.toml"},
		"reload":   {"reload", "reload", "reload --json", "reload", "confirm"},
		"confirm":  {"reload --confirm 2m", "vrf vrf-red", "vrf", "confirm", "confirm", "reload --confirm 2m --json", "confirm --json", "reload --confirm 0s", "reload --confirm soon", "reload --confirm 25h", "reload --confirm 1193047h", "reload --confirm 10", "confirm it"},
		"explain":  {"explain 10.3.0.0/16 -vrf vrf-red", "explain 10.3.0.0/16 -vrf vrf-red --json", "explain 10.3.0.1/16", "explain ten", "explain", "explain 10.0.0.0/8 --vrf tenant-b"},
		"neighbor": {"neighbor", "neighbor --vrf vrf-red", "neighbor 10.0.0.2", "neighbor 127.1.7.5 --json", "neighbor fe80::1", "neighbor 192.0.2.99", "neighbor it", "neighbor -vrf nobody", "neighbor a b", "neighbor 10.0.0.2 received", "neighbor 10.0.0.2 advertised --json", "neighbor 10.0.0.2 reset --soft in", "neighbor 10.0.0.2 reset --soft up", "neighbor 10.0.0.2 disable --reason maintenance", "neighbor 10.0.0.2 disable --graceful --wait 30s", "neighbor 10.0.0.2 enable", "neighbor 10.0.0.2 enable --graceful", "neighbor 10.0.0.2 disable --wait 5s", "neighbor --help"},
		"tenants": {
			"vrf add vrf-red --rd 65000:10 --rt 65000:10,65000:11 --import eth*,lo --export", "vrf add vrf-red --rd 65000:10 --json", "vrf add", "vrf add a b",
			"vrf set vrf-red --export=false --dry-run", "vrf set vrf-red --import ''", "vrf set vrf-red", "vrf delete vrf-red", "vrf delete vrf-red --json", "vrf -- add",
			"neighbor add 10.0.0.2 --as 65001 --vrf vrf-red", "neighbor add 10.0.0.2", "neighbor add ten --as 65001", "neighbor delete 10.0.0.2 --vrf vrf-red", "neighbor delete",
			"apply -f tenants.yaml --owner me", "apply -f tenants.yaml --owner me --dry-run", "apply -f tenants.yaml --prune", "apply", "apply -f nowhere", "apply -f fine.toml",
			"vrf add --help", "apply --help",
		},
		"policy":   {"policy", "policy to-kernel", "policy to-kernel --json", "policy nobody", "policy a b", "policy --help"},
		"loglevel": {"log-level", "log-level debug", "log-level loud", "log-level a b", "log-level --help"},
		"config":   {"config", "config --vrf vrf-red", "config --vrf nobody", "config --vrf default --json", "config --diff fine.toml", "config --vrf default --diff fine.toml --json", "config --diff bad.toml", "config x", "config --help"},
		"resync":   {"resync", "resync --vrf vrf-red", "resync --vrf=default --json", "resync -vrf tenant-a", "resync -vrf nobody", "resync x"},
		"doctor":   {"doctor", "doctor --json", "doctor -f absent.toml", "doctor x"},
		"usage": {
			"", "rout", "route", "route import x", "route import --foo", "vrf a b", "vrf --api nonsense", "vrf --api unix://",
			"run", "run -f f --log-level loud", "run -f f --log-format xml", "run -f f --state-dir ''", "run -f f --api unix:///run/x.sock", "check",
			"redistribution enabel", "redistribution enable", "redistribution enable import", "redistribution enable import eth0 -vrf",
			"redistribution enable export --community ''", "redistribution enable export --community-list=", "redistribution enable export eth0",
			"redistribution disable export eth0", "reload now", "version 2", "completion fnord", "completion bash zsh", "help fnord",
		},
		"help": {
			"--help", "run --help", "check --help", "plan --help", "reload --help", "confirm --help", "explain --help", "resync --help", "doctor --help", "redistribution --help", "redistribution enable --help",
			"redistribution enable import --help", "redistribution enable export --help", "redistribution disable --help",
			"redistribution disable import --help", "vrf --help", "monitor --help", "help route", "route import --help", "route export --help", "version --help",
		},
		"check":  {"check -f fine.toml", "check -f fine.toml --json", "check -f bad.toml", "check -f bad.toml --json", "check -f absent.toml"},
		"nobody": {"vrf --api unix:nobody", "reload --api 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			serveFake(t)
			writeConfigs(t)
			golden(t, filepath.Join(here, name+".golden"), session(t, lines...))
		})
	}
}

const tenantsYAML = `vrfs:
- config: {name: vrf-red, rd: "65000:10", both-rt-list: ["65000:10"]}
netlink:
  vrfs:
  - {name: vrf-red, netns: red, export: {enabled: true, policy: vrf-red/out, prefsrc: 10.0.0.1}}
  policies:
  - {name: vrf-red/out, default: accept, rules: [{action: accept, set_communities: []}]}
neighbors:
- config: {neighbor-address: 10.0.0.2, peer-as: 65001, vrf: vrf-red}
  timers: {config: {hold-time: 9}}
`

func TestAWrongAddressIsSaidWithItsName(t *testing.T) {
	t.Setenv("VRFREDIST_API", "nonsense")
	if got := session(t, "vrf"); !strings.Contains(got, `VRFREDIST_API "nonsense": is no address`) {
		t.Errorf("of the environment's: %s", got)
	}
	if got := session(t, "vrf --api fnord"); !strings.Contains(got, `--api "fnord": is no address`) {
		t.Errorf("of the flag's: %s", got)
	}
}

// A file over message_size is no riddle.
func TestAPlanOfALargeFile(t *testing.T) {
	serveFake(t)
	writeConfigs(t)
	text, err := os.ReadFile("fine.toml")
	if err != nil {
		t.Fatal(err)
	}
	large := append(text, bytes.Repeat([]byte("# more\n"), 1<<20)...)
	if err := os.WriteFile("large.toml", large, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := session(t, "plan -f large.toml"); !strings.Contains(got, "raise message_size under [netlink.api.limits]") {
		t.Error(got)
	}
}

// writeConfigs writes a file that is fine, and one with two errors.
func writeConfigs(t *testing.T) {
	t.Helper()
	const global = "[global.config]\n  as = 65000\n  router-id = \"192.0.2.1\"\n"
	for name, text := range map[string]string{
		"tenants.yaml": tenantsYAML,
		"fine.toml": global + "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"192.0.2.2\"\n    peer-as = 65001\n" +
			"[netlink.import]\n  enabled = true\n  interface_list = [\"eth*\"]\n",
		"bad.toml": global + "[netlink]\n  metric = 0\n[netlink.import]\n  enabled = true\n  interface_list = [\"eth[\"]\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The help must be of the same width as the terminals that it is read on, but
// for usage lines and flags, which are not broken.
func TestHelpFitsIntoATerminal(t *testing.T) {
	for _, line := range strings.Split(session(t, "--help", "route export --help", "redistribution enable import --help"), "\n") {
		if len(line) > 80 && !strings.Contains(line, "--") {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestLongVRF(t *testing.T) {
	for in, want := range map[string]string{
		"a -vrf red":       "a --vrf red",
		"a -vrf=red":       "a --vrf=red",
		"a --vrf red":      "a --vrf red",
		"a -vrfs red":      "a -vrfs red",
		"a -- -vrf red":    "a -- -vrf red",
		"-vrf red -- -vrf": "--vrf red -- -vrf",
		"a -v -r -f vrf":   "a -v -r -f vrf",
	} {
		if got := strings.Join(longVRF(strings.Fields(in)), " "); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestCompletionOffersVRFs(t *testing.T) {
	serveFake(t)
	for _, line := range []string{"__complete vrf ''", "__complete route export --vrf ''"} {
		got := session(t, line)
		for _, name := range []string{"default", "tenant-a", "vrf-red"} {
			if !strings.Contains(got, "\n"+name+"\n") {
				t.Errorf("%s: %s is not offered:\n%s", line, name, got)
			}
		}
	}
}

func TestATableIsAlignedInChunks(t *testing.T) {
	var b bytes.Buffer
	table := newTable(&b, "NAME", "N>", "WHY")
	for i := range 2*tableChunk + 10 {
		if err := table.row("route", fmt.Sprint(i), "because of it"); err != nil {
			t.Fatal(err)
		}
		if len(table.rows) > tableChunk {
			t.Fatalf("%d rows are held", len(table.rows))
		}
	}
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2*tableChunk+11 || lines[0] != "NAME     N  WHY" || lines[1] != "route    0  because of it" {
		t.Errorf("%d lines, first %q, %q", len(lines), lines[0], lines[1])
	}
	if last := lines[len(lines)-1]; last != "route  2009  because of it" {
		t.Errorf("last %q", last)
	}
}

// The statuses are those of the process, and nothing but a message comes with
// them.
func TestExitStatuses(t *testing.T) {
	module := source(t)
	serveFake(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "vrfredist")
	build := exec.Command("go", "build", "-pgo=off", "-o", program, "-ldflags", "-X main.version=v9.8.7", "github.com/vrfredist/vrfredist/cmd/vrfredist")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tc := range []struct {
		line   string
		status int
		says   string
	}{
		{"version", 0, "vrfredist v9.8.7"},
		{"version", 0, "GoBGP v3.37.0"},
		{"vrf", 0, "4 VRFs"},
		{"redistribution enable import eth0 eth1 -vrf vrf-red", 0, "VRF vrf-red: import: routes of eth0, eth1"},
		{"vrf nobody", 1, "there is no VRF"},
		{"vrf --api unix:nobody", 1, "is not running"},
		{"check -f absent.toml", 1, "absent.toml: "},
		{"run -f absent.toml", 1, "absent.toml: "},
		{"nonsense", 2, "usage: "},
		{"vrf --nonsense", 2, "usage: "},
		{"run", 2, "-f FILE"},
	} {
		out, err := exec.Command(program, strings.Fields(tc.line)...).CombinedOutput()
		status := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			status = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if status != tc.status || !strings.Contains(string(out), tc.says) || strings.Contains(string(out), "goroutine") {
			t.Errorf("%s: status %d, want %d:\n%s", tc.line, status, tc.status, out)
		}
	}
}

// source is the folder of the module, for who stands in it still.
func source(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
