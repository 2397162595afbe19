package devices_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// network is a router with the VRF devices red and blue, an interface in each, and a
// BIRD that sends each of them routes of its own, a blackhole among them.
type network struct {
	*lab.Lab
	rtr, up *lab.Namespace
	bird    *lab.BIRD
	daemon  *lab.Daemon
	oracle  *oracle.Oracle
	foreign oracle.Foreign
}

const (
	redTable, blueTable = 1001, 70002
	perVRF              = 50
)

// newNetwork builds it with the foreign routes that every row leaves alone: in main,
// in blue, and in a table that nobody has.
func newNetwork(t *testing.T) *network {
	t.Helper()
	l := newLab(t)
	w := &network{Lab: l, rtr: l.Namespace("rtr"), up: l.Namespace("up")}
	l.Subnet(w.rtr, "eth0", w.up, "eth0", "10.0.0.1/24")
	w.rtr.VRF("blue", blueTable)
	w.lan("blue")
	w.rtr.Batch("route add blackhole 198.18.0.0/15 proto static metric 4000",
		"route add 203.0.113.0/24 via 10.0.0.9 proto bird metric 20",
		"route add 203.0.113.0/24 via 192.168.1.9 dev lan-blue proto static metric 20 vrf blue",
		"route add unreachable 20.1.0.0/24 proto static metric 20 table 1234")
	w.oracle = oracle.New(t, w.rtr, run.Protocol)
	w.foreign = w.oracle.Foreign()
	w.device(redTable)
	w.bird = w.up.BIRD(birdConfig())
	return w
}

// lan gives a VRF device an interface, with the same addresses in each.
func (w *network) lan(master string) {
	w.T.Helper()
	w.rtr.Batch("link add lan-"+master+" type dummy", "link set lan-"+master+" master "+master+" up",
		"addr add 192.168.1.1/24 dev lan-"+master)
}

// device makes red, with its interface.
func (w *network) device(table int) {
	w.T.Helper()
	w.rtr.VRF("red", table)
	w.lan("red")
}

func birdConfig() string {
	var b strings.Builder
	for i, name := range []string{"red", "blue"} {
		fmt.Fprintf(&b, "protocol static %s { vpn4;\n", name)
		for k := range perVRF {
			more := ""
			if k == 0 {
				more = "bgp_community.add((65535,666));"
			}
			fmt.Fprintf(&b, "route 65100:%d 20.%d.%d.0/24 unreachable { bgp_ext_community.add((rt, 65000, %d)); %s };\n", i, i+1, k, 10+i, more)
		}
		b.WriteString("}\n")
	}
	return `
router id 10.0.0.2;
log stderr all;
vpn4 table vpntab4;
protocol device {}
` + b.String() + `
protocol bgp up {
  local as 65100;
  neighbor 10.0.0.1 as 65000;
  source address 10.0.0.2;
  connect retry time 1;
  error wait time 1, 2;
  hold time 90;
  vpn4 mpls { import none; export all; next hop address 192.168.1.2; };
}
`
}

// config binds red and blue; sweep is the sweep_delay.
func config(sweep string) string {
	c := `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 90
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv4-unicast"
`
	for i, name := range []string{"red", "blue"} {
		c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:%d\"\n    both-rt-list = [\"65000:%d\"]\n"+
			"[[netlink.vrfs]]\n  name = %q\n  device = %q\n  accept_blackhole = true\n  [netlink.vrfs.export]\n    enabled = true\n",
			name, 10+i, 10+i, name, name)
	}
	return strings.ReplaceAll(c, "  accept_blackhole = true\n  [netlink.vrfs.export]\n    enabled = true\n",
		"  [netlink.vrfs.export]\n    enabled = true\n    accept_blackhole = true\n") + fmt.Sprintf("[netlink]\n  sweep_delay = %q\n", sweep)
}

// model is what one VRF's table has of ours, by an interface; with none only what
// needs no interface.
func model(number int, dev string) []string {
	lines := []string{fmt.Sprintf("blackhole 20.%d.0.0/24 metric 20", number)}
	for k := 1; k < perVRF && dev != ""; k++ {
		lines = append(lines, fmt.Sprintf("20.%d.%d.0/24 via 192.168.1.2 dev %s metric 20", number, k, dev))
	}
	return lines
}

// wait waits until the two tables are as they should be, with nothing of ours in any
// other, and all else what it was. No table: red is away.
func (w *network) wait(table uint32, red []string) {
	w.T.Helper()
	lab.WaitFor(w.T, "the routes of red and blue", limit, func() string {
		if d := oracle.Diff(model(2, "lan-blue"), w.oracle.Own(blueTable)); d != "" {
			return "blue: " + d
		}
		if d := oracle.Diff(red, w.oracle.Own(table)); d != "" {
			return "red: " + d
		}
		if n := w.oracle.Count(); n != perVRF+len(red) {
			return fmt.Sprintf("%d routes of ours in all tables, want %d", n, perVRF+len(red))
		}
		return ""
	})
	lab.WaitFor(w.T, "foreign routes", limit, func() string {
		now := w.oracle.Foreign()
		for name := range now {
			// What the kernel has for red itself comes and goes with it.
			if strings.Contains(name, "lan-red") {
				delete(now, name)
			}
		}
		return w.foreign.Differs(now)
	})
}

func started(t *testing.T) *network {
	t.Helper()
	w := newNetwork(t)
	w.daemon = w.rtr.Daemon(config("60s"))
	w.wait(redTable, model(1, "lan-red"))
	return w
}

