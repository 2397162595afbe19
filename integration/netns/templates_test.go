package netns_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// templated is a router on which tenants are what templates make of namespaces, and a VPN peer. The
// router's own namespace has a name that the template matches too.
//
//	up (FRR, AS 65100)  10.0.0.2 ── eth0 10.0.0.1  rtr (vrfredist, AS 65000)
//	1, 2, 3 (tenants)   eth0 192.168.1.1/24  2001:db8:1::1/64 ── host
type templated struct {
	*tenants
	pattern string
}

// newTemplated has a template for the namespaces of this test alone: those run beside each other.
func newTemplated(t *testing.T, named string) *templated {
	t.Helper()
	l := newLab(t, frr, "vtysh")
	n := &templated{tenants: &tenants{Lab: l, rtr: l.Namespace(named + "r"), up: l.Namespace("up")}, pattern: fmt.Sprintf("vr%d-*-%s?", os.Getpid(), named)}
	l.Subnet(n.rtr, "eth0", n.up, "eth0", rtrAddr+"/24", "2001:db8::1/64")
	n.peer = n.up.FRR(upstreamConfig)
	return n
}

// config has a template with these ids, and more lines of it.
func (n *templated) config(ids string, more ...string) string {
	base, _, _ := strings.Cut(routerConfig, "[[vrfs]]")
	return base + fmt.Sprintf(`
[netlink]
  sweep_delay = "1s"
[[netlink.templates]]
  name = "tenants"
  netns = %q
  rd = "65000:{id}"
  both-rt-list = ["65000:{id}"]
  ids = %q
  %s
  [netlink.templates.import]
    enabled = true
    interface_list = ["eth*"]
  [netlink.templates.export]
    enabled = true
`, n.pattern, ids, strings.Join(more, "\n  "))
}

// comes wires a tenant to its host.
func (n *templated) comes(tenant *lab.Namespace) {
	n.T.Helper()
	n.wire(tenant, n.Namespace("host"))
}

// announced waits until the peer has the prefixes of the tenants' links by these RDs alone.
func (n *templated) announced(when string, rds ...string) {
	n.T.Helper()
	for family, prefixes := range map[string][]string{"ipv4": {"192.168.1.0/24", "192.168.2.0/24"}, "ipv6": {"2001:db8:1::/64", "2001:db8:2::/64"}} {
		want := []string{}
		for _, rd := range rds {
			for _, p := range prefixes {
				want = append(want, rd+" "+p)
			}
		}
		slices.Sort(want)
		lab.WaitEqual(n.T, when+": what the peer has of "+family, want, func() []string {
			got := n.peer.VPN(family, rtrAddr)
			for i := range got {
				got[i], _, _ = strings.Cut(got[i], " med")
			}
			slices.Sort(got)
			return got
		})
	}
}

// shown are the VRFs that the daemon has: "tpl1 ready".
func (n *templated) shown() (list []string) {
	n.T.Helper()
	var all struct {
		VRFs []struct {
			Name  string `json:"name"`
			State string `json:"state"`
		} `json:"vrfs"`
	}
	n.daemon.JSON(&all, "vrf", "--json")
	for _, v := range all.VRFs {
		list = append(list, v.Name[strings.LastIndexByte(v.Name, '-')+1:]+" "+v.State)
	}
	slices.Sort(list)
	return list
}

