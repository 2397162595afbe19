package frrpe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestCustomer: the routes of a customer's BGP session inside a tenant, here a VRF device or a
// namespace, are FRR's as IP prefix routes with this router's nexthop, VNI and MAC address, its
// tenant reaches them, and the customer is told FRR's; the tenant with the same prefixes has none of
// that.
func TestCustomer(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "bird", "birdc")
	router, sessions := edge.Customer(n.Network, n.ours.Tenants["red"])
	red := router.BIRD(edge.CustomerBIRD)
	n.start(sessions)
	for _, far := range []string{"20.0.0.1", "2001:db8:20::1"} {
		n.frr.Tenants["red"].Host.WaitPing("", far)
	}
	here := n.ours.Tenants["red"]
	for _, prefix := range []string{"20.0.0.0/24", "2001:db8:20::/64"} {
		want := []lab.Type5{{RD: "65000:10001", Nexthop: edge.Loopback(1), Communities: "RT:65000:100 ET:8 Rmac:" + here.MAC()}}
		lab.Equal(t, "FRR's paths of "+prefix, want, n.peer.Type5(prefix))
	}
	lab.WaitEqual(t, "FRR's routes that the customer is told in IPv4", []string{"10.1.0.0/24", "10.2.0.0/24"}, func() []string { return red.Received("pe4") })
	lab.WaitEqual(t, "FRR's routes that the customer is told in IPv6", []string{"2001:db8:1::/64", "2001:db8:2::/64"}, func() []string { return red.Received("pe6") })
	lab.Equal(t, "the AS path that the customer sees", "65000", red.Path("10.2.0.0/24", "as_path"))
	blue := strings.Join(n.ours.Tenants["blue"].Own(), "\n") + n.frr.Tenants["blue"].NS.IP("route", "show", "table", fmt.Sprint(n.frr.Tenants["blue"].Table))
	if strings.Contains(blue, "20.0.0.0/24") {
		t.Errorf("blue has a route of red's customer:\n%s", blue)
	}

	red.Kill()
	lab.WaitEqual(t, "what FRR has of the customer's that is gone", nil, func() []lab.Type5 {
		return append(n.peer.Type5("20.0.0.0/24"), n.peer.Type5("2001:db8:20::/64")...)
	})
}
