package l3vpn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// wrong is something that is wrong at PE 1, and what the doctor finds of it.
type wrong struct {
	name, check, subject string
	breaks               func() // nil: it is so from the start
	// stops is a tenant no packet of which comes to PE 2 as long as it is so, and back, in these
	// families; nil: it is none.
	stops    *edge.Tenant
	families []bool // whether IPv6
	// then is what others do once it is right again, as an IGP does.
	then func()
}

var (
	inIPv4 = []bool{false}
	inIPv6 = []bool{true}
	inBoth = []bool{false, true}
)

// mendsAll breaks one thing after the other. Packets stop where they are said to, the doctor finds
// it, and its command mends it: it is not found any more, and packets of all tenants go.
func (n *network) mendsAll(list []wrong) {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	for _, w := range list {
		n.T.Log(w.name)
		if w.breaks != nil {
			w.breaks()
		}
		for _, six := range w.families {
			lab.WaitFor(n.T, w.name+": no packet comes", lab.Patience, func() string {
				if w.stops.Host.Ping("", edge.Host(two.N, six)) == nil {
					return "one comes to " + edge.Host(two.N, six)
				}
				return ""
			})
		}
		e := n.doctor(one)
		found, is := e.Find(w.check, w.subject)
		if !is || found.Mend == "" {
			n.T.Fatalf("%s: found %+v", w.name, e.Findings)
		}
		one.Core.Paste(found, "")
		if w.then != nil {
			w.then()
		}
		if again, is := n.doctor(one).Find(w.check, w.subject); is {
			n.T.Errorf("%s: after %s there still is %+v", w.name, found.Mend, again)
		}
		for _, name := range edge.Names() {
			n.Reach(name, one, two)
		}
	}
	for _, f := range n.doctor(one).Findings {
		for _, kind := range []string{"mpls-", "srv6-", "core-", "carried-", "kernel", "vpn-family", "forwarding"} {
			if strings.HasPrefix(f.Check, kind) {
				n.T.Errorf("in the end there still is %+v", f)
			}
		}
	}
}

// TestDoctorsCommandsMendMPLS: red is a VRF device at PE 1, and blue a namespace behind a link.
func TestDoctorsCommandsMendMPLS(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.devices(two)
	red, blue := n.Device(one, "red"), n.Linked(one, "blue", true)
	n.ours(one, two)
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
	}
	core, ip := one.Core, func(ns *lab.Namespace, words string) func() {
		return func() { ns.IP(strings.Fields(words)...) }
	}
	set := func(name, value string) func() { return func() { core.Sysctl(name, value) } }
	// What is no fault, and is not found: no label's packets meet the filter of the VRF device, and a
	// link-local address serves IPv4 too.
	core.Sysctl("ipv4.conf.red.rp_filter", "1")
	core.IP("-4", "addr", "flush", "dev", blue.Link)
	n.mendsAll([]wrong{
		{name: "no source", check: "core-source", subject: edge.Loopback(1), breaks: ip(core, "addr del "+edge.Loopback(1)+"/32 dev lo"),
			stops: red, families: inBoth, then: func() { // the kernel took what had it as its source
				for _, r := range one.Routes(two) {
					core.Batch("route replace " + r)
				}
			}},
		{name: "no room for labels", check: "mpls-labels", breaks: set("mpls.platform_labels", "0"), stops: red, families: inBoth},
		{name: "no labels from the core", check: "mpls-input", subject: "core", breaks: set("mpls.conf.core.input", "0"), stops: blue, families: inBoth},
		{name: "labels from a tenant", check: "mpls-tenant-input", subject: red.Lan(), breaks: set("mpls.conf."+red.Lan()+".input", "1")},
		{name: "labels from a tenant's link", check: "mpls-tenant-input", subject: blue.Link, breaks: set("mpls.conf."+blue.Link+".input", "1")},
		{name: "a strict rp_filter of a tenant's interface", check: "rp-filter", breaks: set("ipv4.conf."+red.Lan()+".rp_filter", "1")},
		{name: "the MTU of a VRF device's interface", check: "core-mtu", subject: "red"},
		{name: "rp_filter of a link", check: "core-link-rp-filter", subject: "blue", breaks: set("ipv4.conf."+blue.Link+".rp_filter", "1"), stops: blue, families: inIPv4},
		{name: "the MTU of a link", check: "core-mtu", subject: "blue", breaks: ip(blue.NS, "link set cr mtu 1500")},
		{name: "a link in no VRF device", check: "core-link", subject: "blue", breaks: ip(core, "link set "+blue.Link+" nomaster"), stops: blue, families: inBoth},
		{name: "a link that is down", check: "core-link", subject: "blue", breaks: ip(core, "link set "+blue.Link+" down"), stops: blue, families: inBoth},
		{name: "a tenant's end that is down", check: "core-link", subject: "blue", breaks: ip(blue.NS, "link set cr down"), stops: blue, families: inBoth},
		{name: "a link without an address", check: "core-link-address", subject: "blue", breaks: ip(core, "-6 addr flush dev "+blue.Link), stops: blue, families: inBoth},
		{name: "a tenant's end without an address", check: "core-link-address", subject: "blue", breaks: ip(blue.NS, "addr flush dev cr"), stops: blue, families: inBoth},
		{name: "no link", check: "core-link", subject: "blue", breaks: ip(core, "link del "+blue.Link), stops: blue, families: inBoth},
		{name: "the MTU of a link that was made", check: "core-mtu", subject: "blue"},
	})
}