// TestTenantsByThemselves: namespaces that match become VRFs with an RD each, whose routes go both
// ways; one that goes takes its own with it; one that comes back has its old id, and one for which
// there is none waits; a kill changes nothing; and the daemon's own namespace is no tenant.
func TestTenantsByThemselves(t *testing.T) {
	t.Parallel()
	n := newTemplated(t, "tpl")
	n.start(n.config("1000-1001"))
	if got := n.shown(); len(got) != 0 {
		t.Errorf("before a tenant is there, there are %v", got)
	}
	one, two := n.Namespace("tpl1"), n.Namespace("tpl2")
	n.comes(one)
	n.comes(two)
	ids := map[string]string{}
	n.announced("two tenants", "65000:1000", "65000:1001")
	for _, ns := range []*lab.Namespace{one, two} {
		out := n.daemon.Do("config", "--vrf", ns.Name)
		for _, id := range []string{"1000", "1001"} {
			if strings.Contains(out, `rd = "65000:`+id+`"`) && strings.Contains(out, "# template ") {
				ids[ns.Name] = id
			}
		}
	}
	if ids[one.Name] == "" || ids[two.Name] == "" || ids[one.Name] == ids[two.Name] {
		t.Fatalf("the ids are %v", ids)
	}
	n.policies(policy{name: "P", rts: "65000:" + ids[one.Name], hop4: via0v4, hop6: via0v6})
	n.vpn("", "65100:1", 1, "P")
	one.WaitOwn(lab.Main, over(0, 1)...)
	two.WaitOwn(lab.Main)

	one.Delete()
	n.announced("one went", "65000:"+ids[two.Name])
	lab.WaitEqual(t, "the VRFs without it", []string{"tpl2 ready"}, n.shown)
	three := n.Namespace("tpl3")
	lab.WaitEqual(t, "there is no id for another one", []string{"tpl2 ready", "tpl3 pending"}, n.shown)
	if out := n.daemon.Do("vrf", three.Name); !strings.Contains(out, "has no id left for it") || !strings.Contains(out, "1000-1001") {
		t.Errorf("it waits for:\n%s", out)
	}
	one.Make()
	n.comes(one)
	n.announced("one came back", "65000:1000", "65000:1001")
	one.WaitOwn(lab.Main, over(0, 1)...)

	n.daemon.Kill()
	n.daemon.Start()
	n.waitSession()
	n.announced("after a kill", "65000:1000", "65000:1001")
	one.WaitOwn(lab.Main, over(0, 1)...)
	two.WaitOwn(lab.Main)
	lab.WaitEqual(t, "all VRFs", []string{"tpl1 ready", "tpl2 ready", "tpl3 pending"}, n.shown)
	if out, err := n.daemon.Try("explain", "10.0.0.0", "--vrf", three.Name); err == nil || !strings.Contains(out, "has no id left for it") {
		t.Errorf("explain says of a tenant that waits: %v\n%s", err, out)
	}
	n.daemon.Write(n.config("1000-1002"))
	if out := n.daemon.Do("plan", "-f", n.daemon.File()); !strings.Contains(out, three.Name) || strings.Contains(out, one.Name) {
		t.Errorf("the plan of a wider range:\n%s", out)
	}
	n.daemon.Reload(n.config("1000-1002"))
	lab.WaitEqual(t, "all VRFs, with a wider range", []string{"tpl1 ready", "tpl2 ready", "tpl3 ready"}, n.shown)
}

// TestNeighborsOfTenants: the router at the first address of a tenant's link has a session without
// being named, also once the link has another subnet, and so has one that dials in from a prefix of
// the template, which a kill does not forget; their routes are in the tenant's table and at the VPN
// peer.
func TestNeighborsOfTenants(t *testing.T) {
	t.Parallel()
	lab.Need(t, bird, "birdc")
	n := newTemplated(t, "nbr")
	neighbors := `
  [[netlink.templates.neighbors]]
    address = "first"
    peer_as = 65101
  [[netlink.templates.neighbors]]
    address = "10.78.0.0/16"
    peer_as = 65102
`
	n.start(n.config("1000-1009") + neighbors)
	tenant, first, dials := n.Namespace("nbr1"), n.Namespace("first"), n.Namespace("dials")
	n.Link(tenant, "cust0", first, "eth0")
	n.Link(tenant, "cust1", dials, "eth0")
	tenant.Address("cust1", "10.78.3.1/24")
	dials.Address("eth0", "10.78.3.9/24")
	dials.BIRD(customerBIRD("10.78.3.9", 65102, "10.78.3.1", "198.51.100.0/24"))
	dialled := "198.51.100.0/24 via 10.78.3.9 dev cust1 metric 20"
	tenant.WaitOwn(lab.Main, dialled)

	tenant.Address("cust0", "10.77.0.2/24")
	first.Address("eth0", "10.77.0.1/24", "10.79.0.1/24")
	router := first.BIRD(customerBIRD("10.77.0.1", 65101, "10.77.0.2", "203.0.113.0/24"))
	tenant.WaitOwn(lab.Main, dialled, "203.0.113.0/24 via 10.77.0.1 dev cust0 metric 20")
	lab.WaitEqual(t, "what the VPN peer has", []string{"65000:1000 198.51.100.0/24", "65000:1000 203.0.113.0/24"}, func() []string {
		got := n.peer.VPN("ipv4", rtrAddr)
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], " med")
		}
		return got
	})
	tenant.IP("addr", "del", "10.77.0.2/24", "dev", "cust0")
	tenant.Address("cust0", "10.79.0.2/24")
	router.Reconfigure(customerBIRD("10.79.0.1", 65101, "10.79.0.2", "203.0.113.0/24"))
	tenant.WaitOwn(lab.Main, dialled, "203.0.113.0/24 via 10.79.0.1 dev cust0 metric 20")

	n.daemon.Kill()
	n.daemon.Start()
	if out := n.daemon.Do("neighbor"); !strings.Contains(out, "10.78.3.9") || !strings.Contains(out, "10.79.0.1") {
		t.Errorf("after a kill these are the neighbours:\n%s", out)
	}
	tenant.WaitOwn(lab.Main, dialled, "203.0.113.0/24 via 10.79.0.1 dev cust0 metric 20")
}

// customerBIRD is the router of a customer, which announces a prefix.
func customerBIRD(own string, as int, ours, prefix string) string {
	return fmt.Sprintf(`router id %[1]s;
protocol device { scan time 1; }
protocol static { ipv4; route %[4]s blackhole; }
protocol bgp up {
  local %[1]s as %[2]d;
  neighbor %[3]s as 65000;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`, own, as, ours, prefix)
}
