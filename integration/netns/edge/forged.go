package edge

import (
	"fmt"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// away is an address of blue's host at PE 1 that nobody announces.
const away = "10.66.0.9"

// madeUp is how many packets a host makes up at a time.
const madeUp = 20

// Forged has a host of red's at PE 1 send to blue's label, or to blue's SID: at blue nothing arrives,
// but where somebody opens the way for the tenant, which proves that it would be seen. What is to be
// looked at while it is open, is. It returns how many packets were sent while it was not.
func Forged(n *Network, open func()) (count int) {
	n.T.Helper()
	one := n.PEs[0]
	red, blue := one.Tenants["red"], one.Tenants["blue"]
	blue.Host.Address("lo", away+"/32")
	route := []string{"route", "add", away + "/32", "via", Host(1, false)}
	if blue.Device != "" {
		route = append(route, "vrf", blue.Device)
	}
	blue.NS.IP(route...)
	if n.By == MPLS {
		red.Host.IP("route", "add", away+"/32", "encap", "mpls", fmt.Sprint(blue.Label(false)), "via", "10.1.0.1")
	} else {
		red.Host.IP("route", "add", away+"/32", "encap", "seg6", "mode", "encap", "segs", blue.SID(false).String(), "dev", "eth0")
	}
	if came := sent(n, red, blue); came != 0 {
		n.T.Errorf("%d of %d packets that a host of red's made up came to blue", came, madeUp)
	}
	opened, closed := opens(n, one, red)
	opened()
	lab.WaitFor(n.T, "a packet made up comes to blue where the way is open", lab.Patience, func() string {
		if sent(n, red, blue) == 0 {
			return "none"
		}
		return ""
	})
	if open != nil {
		open()
	}
	closed()
	if came := sent(n, red, blue); came != 0 {
		n.T.Errorf("%d of %d packets that a host of red's made up came to blue, with the way closed again", came, madeUp)
	}
	red.Host.IP("route", "del", away+"/32")
	return 2 * madeUp
}

// sent sends packets to blue's host, and returns how many have arrived. That a packet of the same
// host has gone all the way behind them proves that they have had their time.
func sent(n *Network, red, blue *Tenant) int {
	n.T.Helper()
	before := blue.Arrived(Host(1, false), away)
	out, err := red.Host.Run("ping", "-c", fmt.Sprint(madeUp), "-i", "0.01", "-W", "1", "-q", away)
	if err == nil {
		n.T.Logf("answered: %s", out)
	}
	red.Host.WaitPing("", Host(2, false))
	return blue.Arrived(Host(1, false), away) - before
}

// opens lets a tenant's host reach the labels, or the SIDs, of its PE.
func opens(n *Network, pe *PE, t *Tenant) (opened, closed func()) {
	if n.By == MPLS {
		input := "mpls.conf." + t.Lan() + ".input"
		return func() { t.NS.Sysctl(input, "1") }, func() { t.NS.Sysctl(input, "0") }
	}
	rule := func(what string) func() {
		return func() { pe.Core.IP("-6", "rule", what, "pref", "900", "to", "fd00::/16", "lookup", "main") }
	}
	return rule("add"), rule("del")
}
