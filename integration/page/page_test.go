// Package page_test looks at the status page of a real daemon in a real browser.
package page_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	lab.Exit("integration/page", func() (int, error) { return run.Play(m) })
}

// need skips a test where the browser, or what drives it, is not there.
func need(t *testing.T) {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, "ip", "gobgp", "node", "/usr/bin/chromium")
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		t.Skip("node_modules is not there: run scripts/install-deps.sh, or npm ci in integration/page")
	}
}

const url = "http://127.0.0.1:9179/status/"

// browserTime is what one scenario may take on a busy machine.
const browserTime = 4 * time.Minute

// look plays a scenario of look.mjs in a namespace; do does what it asks for.
func look(t *testing.T, ns *lab.Namespace, scenario string, do map[string]func()) {
	t.Helper()
	shots := os.Getenv("VRFREDIST_SCREENSHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	cmd := exec.Command("ip", "netns", "exec", ns.Name, "node", "look.mjs", scenario, url, shots)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(browserTime, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	for scan := bufio.NewScanner(out); scan.Scan(); {
		want, ok := strings.CutPrefix(scan.Text(), "want ")
		if !ok || do[want] == nil {
			t.Errorf("look.mjs said %q", scan.Text())
			continue
		}
		do[want]()
		fmt.Fprintln(in, "done")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", scenario, err, &errs)
	}
}

const global = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
  port = -1
[netlink.metrics]
  listen = ":9179"
  status_page = true
`

// judged has a policy that VRF red asks of what goes to the kernel.
const judged = `
[[netlink.policies]]
  name = "to-kernel"
  default = "accept"
  [[netlink.policies.rules]]
    name = "none of these"
    prefixes = ["203.0.113.0/24"]
    action = "reject"
`

func tenant(name string, number int, netns, more string) string {
	return fmt.Sprintf(`
[[vrfs]]
  [vrfs.config]
    name = %q
    rd = "65000:%d"
    both-rt-list = ["65000:%d"]
[[netlink.vrfs]]
  name = %q
  netns = %q
  [netlink.vrfs.export]
    enabled = true
%s`, name, number, number, name, netns, more)
}

// neighbors are twelve of VRF red in its namespace, of which the first is there.
func neighbors(netns string) string {
	var b strings.Builder
	for i := range 12 {
		n := 2
		if i > 0 {
			n = 9 + i
		}
		fmt.Fprintf(&b, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.1.%d"
    peer-as = 65010
    vrf = "red"
    netns = %q
  [neighbors.transport.config]
    local-address = "192.168.1.1"
  [neighbors.timers.config]
    connect-retry = 1
`, n, netns)
	}
	return b.String()
}

// customer is one who announces so many routes by a nexthop that is another's.
func customer(nexthop string, n int) string {
	var b strings.Builder
	b.WriteString("router id 192.168.1.2;\nprotocol device {}\nprotocol static behind4 { ipv4;\n")
	for i := range n {
		fmt.Fprintf(&b, "  route 172.21.%d.%d/32 blackhole;\n", i/256, i%256)
	}
	fmt.Fprintf(&b, `}
protocol bgp edge1 {
  local 192.168.1.2 as 65010;
  neighbor 192.168.1.1 as 65000;
  connect retry time 1; error wait time 1, 2;
  multihop;
  ipv4 { import none; next hop keep; export filter { bgp_next_hop = %s; accept; }; };
}
`, nexthop)
	return b.String()
}

