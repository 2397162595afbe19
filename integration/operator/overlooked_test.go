package operator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const customerOfRed = `
router id 192.168.1.2;
protocol device {}
protocol static { ipv4; route 172.21.1.0/24 blackhole { bgp_community.add((65001,1)); }; route 172.21.2.0/24 blackhole; }
protocol bgp red { local 192.168.1.2 as 65001; neighbor 192.168.1.1 as 65000; connect delay time 1; ipv4 { import all; export all; }; }
`

// withCustomer is a configuration with a BGP session inside red: with the import targets of the VRF,
// the interfaces that it imports, more of its export and of the neighbour, and more sections.
func (s *site) withCustomer(targets, interfaces, export, neighbor, more string) string {
	return fmt.Sprintf(`
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    import-rt-list = [%s]
    export-rt-list = ["65000:10"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.1.2"
    peer-as = 65001
    vrf = "red"
    netns = %q
  [neighbors.transport.config]
    local-address = "192.168.1.1"
%s
[[netlink.vrfs]]
  name = "red"
  netns = %[2]q
  [netlink.vrfs.import]
    enabled = true
    interface_list = [%[4]q]
  [netlink.vrfs.export]
    enabled = true
%[5]s
%[6]s
`, targets, s.red.Name, neighbor, interfaces, export, more)
}

// tells waits until a command says all of it, and none of what is not to be said.
func (s *site) tells(command string, words []string, never ...string) {
	s.T.Helper()
	lab.WaitFor(s.T, command, 3*lab.Patience, func() string {
		out, _ := s.daemon.Try(strings.Fields(command)...)
		for _, w := range words {
			if !strings.Contains(out, w) {
				return fmt.Sprintf("it does not say %q:\n%s", w, out)
			}
		}
		for _, w := range never {
			if strings.Contains(out, w) {
				return fmt.Sprintf("it says %q:\n%s", w, out)
			}
		}
		return ""
	})
}

// TestWhatIsEasilyOverlooked: a configuration that is right and does less than whoever wrote it
// believes is told where one looks: import targets that are missing, or that no route can have, an
// interface that is not there, a community that no route has, and policies; with the customer's own
// address.
func TestWhatIsEasilyOverlooked(t *testing.T) {
	t.Parallel()
	s := newSiteWithoutDaemon(t)
	lab.Need(t, "bird")
	s.host.BIRD(customerOfRed)
	const own = `"65000:10"`
	reject := `
[[netlink.policies]]
  name = "none"
  default = "reject"
  [[netlink.policies.rules]]
    prefixes = ["10.0.0.0/8"]
    action = "accept"
`
	config := s.withCustomer(own, "lan*", "", "", "")
	s.daemon = s.rtr.Daemon(config)
	s.tells("route export --vrf red", []string{"172.21.1.0/24", "installed", "192.168.1.2 lan0  192.168.1.2", "2 installed"}, "127.1.")
	s.tells("route import --vrf red --json", []string{`"state":"announced"`}, `"state":"installed"`)
	s.tells("neighbor", []string{"192.168.1.2", "127.1.", "established"})

	next := func(config, note string) {
		t.Helper()
		s.daemon.Write(config)
		if out, err := s.daemon.Try("check", "-f", s.daemon.File()); err != nil || note != "" && !strings.Contains(out, note) {
			t.Errorf("check does not say %q: %v:\n%s", note, err, out)
		}
		s.daemon.Do("reload")
	}
	next(s.withCustomer("", "lan*", "", "", ""), `VRF "red" has no import route targets`)
	s.tells("doctor", []string{`VRF "red" imports no route targets, and has neighbours`})
	s.tells("explain 172.21.1.0/24 --vrf red", []string{"STOP  route targets"})

	next(s.withCustomer(`"65000:77"`, "lan*", "", "", ""), `no route has it, nor another import target of VRF "red"`)
	s.tells("explain 172.21.1.0/24 --vrf red", []string{"STOP  route targets", "65000:77", "RD 65000:10 has 65000:10"})

	next(s.withCustomer(own, "eth3", "", "", ""), `has "eth3", which no interface`)
	s.tells("doctor", []string{`interface_list of VRF "red" has "eth3", which no interface`})
	s.tells("explain 192.168.1.0/24 --vrf red", []string{"interface lan0 matches nothing in interface_list (eth3)"})

	next(s.withCustomer(own, "lan*", `    community_list = ["65001:9"]`, "", ""), "")
	s.tells("vrf red", []string{"routes with community 65001:9", "filtered"})
	s.tells("doctor", []string{`No route of BGP's gets into the table of VRF "red": it takes those with community 65001:9`})
	s.tells("explain 172.21.1.0/24 --vrf red", []string{"what export asks for: community 65001:9", "65001:1"})

	next(s.withCustomer(own, "lan*", "", "  [neighbors.apply-policy.config]\n    import-policy-list = [\"none\"]\n", reject), "is in force: what it rejects is not taken")
	s.tells("explain 172.21.1.0/24 --vrf red", []string{"STOP  received", "192.168.1.2", `"none"`}, "127.1.")
	s.tells("neighbor", []string{"2 not accepted: `vrfredist neighbor 192.168.1.2 received --vrf red` says why"})
	s.tells("neighbor 192.168.1.2 received --vrf red", []string{"172.21.1.0/24", `"none"`, "2 not accepted"}, "127.1.")
	s.red.WaitOwn(lab.Main)

	next(config, "")
	s.tells("route export --vrf red", []string{"2 installed"})
}
