package netns_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A VPN path's label is shown, and kept. One whose nexthop is in the VRF is
// forwarded as plain IP; one that needs its label, because the nexthop is in the
// provider's network, is unresolved and says so, and is no kernel route.
func TestLabels(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.start(n.both())
	n.policies(
		policy{name: "A", rts: rdA, hop4: via0v4, hop6: via0v6},
		policy{name: "FAR", rts: rdA, hop4: upAddr, hop6: "2001:db8::2"},
	)
	network := func(no string, i, label int, policy string) {
		n.peer.Configure("router bgp 65100",
			"address-family ipv4 vpn", fmt.Sprintf("%snetwork %s rd 65100:1 label %d %s", no, vpn4(i), label, routeMap(policy, "4")), "exit-address-family",
			"address-family ipv6 vpn", fmt.Sprintf("%snetwork %s rd 65100:1 label %d %s", no, vpn6(i), label, routeMap(policy, "6")), "exit-address-family")
	}
	network("", 1, 101, "A")
	network("", 2, 102, "FAR")
	network("", 3, 103, "FAR") // the same nexthop, another label
	n.a.WaitOwn(lab.Main, over(0, 1)...)
	states := func() []string {
		var lines []string
		for _, r := range n.daemon.RouteStates("export", "--vrf", "vrf-a") {
			why := ""
			if strings.Contains(r.Reason, "MPLS") && strings.Contains(r.Reason, fmt.Sprint(r.Label)) {
				why = ", and says which label it needs"
			}
			if r.Label == 0 {
				continue // the VRF's own imports
			}
			lines = append(lines, fmt.Sprintf("%s label %d %s%s", r.Prefix, r.Label, r.State, why))
		}
		return lines
	}
	lab.WaitEqual(t, "the routes of vrf-a", []string{
		vpn4(1) + " label 101 installed",
		vpn4(2) + " label 102 unresolved, and says which label it needs",
		vpn4(3) + " label 103 unresolved, and says which label it needs",
		vpn6(1) + " label 101 installed",
		vpn6(2) + " label 102 unresolved, and says which label it needs",
		vpn6(3) + " label 103 unresolved, and says which label it needs",
	}, states)
	lab.Equal(t, "routes of the daemon in a", 2, len(n.a.OwnEverywhere()))
	n.onlyTenants()

	t.Log("one that needs its label takes the place of one that does not")
	network("no ", 1, 101, "")
	network("", 1, 111, "FAR")
	n.a.WaitOwn(lab.Main)
	n.onlyTenants()
}

func routeMap(name, family string) string {
	if name == "" {
		return ""
	}
	return "route-map " + name + family
}

// Who is root in a tenant's namespace names its interfaces, with any byte but a
// blank, a slash and a colon: an escape sequence reaches nobody's terminal, and what
// is no UTF-8 hinders no answer.
func TestInterfaceNamesThatATenantChooses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rtr, a := l.Namespace("rtr"), l.Namespace("a")
	const name = "lan\x1b[31m\xff"
	a.IP("link", "add", name, "type", "veth", "peer", "name", "far")
	for _, end := range []string{name, "far"} {
		a.IP("link", "set", end, "up")
	}
	a.IP("addr", "add", "192.168.7.1/24", "dev", name)
	d := rtr.Daemon(strings.ReplaceAll(routerConfig, upAddr, "10.0.0.9") +
		bind("vrf-a", a, "[netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n"))
	lab.WaitFor(t, "the route to be announced", lab.Patience, func() string {
		out, err := d.Try("route", "import", "--vrf", "vrf-a", "--prefix", "192.168.7.0/24")
		if err != nil || !strings.Contains(out, "announced") || !strings.Contains(out, `lan\x1b[31m\xff`) {
			return fmt.Sprint(out, err)
		}
		return ""
	})
	for _, ask := range []string{"explain 192.168.7.0/24 --vrf vrf-a", "route import --vrf vrf-a --json", "doctor"} {
		out, err := d.Try(strings.Fields(ask)...)
		if err != nil || strings.Contains(out, "\x1b") || !utf8.ValidString(out) {
			t.Errorf("%s: %q, %v", ask, out, err)
		}
	}
}