// TestPage is a visit: what is shown, what changes by itself, everything by
// keyboard, a narrow window, dark and light, and a daemon that goes and returns.
func TestPage(t *testing.T) {
	need(t)
	l := lab.New(t, run)
	rtr, red, host := l.Namespace("rtr"), l.Namespace("red"), l.Namespace("host")
	rtr.IP("link", "set", "lo", "up")
	l.Subnet(red, "lan0", host, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	d := rtr.Daemon(strings.Replace(global, "  port = -1\n", "", 1) + judged + neighbors(red.Name) +
		tenant("red", 10, red.Name, "    policy = \"to-kernel\"\n  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n") +
		tenant("blue", 20, "not-there", "") + tenant("<script>alert(1)</script>", 30, "not-there-either", "") +
		"[[netlink.vrfs]]\n  name = \"default\"\n  [netlink.vrfs.export]\n    enabled = true\n")
	vpn := func(prefix, nexthop string) {
		t.Helper()
		if out, err := d.GoBGP("global", "rib", "add", prefix, "label", "100", "rd", "65100:1", "rt", "65000:10", "nexthop", nexthop, "-a", "vpnv4"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	vpn("172.20.1.0/24", "192.168.1.2")
	vpn("172.20.9.0/24", "10.99.0.1") // by a nexthop that nothing reaches
	host.BIRD(customer("10.99.0.1", 299))
	red.IP("route", "add", "172.20.8.0/24", "via", "192.168.1.9", "metric", "20")
	vpn("172.20.8.0/24", "192.168.1.2")
	red.WaitOwn(lab.Main, "172.20.1.0/24 via 192.168.1.2 dev lan0 metric 20")
	look(t, rtr, "tour", map[string]func(){
		"route":         func() { vpn("172.20.2.0/24", "192.168.1.2") },
		"another route": func() { vpn("172.20.3.0/24", "192.168.1.2") },
		"stop":          d.Stop,
		"start":         func() { d.Start() },
	})
}

// TestPageHoldsBack: where many routes of many VRFs are held back, the page says each reason once, and begins
// with the VRFs on every width.
func TestPageHoldsBack(t *testing.T) {
	need(t)
	l := lab.New(t, run)
	rtr := l.Namespace("rtr")
	rtr.IP("link", "set", "lo", "up")
	config := global
	for i := range 10 {
		name := fmt.Sprintf("t-%d", i)
		tenth := strings.Replace(tenant(name, i+1, "", ""), "  netns = \"\"\n", fmt.Sprintf("  table = %d\n", 7100+i), 1)
		config += strings.Replace(tenth, "both-rt-list", "import-rt-list = [\"65000:99\"]\n    export-rt-list", 1)
	}
	d := rtr.Daemon(config)
	for i := range 63 {
		nexthop := "10.99.0.1"
		if i >= 60 {
			nexthop = "10.99.0.2"
		}
		prefix := fmt.Sprintf("172.20.%d.0/24", i)
		if out, err := d.GoBGP("global", "rib", "add", prefix, "label", "100", "rd", "65100:1", "rt", "65000:99", "nexthop", nexthop, "-a", "vpnv4"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	look(t, rtr, "held", nil)
}

// TestPageBeforeBGP: while BGP waits for a client of the API the page says so of each VRF and neighbour, and
// goes on by itself once it is started.
func TestPageBeforeBGP(t *testing.T) {
	need(t)
	l := lab.New(t, run)
	rtr, red := l.Namespace("rtr"), l.Namespace("red")
	rtr.IP("link", "set", "lo", "up")
	_, without, _ := strings.Cut(global, "  port = -1\n")
	one, _, _ := strings.Cut(strings.TrimPrefix(neighbors(red.Name), "\n[[neighbors]]"), "[[neighbors]]")
	d := rtr.Daemon(without + "[[neighbors]]" + one + tenant("red", 10, red.Name, ""))
	look(t, rtr, "waits", map[string]func(){"start": func() {
		if out, err := d.GoBGP("global", "as", "65000", "router-id", "10.0.0.1"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}})
}

// TestPageOfAThousand is the page at the size of a large edge.
func TestPageOfAThousand(t *testing.T) {
	need(t)
	l := lab.New(t, run)
	rtr, host := l.Namespace("rtr"), l.Namespace("host")
	rtr.IP("link", "set", "lo", "up")
	l.Link(rtr, "lan0", host, "eth0")
	rtr.Address("lan0", "192.168.1.1/24")
	var config strings.Builder
	config.WriteString(global + "[[netlink.vrfs]]\n  name = \"default\"\n  [netlink.vrfs.export]\n    enabled = true\n")
	for i := range 999 {
		config.WriteString(tenant(fmt.Sprintf("tenant-%03d", i), i+1, fmt.Sprintf("vr-not-there-%03d", i), ""))
	}
	d := rtr.Daemon(config.String())
	look(t, rtr, "many", map[string]func(){"route": func() {
		if out, err := d.GoBGP("global", "rib", "add", "172.30.1.0/24", "nexthop", "192.168.1.2"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}})
}
