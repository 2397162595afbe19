package l3vpn_test

import "github.com/vrfredist/vrfredist/integration/netns/edge"

// forged: what a host of red's makes up does not arrive at blue; and where somebody has opened the way,
// the doctor says so.
func (n *network) forged() {
	n.T.Helper()
	one := n.PEs[0]
	edge.Forged(n.Network, func() {
		check, subject := "mpls-tenant-input", one.Tenants["red"].Lan()
		if n.By == edge.SRv6 {
			check, subject = "srv6-reached", "red"
		}
		f, found := n.doctor(one).Find(check, subject)
		if !found {
			n.T.Errorf("the doctor does not find that the tenant's hosts reach others: %+v", f)
		}
		if n.By == edge.SRv6 && f.Mend != "ip -6 rule del pref 900 to fd00::/16 lookup main" {
			n.T.Errorf("the doctor's way to mend it is %q", f.Mend)
		}
	})
}
