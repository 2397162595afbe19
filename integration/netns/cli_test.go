package netns_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const twoVRFs = globalConfig + `
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
[[netlink.vrfs]]
  name = "vrf-red"
  table = 1001
[[netlink.vrfs]]
  name = "vrf-blue"
  table = 1002
`

type redistribution struct {
	Enabled            bool
	Vrf                string
	Interfaces         []string
	CommunityName      string   `json:"community_name"`
	CommunityList      []string `json:"community_list"`
	LargeCommunityList []string `json:"large_community_list"`
}

// redistributions asks what is redistributed for one VRF.
func redistributions(t *testing.T, d *lab.Daemon, vrf string) (imports, exports redistribution) {
	t.Helper()
	var all struct {
		Redistributions []struct{ Import, Export redistribution }
	}
	d.JSON(&all, "redistribution", "-vrf", vrf)
	if len(all.Redistributions) != 1 {
		t.Fatalf("redistribution -vrf %s: %d answers, want 1", vrf, len(all.Redistributions))
	}
	return all.Redistributions[0].Import, all.Redistributions[0].Export
}

// The four command lines of the contract, as they stand.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	n.daemon = n.rtr.Daemon(twoVRFs)
	n.daemon.Do(strings.Fields("redistribution enable import eth0 eth1 -vrf vrf-red")...)
	imports, _ := redistributions(t, n.daemon, "vrf-red")
	lab.Equal(t, "import of vrf-red", redistribution{Enabled: true, Vrf: "vrf-red", Interfaces: []string{"eth0", "eth1"}}, imports)

	n.daemon.Do(strings.Fields("redistribution enable import eth*")...)
	imports, _ = redistributions(t, n.daemon, "default")
	lab.Equal(t, "import of default", redistribution{Enabled: true, Vrf: "default", Interfaces: []string{"eth*"}}, imports)

	n.daemon.Do(strings.Fields("redistribution enable export --community 65001:100")...)
	_, exports := redistributions(t, n.daemon, "default")
	lab.Equal(t, "export of default", redistribution{Enabled: true, Vrf: "default", CommunityName: "65001:100"}, exports)

	n.daemon.Do(strings.Fields("redistribution enable export -vrf vrf-blue --community-list 65001:100,65001:200 --large-community-list 65001:1:100")...)
	_, exports = redistributions(t, n.daemon, "vrf-blue")
	lab.Equal(t, "export of vrf-blue", redistribution{Enabled: true, Vrf: "vrf-blue",
		CommunityList: []string{"65001:100", "65001:200"}, LargeCommunityList: []string{"65001:1:100"}}, exports)

	lab.WaitEqual(t, "what BIRD has of the router's own", []string{"10.0.0.0/24"}, func() []string { return n.bird.Received("v4") })

	n.daemon.Do(strings.Fields("redistribution disable import")...)
	lab.WaitEqual(t, "what BIRD has of the router's own", []string{}, func() []string { return n.bird.Received("v4") })
}

// What is refused, and with which exit status: 1 with what to do, 2 for usage.
func TestCommandLineRefuses(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	n.daemon = n.rtr.Daemon(twoVRFs)
	tests := []struct {
		line   string
		status int
		says   string
	}{
		{"redistribution enable import eth0 --vrf nowhere", 1, "nowhere"},
		{"redistribution enable import eth[", 1, "eth["},
		{"redistribution enable export --community 65001:", 1, "65001:"},
		{"redistribution enable export --community-list 70000:1", 1, "70000:1"},
		{"redistribution enable export --large-community-list 65001:1", 1, "65001:1"},
		{"redistribution enable import", 2, ""},
		{"redistribution enable sideways", 2, "sideways"},
		{"redistribution disable", 2, ""},
		{"vrf nowhere", 1, "nowhere"},
		{"route export --vrf nowhere", 1, "nowhere"},
		{"nonsense", 2, "nonsense"},
		{"vrf --nonsense", 2, "nonsense"},
	}
	for _, tc := range tests {
		out, err := n.daemon.Try(strings.Fields(tc.line)...)
		status := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			status = exit.ExitCode()
		}
		if status != tc.status || !strings.Contains(out, tc.says) {
			t.Errorf("vrfredist %s: status %d, want %d with %q in:\n%s", tc.line, status, tc.status, tc.says, out)
		}
	}
}

// Every command that prints has --json, and prints JSON then.
func TestEveryCommandPrintsJSON(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	n.daemon = n.rtr.Daemon(exportWhere())
	n.rtr.WaitOwn(lab.Main, shown4(1), shown4(2), shown6(1), shown6(2))
	for _, line := range []string{"vrf", "vrf default", "redistribution", "route import", "route export", "reload", "version"} {
		out := n.daemon.Do(append(strings.Fields(line), "--json")...)
		// Routes are a document each.
		for dec := json.NewDecoder(strings.NewReader(out)); ; {
			var document any
			if err := dec.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("vrfredist %s --json: %v:\n%s", line, err, out)
			}
		}
	}
	for line, want := range map[string]string{
		"vrf": "default", "vrf default": "ready", "route export": "172.16.1.0/24", "version": "vrfredist", "completion bash": "vrfredist",
	} {
		if out := n.daemon.Do(strings.Fields(line)...); !strings.Contains(out, want) {
			t.Errorf("vrfredist %s does not print %q:\n%s", line, want, out)
		}
	}
}
