package upgrade_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// config is one that both programs take: a neighbour whose routes go into the main table, and a
// VRF in a namespace, whose import is turned off at run time.
const config = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 5
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"

[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]

[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.export]
    enabled = true
    metric = METRIC
[[netlink.vrfs]]
  name = "red"
  netns = "RED"
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
`

const bird = `
router id 10.0.0.2;
protocol device {}
protocol static { ipv4; ROUTES }
protocol bgp rtr {
  local as 65100;
  neighbor 10.0.0.1 as 65000;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`

// site is a host with a neighbour, on which one program takes over from the other.
type site struct {
	*lab.Lab
	rtr    *lab.Namespace
	daemon *lab.Daemon
	routes []string // of the neighbour, as the main table has them
	red    string   // the namespace of VRF red
}

// newSite starts a program, and waits until all is in place.
func newSite(t *testing.T, program string) *site {
	t.Helper()
	use(t, program)
	s := &site{Lab: lab.New(t, run)}
	s.rtr = s.Namespace("rtr")
	peer, red, lan := s.Namespace("peer"), s.Namespace("red"), s.Namespace("lan")
	s.Subnet(s.rtr, "eth0", peer, "eth0", "10.0.0.1/24")
	s.Subnet(red, "lan0", lan, "eth0", "192.168.1.1/24")
	s.red = red.Name
	var routes strings.Builder
	for i := range 20 {
		fmt.Fprintf(&routes, "route 172.16.%d.0/24 blackhole; ", i)
		s.routes = append(s.routes, fmt.Sprintf("172.16.%d.0/24 via 10.0.0.2 dev eth0 metric 20", i))
	}
	peer.BIRD(strings.Replace(bird, "ROUTES", routes.String(), 1))
	s.daemon = s.rtr.Daemon(s.config(20))
	s.whole()
	if s.turnedOff() {
		t.Fatal("the import is off before anybody turned it off")
	}
	return s
}

func (s *site) config(metric int) string {
	return strings.NewReplacer("METRIC", fmt.Sprint(metric), "RED", s.red).Replace(config)
}

// whole waits until the neighbour's routes are in the kernel and the daemon has each confirmed.
func (s *site) whole() {
	s.T.Helper()
	s.rtr.WaitOwn(lab.Main, s.routes...)
	lab.WaitEqual(s.T, "the routes that are installed", len(s.routes), func() int {
		n := 0
		for _, r := range s.daemon.RouteStates("export", "--vrf", "default") {
			if r.State == "installed" {
				n++
			}
		}
		return n
	})
}

// turnedOff tells whether VRF red imports nothing, as was said at run time.
func (s *site) turnedOff() bool {
	s.T.Helper()
	return !strings.Contains(s.daemon.Do("redistribution", "--vrf", "red"), "lan*")
}

// next is the other program, started on what the one before left.
func (s *site) next(program string, end func()) {
	s.T.Helper()
	end()
	use(s.T, program)
	mark := s.rtr.Mark()
	s.daemon.Start()
	s.whole()
	events := s.rtr.Since(mark)
	if len(events) > 0 {
		s.T.Errorf("%s wrote %d route messages for %d routes that it found", filepath.Base(program), len(events), len(s.routes))
	}
	if !s.turnedOff() {
		s.T.Error("an import that was turned off before is on again")
	}
}

// TestUpgradeAndBack: this program takes over the routes and the state of an earlier build, and that
// build takes over this one's, after an orderly end and after a crash.
func TestUpgradeAndBack(t *testing.T) {
	before, now := programs(t, plain)
	s := newSite(t, before)
	s.daemon.Do("redistribution", "disable", "import", "--vrf", "red")
	t.Log("upgraded")
	s.next(now, s.daemon.Stop)
	t.Log("and back, after a crash")
	s.next(before, s.daemon.Kill)
	t.Log("upgraded, after a crash")
	s.next(now, s.daemon.Kill)
}

// TestUnconfirmedReloadIsUpgraded: a reload that nobody confirmed before the upgrade is taken back by the
// new program, and one before the way back by the old.
func TestUnconfirmedReloadIsUpgraded(t *testing.T) {
	before, now := programs(t, plain)
	s := newSite(t, before)
	s.daemon.Do("redistribution", "disable", "import", "--vrf", "red")
	for _, program := range []string{now, before} {
		s.daemon.Write(s.config(30))
		s.daemon.Do("reload", "--confirm", "10m")
		other := make([]string, len(s.routes))
		for i, r := range s.routes {
			other[i] = strings.Replace(r, "metric 20", "metric 30", 1)
		}
		s.rtr.WaitOwn(lab.Main, other...)
		s.daemon.Kill()
		use(t, program)
		s.daemon.Start()
		s.whole() // with metric 20
		s.daemon.Write(s.config(20))
		s.daemon.Do("reload")
	}
}

// TestTheOlderProgramNamesNewerKeys: a file with keys of this program's is refused by the earlier one,
// with their lines.
func TestTheOlderProgramNamesNewerKeys(t *testing.T) {
	before, now := programs(t, plain)
	file := filepath.Join(t.TempDir(), "newer.toml")
	text := strings.NewReplacer("METRIC", "20\n    backup_routes = true", "RED", "red").Replace(config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	above, _, _ := strings.Cut(text, "backup_routes")
	line := 1 + strings.Count(above, "\n")
	if out, err := exec.Command(now, "check", "-f", file).CombinedOutput(); err != nil {
		t.Errorf("this program: %v: %s", err, out)
	}
	out, err := exec.Command(before, "check", "-f", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("%s:%d: ", file, line)) || !strings.Contains(string(out), "backup_routes") {
		t.Errorf("the earlier program, of line %d: %v: %s", line, err, out)
	}
}
