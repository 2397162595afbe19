package operator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

type walk struct {
	Steps []struct {
		Name, Outcome, Text string
		Details             []string
	}
	StoppedBy string `json:"stopped_by"`
}

type explanation struct {
	Prefix         string
	Export, Import walk
	StoppedBy      string `json:"stopped_by"`
	Verdict        string
}

// waitExplained waits until the prefix is stopped by this step, and returns what
// the command prints for a person.
func (s *site) waitExplained(what, vrf, prefix, stop string) string {
	s.T.Helper()
	var x explanation
	lab.WaitFor(s.T, "explain "+what, lab.Patience, func() string {
		x = explanation{}
		s.daemon.JSON(&x, "explain", what, "--vrf", vrf)
		if x.StoppedBy != stop || x.Prefix != prefix {
			return fmt.Sprintf("%s is stopped by %q: %s", x.Prefix, x.StoppedBy, x.Verdict)
		}
		return ""
	})
	return s.daemon.Do("explain", what, "--vrf", vrf)
}

// Each way in which a route can fail to get through, on the real kernel.
func TestExplain(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	const rt = "65000:10"
	s.vpn("add", "172.20.1.0/24", "65100:1", rt, "192.168.1.2")
	s.vpn("add", "172.20.1.0/24", "65100:2", rt, "192.168.1.3", "community", "65000:1", "med", "7")
	s.vpn("add", "172.20.3.0/24", "65100:1", "65000:99", "192.168.1.2")
	s.vpn("add", "172.20.4.0/24", "65100:1", rt, "192.168.1.2", "community", "65000:2")
	s.vpn("add", "172.20.5.0/24", "65100:1", rt, "10.99.0.1")
	s.red.IP("route", "add", "172.20.6.0/24", "via", "192.168.1.9", "metric", "20")
	s.vpn("add", "172.20.6.0/24", "65100:1", rt, "192.168.1.2")
	s.Link(s.red, "wan0", s.host, "eth1")
	s.red.Address("wan0", "198.51.100.1/24")

	for _, tc := range []struct {
		what, vrf, prefix, stop string
		says                    []string
	}{
		{"172.20.1.7", "red", "172.20.1.0/24", "", []string{
			"BGP has 2 paths", "RD 65100:1 has 65000:10: matches", "behind by ",
			"192.168.1.2 is reached by 192.168.1.0/24 dev lan0 proto kernel scope link src 192.168.1.1: through 192.168.1.2 on lan0",
			"the kernel confirmed the route", "dev lan0 proto vrfredist metric 20 (ours)"}},
		{"172.20.3.0/24", "red", "172.20.3.0/24", "route targets", []string{"no path carries a route target that the VRF imports (65000:10)", "RD 65100:1 has 65000:99"}},
		{"172.20.4.0/24", "red", "172.20.4.0/24", "filter", []string{"community 65000:1", "it carries 65000:2"}},
		{"172.20.5.0/24", "red", "172.20.5.0/24", "nexthop", []string{"nexthop 10.99.0.1 is unresolved: no route in this VRF covers it", "the kernel was not asked"}},
		{"203.0.113.0/24", "red", "203.0.113.0/24", "candidates", []string{"neither BGP nor the kernel table"}},
		{"198.51.100.0/24", "red", "198.51.100.0/24", "rules", []string{"interface wan0 matches nothing in interface_list (lan*)"}},
		{"192.168.1.0/24", "red", "192.168.1.0/24", "", []string{"announced to BGP", "the best path is this VRF's own import", "BGP has it, with MED 0"}},
		{"172.20.1.0/24", "blue", "172.20.1.0/24", "binding", []string{"not-there"}},
	} {
		out := s.waitExplained(tc.what, tc.vrf, tc.prefix, tc.stop)
		plain := strings.Join(strings.Fields(out), " ") // what is folded, in one line
		for _, want := range tc.says {
			if !strings.Contains(plain, want) {
				t.Errorf("explain %s does not say %q:\n%s", tc.what, want, out)
			}
		}
	}

	// The foreign route goes into BGP, and keeps ours out: the export says so.
	var x explanation
	lab.WaitFor(t, "the conflict is explained", lab.Patience, func() string {
		s.daemon.JSON(&x, "explain", "172.20.6.0/24", "--vrf", "red")
		if x.Export.StoppedBy != "kernel" && x.Export.StoppedBy != "own import" {
			return x.Export.StoppedBy
		}
		return ""
	})
}

func TestExplainTheQuota(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	for i := range 4 { // max_routes is 3
		s.vpn("add", fmt.Sprintf("172.20.%d.0/24", i), "65100:1", "65000:10", "192.168.1.2")
	}
	lab.WaitFor(t, "one is over the quota", lab.Patience, func() string {
		for _, r := range s.daemon.RouteStates("export", "--vrf", "red") {
			if r.State == "over-quota" {
				out := s.waitExplained(r.Prefix, "red", r.Prefix, "quota")
				if !strings.Contains(out, "max_routes, 3") {
					t.Errorf("it does not say which quota:\n%s", out)
				}
				return ""
			}
		}
		return "none yet"
	})
}
