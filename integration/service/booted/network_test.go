package booted_test

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// network is this machine as a router with three tenants, and one customer of
// all three who announces the same prefix to each: red is a VRF device, green a
// namespace that is there from the beginning, and late one that comes later.
type network struct {
	lab      *lab.Lab
	customer *lab.Namespace
	green    *lab.Namespace
	late     *lab.Namespace
}

// prefix is the customer's, and host is in it.
const (
	prefix = "203.0.113.0/24"
	host   = "203.0.113.1"
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	l := lab.New(t, &lab.Run{Protocol: 179})
	n := &network{lab: l, customer: l.Called("customer"), green: l.Called("green")}
	n.ip("link", "add", "red", "type", "vrf", "table", "1010")
	n.ip("link", "set", "red", "up")
	n.ip("link", "add", "lan-red", "type", "veth", "peer", "name", "red", "netns", n.customer.Name)
	n.ip("link", "set", "lan-red", "master", "red", "up")
	n.ip("addr", "add", "192.168.1.1/24", "dev", "lan-red")
	n.customer.Batch("link set red up", "addr add 192.168.1.2/24 dev red")
	n.join(n.green, 2)
	n.customer.BIRD(birdConfig)
	return n
}

// join gives a tenant's namespace its link to the customer.
func (n *network) join(tenant *lab.Namespace, number int) {
	n.lab.T.Helper()
	n.lab.Subnet(tenant, "lan0", n.customer, tenant.Role, fmt.Sprintf("192.168.%d.1/24", number))
}

// arrive makes the namespace that comes later.
func (n *network) arrive() {
	n.late = n.lab.Called("late")
	n.join(n.late, 3)
}

// ip runs ip in the machine's own namespace.
func (n *network) ip(args ...string) string {
	n.lab.T.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		n.lab.T.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// red is what an administrator sees of the daemon's routes in the VRF device.
func (n *network) red() string {
	n.lab.T.Helper()
	return shown(n.ip("route", "show", "vrf", "red", "proto", "vrfredist"))
}

// shown is what `ip route show` prints without the nexthop object, which stands
// in the place of the nexthop.
func shown(routes string) string { return strings.TrimSpace(object.ReplaceAllString(routes, "")) }

var object = regexp.MustCompile(`nhid \d+ `)

// waitRed waits until exactly the customer's prefix is in the VRF device, and
// leads to the customer.
func (n *network) waitRed(t *testing.T, metric int) {
	t.Helper()
	waitRoute(t, "the VRF device", metric, n.red, "via 192.168.1.2 dev lan-red table 1010 ",
		func() string { return n.ip("route", "get", "vrf", "red", host) })
}

// waitTenant is waitRed for a namespace.
func waitTenant(t *testing.T, tenant *lab.Namespace, number int) {
	t.Helper()
	waitRoute(t, tenant.Name, 20, func() string { return shown(tenant.IP("route", "show", "proto", "vrfredist")) },
		fmt.Sprintf("via 192.168.%d.2 dev lan0 ", number), func() string { return tenant.IP("route", "get", host) })
}

func waitRoute(t *testing.T, where string, metric int, routes func() string, way string, get func() string) {
	t.Helper()
	want := fmt.Sprintf("%s metric %d", prefix, metric)
	wait(t, "the customer's prefix in "+where, func() string {
		if got := routes(); got != want {
			return fmt.Sprintf("got %q, want %q", got, want)
		}
		if got := get(); !strings.Contains(got, way) {
			return fmt.Sprintf("the way is %q, want %q", got, way)
		}
		return ""
	})
}

const birdConfig = `
router id 192.168.1.2;
log stderr all;
protocol device {}
protocol static { ipv4; route 203.0.113.0/24 blackhole; }
template bgp tenant {
  local as 65101;
  connect retry time 1;
  connect delay time 1;
  error wait time 1, 2;
  graceful restart on;
  ipv4 { import all; export all; next hop self; };
}
protocol bgp red from tenant { neighbor 192.168.1.1 as 65000; source address 192.168.1.2; }
protocol bgp green from tenant { neighbor 192.168.2.1 as 65000; source address 192.168.2.2; }
protocol bgp late from tenant { neighbor 192.168.3.1 as 65000; source address 192.168.3.2; }
`

// head is the configuration without its tenants.
const head = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
`

// tenant is one VRF and the customer's session in it. What follows are the keys
// by which its neighbour and its VRF are found.
func tenant(number int, name, neighbour, where string) string {
	return fmt.Sprintf(`
[[vrfs]]
  [vrfs.config]
    name = "%[2]s"
    rd = "65000:%[1]d"
    both-rt-list = ["65000:%[1]d"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.%[1]d.2"
    peer-as = 65101
    vrf = "%[2]s"
%[3]s
  [neighbors.timers.config]
    connect-retry = 1
  [neighbors.graceful-restart.config]
    enabled = true
[[netlink.vrfs]]
  name = "%[2]s"
  %[4]s
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
  [netlink.vrfs.export]
    enabled = true
`, number, name, neighbour, where)
}

func inNamespace(number int, name string) string {
	return tenant(number, name, fmt.Sprintf("    netns = %q\n  [neighbors.transport.config]\n    local-address = \"192.168.%d.1\"", name, number), fmt.Sprintf("netns = %q", name))
}

func inDevice() string {
	return tenant(1, "red", "  [neighbors.transport.config]\n    bind-interface = \"red\"", `device = "red"`)
}

// tenants are all three, with keys of [netlink] besides.
func tenants(keys string) string {
	return head + "[netlink]\n" + keys + inDevice() + inNamespace(2, "green") + inNamespace(3, "late")
}

// deletions follows what the kernel deletes of the customer's prefix in the
// VRF device while the service is broken.
type deletions struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	seen []string // guarded by mu
}

func (n *network) watchDeletions(t *testing.T) *deletions {
	t.Helper()
	d := &deletions{cmd: exec.Command("ip", "-4", "monitor", "route"), done: make(chan struct{})}
	out, err := d.cmd.StdoutPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.mu.Lock()
			d.seen = append(d.seen, lines.Text())
			d.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		if err := d.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-d.done
		_ = d.cmd.Wait() // killed
	})
	// It follows the kernel once it has shown a change that is made for it.
	wait(t, "ip monitor follows the kernel", func() string {
		n.ip("route", "replace", "198.51.100.0/24", "dev", "lo")
		n.ip("route", "del", "198.51.100.0/24", "dev", "lo")
		if len(d.of("198.51.100.0/24")) == 0 {
			return "nothing is seen"
		}
		return ""
	})
	return d
}

// of returns the deletions of a prefix so far.
func (d *deletions) of(prefix string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []string
	for _, line := range d.seen {
		if strings.HasPrefix(line, "Deleted "+prefix+" ") {
			found = append(found, line)
		}
	}
	return found
}