// TestDoctorsCommandsMendSRv6: the tenants are VRF devices, and nobody makes the second ones but who
// pastes the commands.
func TestDoctorsCommandsMendSRv6(t *testing.T) {
	n := newNetwork(t, edge.SRv6, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.devices(one, two)
	n.oursAs(func(pe *edge.PE) string {
		return strings.Replace(n.config(pe), "manage_links = true", fmt.Sprintf("manage_links = %t", pe == two), 1)
	}, one, two)
	core, red, blue := one.Core, one.Tenants["red"], one.Tenants["blue"]
	core.Trust() // the commands write routes
	ip := func(words string) func() { return func() { core.IP(strings.Fields(words)...) } }
	set := func(name, value string) func() { return func() { core.Sysctl(name, value) } }
	for _, name := range edge.Names() {
		found, is := n.doctor(one).Find("srv6-device", name)
		if !is {
			t.Fatalf("%s has no second VRF device, and the doctor does not say so", name)
		}
		core.Paste(found, "")
	}
	n.mendsAll([]wrong{
		{name: "no source", check: "core-source", subject: edge.Loopback6(1), breaks: ip("addr del " + edge.Loopback6(1) + "/128 dev lo")},
		{name: "no second device", check: "srv6-device", subject: "red", breaks: ip("link del sr-red"), stops: red, families: inBoth},
		{name: "the MTU of the second device", check: "srv6-mtu", subject: "blue", breaks: ip("link set sr-blue mtu 1500")},
		{name: "no forwarding", check: "srv6-forwarding", breaks: set("ipv6.conf.all.forwarding", "0"), stops: blue, families: inIPv6},
		{name: "segment routing headers are dropped", check: "srv6-enabled", subject: "core", breaks: set("ipv6.conf.core.seg6_enabled", "0")},
		{name: "two VRF devices may have one table", check: "vrf-strict-mode", breaks: set("vrf.strict_mode", "0")},
		{name: "rp_filter of a VRF device", check: "carried-rp-filter", subject: "red", breaks: set("ipv4.conf.red.rp_filter", "1"), stops: red, families: inIPv4},
		{name: "a rule to SIDs", check: "srv6-reached", subject: "red", breaks: ip("-6 rule add pref 900 iif " + red.Lan() + " to fd00::/16 lookup main")},
		{name: "a route to SIDs", check: "srv6-reached", subject: "blue", breaks: ip("-6 route add fd00::/16 via fd00:c:1::2 dev core table 1200")},
		{name: "nothing that ends a table", check: "srv6-reached", subject: "red", breaks: ip("-6 route del unreachable default table 1100 metric 4278198272")},
		{name: "the MTU of interfaces", check: "core-mtu", subject: "red"},
		{name: "the MTU of interfaces", check: "core-mtu", subject: "blue"},
	})
}

// TestDoctorsCommandsMendTrusted: the tenants are namespaces that put packets into SRv6 themselves.
func TestDoctorsCommandsMendTrusted(t *testing.T) {
	t.Parallel()
	n := trusted(t, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.ours(one, two)
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
	}
	red := one.Tenants["red"]
	const six = "2001:db8:1::1/64"
	n.mendsAll([]wrong{
		{name: "no source but a link-local address", check: "srv6-source", subject: "red", breaks: func() { red.NS.IP("addr", "del", six, "dev", red.Lan()) },
			stops: red, families: inIPv4, then: func() { red.NS.Address(red.Lan(), six) }},
		{name: "segment routing headers are dropped", check: "srv6-enabled", subject: "cr", breaks: func() { red.NS.Sysctl("ipv6.conf.cr.seg6_enabled", "0") }},
	})
}