// An interface moves to another VRF: the old table is clean of what went over it.
func TestFault23InterfaceMoves(t *testing.T) {
	w := started(t)
	began := time.Now()
	w.rtr.IP("link", "set", "lan-red", "nomaster")
	w.wait(redTable, model(1, ""))
	took := time.Since(began)
	w.rtr.IP("link", "set", "lan-red", "master", "red")
	w.wait(redTable, model(1, "lan-red"))
	measured(t, "released: old table clean of what needs it in %s, the other tenant untouched; enslaved again: all back", round(took))
}

// The VRF device is deleted, which leaves blackholes in the table; and made again on
// the same table: nothing of the old tenant is in it.
func TestFault24DeviceDeleted(t *testing.T) {
	w := started(t)
	began := time.Now()
	w.rtr.IP("link", "del", "red")
	w.wait(redTable, nil)
	measured(t, "every route of ours gone in %s, the blackhole too", round(time.Since(began)))
}

// What an earlier tenant left in the table while nobody watched is there when the
// device is made again on it: it is gone before the VRF is ready.
func TestFault25DeviceMadeAgain(t *testing.T) {
	w := started(t)
	w.daemon.Kill()
	w.rtr.IP("link", "del", "red") // the blackhole stays, and nobody sees it
	if n := len(w.oracle.Own(redTable)); n == 0 {
		t.Fatal("the device took everything with it: this proves nothing")
	}
	w.rtr.Batch(fmt.Sprintf("route add blackhole 20.9.9.0/24 proto %d metric 20 table %d", run.Protocol, redTable))
	w.rtr.IP("link", "del", "lan-red")
	w.device(redTable)
	w.daemon.Start()
	lab.WaitFor(t, "red is ready", limit, func() string {
		v := w.daemon.Do("vrf", "red")
		if !strings.Contains(v, "ready") {
			return v
		}
		// It said so before the table was looked at.
		if own := strings.Join(w.oracle.Own(redTable), "\n"); strings.Contains(own, "20.9.9.0/24") {
			t.Errorf("red is ready, with a route of the old tenant: %s", own)
		}
		return ""
	})
	w.wait(redTable, model(1, "lan-red"))
	measured(t, "what the old tenant left is gone, and the VRF ready")
}

// A device is made on a table that another VRF has: refused, with both names.
func TestFault26SharedTable(t *testing.T) {
	w := started(t)
	w.rtr.IP("link", "del", "red")
	w.wait(redTable, nil)
	w.rtr.IP("link", "del", "lan-red")
	if _, err := w.rtr.TryIP("link", "add", "red", "type", "vrf", "table", fmt.Sprint(blueTable)); err != nil {
		t.Fatalf("two devices on one table: %v: this proves nothing", err)
	}
	w.rtr.IP("link", "set", "red", "up")
	said := ""
	lab.WaitFor(t, "red is refused", limit, func() string {
		said = w.daemon.Do("vrf", "red")
		if !strings.Contains(said, "blue") || strings.Contains(said, "ready") {
			return said
		}
		return ""
	})
	w.wait(redTable, nil)
	w.rtr.IP("link", "del", "red")
	w.device(redTable)
	w.wait(redTable, model(1, "lan-red"))
	measured(t, "refused, with blue's name; blue untouched; red ready once it has a table of its own")
}

// The device gets another table, which takes deleting it, and then another name and
// its name back.
func TestFault27DeviceRenamedOrMoved(t *testing.T) {
	w := started(t)
	w.rtr.Batch("link del red", "link del lan-red")
	w.device(3003)
	w.wait(3003, model(1, "lan-red"))
	w.rtr.Batch("link set red down", "link set red name crimson", "link set crimson up")
	w.wait(3003, nil)
	w.rtr.Batch("link set crimson down", "link set crimson name red", "link set red up")
	w.wait(3003, model(1, "lan-red"))
	measured(t, "another table: followed; another name: no VRF of ours, its table clean; its name again: followed")
}

// The clock is set by a day, forward and back: sweeps and retries do not care. Only a
// machine of its own may have its clock set.
func TestFault35ClockSet(t *testing.T) {
	w := newNetwork(t)
	if os.Getenv("VRFREDIST_REQUIRE_VRF") != "1" {
		t.Skip("this machine's clock is not for a test to set: `make faults` runs this")
	}
	const delay = 20 * time.Second
	w.daemon = w.rtr.Daemon(config(delay.String()))
	w.wait(redTable, model(1, "lan-red"))
	w.daemon.Kill()
	w.bird.Kill()
	began := time.Now() // with the monotonic clock, as all that is compared to it
	w.daemon.Start()
	for _, by := range []time.Duration{24 * time.Hour, -48 * time.Hour, 24 * time.Hour} {
		setClock(t, by)
		if n := w.oracle.Count(); n != 2*perVRF && time.Since(began) < delay {
			t.Fatalf("%v after the start, with a sweep_delay of %v, %d routes of %d", time.Since(began), delay, n, 2*perVRF)
		}
	}
	lab.WaitFor(t, "the sweep", delay+limit, func() string {
		if n := w.oracle.Count(); n != 0 {
			return fmt.Sprint(n, " routes are left")
		}
		return ""
	})
	if took := time.Since(began); took < delay {
		t.Errorf("swept after %v, before the sweep_delay of %v", took, delay)
	} else {
		measured(t, "the clock set by a day and back: swept after %s, with a sweep_delay of %s", round(took), delay)
	}
}

func setClock(t *testing.T, by time.Duration) {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		t.Fatal(err)
	}
	now = unix.NsecToTimespec(now.Nano() + by.Nanoseconds())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		t.Fatalf("set the clock: %v", err)
	}
}
