package netns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// clientConfig is a tenant whose customer is a neighbour inside its namespace, and a
// policy for everybody.
func clientConfig(tenant *lab.Namespace) string {
	neighbors := ""
	for family, addrs := range map[string][2]string{"ipv4-unicast": {theirs4, ours4}, "ipv6-unicast": {theirs6, ours6}} {
		neighbors += fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    netns = %q
    neighbor-address = %q
    peer-as = 65101
    vrf = "red"
  [neighbors.transport.config]
    local-address = %q
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = %q
`, tenant.Name, addrs[0], addrs[1], family)
	}
	return `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[global.apply-policy.config]
  import-policy-list = ["no-ten"]
  default-import-policy = "accept-route"
[[defined-sets.prefix-sets]]
  prefix-set-name = "ten"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "10.99.0.0/16"
[[policy-definitions]]
  name = "no-ten"
  [[policy-definitions.statements]]
    name = "s1"
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "ten"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"
` + neighbors + fmt.Sprintf(`
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[netlink.vrfs]]
  name = "red"
  netns = %q
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan0"]
  [netlink.vrfs.export]
    enabled = true
`, tenant.Name)
}

// The gobgp client takes away what the file says of a tenant: its neighbours, which it
// knows by their aliases, and the policies.
func TestStockGoBGPClientAndTheFile(t *testing.T) {
	t.Parallel()
	l := newLab(t, frr, "vtysh")
	lab.Need(t, gobgp)
	rtr, tenant := l.Namespace("rtr"), l.Namespace("red")
	c := newCustomer(l, tenant, 1)
	d := rtr.Daemon(clientConfig(tenant))
	without := slices.Delete(c.installed(), 1, 2) // a policy keeps 10.99.0.0/16 out
	tenant.WaitOwn(lab.Main, without...)
	do := func(line string) {
		t.Helper()
		if out, err := d.GoBGP(strings.Fields(line)...); err != nil {
			t.Fatalf("gobgp %s: %v: %s", line, err, out)
		}
	}
	says := func(command string, want ...string) {
		t.Helper()
		lab.WaitFor(t, fmt.Sprintf("vrfredist %s says %q", command, want), lab.Patience, func() string {
			out, _ := d.Try(strings.Fields(command)...) // doctor fails where something is broken
			for _, w := range want {
				if !strings.Contains(out, w) {
					return "no " + w + " in: " + out
				}
			}
			return ""
		})
	}
	const who = "by uid 0 (gobgp, pid "
	alias := neighborsOf(d, "red")[0].Alias

	t.Log("a neighbour inside the namespace is deleted")
	do("neighbor del " + alias)
	says("vrf red", "degraded", theirs4+" in netns "+tenant.Name, alias, "BGP has it no more: deleted "+who)
	says("neighbor "+theirs4, "deleted "+who, "configuration", alias)
	says("plan -f="+l.Dir+"/vrfredist.toml", theirs4+" in netns "+tenant.Name, "deleted "+who)
	tenant.WaitOwn(lab.Main, without[1:]...)
	says("reload", "neighbour "+alias+" added")
	tenant.WaitOwn(lab.Main, without...)
	says("vrf red", "ready")

	// A resync puts it right as well.
	do("neighbor del " + alias)
	says("resync", "BGP: neighbour "+alias+" added")
	tenant.WaitOwn(lab.Main, without...)

	t.Log("a neighbour is disabled, and stays so over a reload")
	do("neighbor " + alias + " disable")
	says("neighbor "+theirs4, "disabled "+who)
	says("reload", "Nothing changed")
	says("neighbor "+theirs4, "disabled "+who)
	do("neighbor " + alias + " enable")
	tenant.WaitOwn(lab.Main, without...)

	t.Log("a policy is taken out of force")
	do("global policy import del no-ten")
	says("doctor", "policy assignment import of global", "changed "+who)
	says("vrf red", "degraded", "BGP as a whole")
	says("reload", "policies made again")
	says("vrf red", "ready")
	do("policy prefix add mine 192.0.2.0/24 24..32")
	says("doctor", "prefix-set mine is not of the configuration: added "+who)
	says("reload", "Nothing changed")
	tenant.WaitOwn(lab.Main, without...)

	t.Log("what the operator adds to the VRF, and takes back, is not what the tenant imports")
	c.waitImports(t)
	do("vrf red rib add 10.77.1.0/24")
	do("vrf red rib del 10.77.1.0/24")
	do("global rib del all -a vpnv4")
	do("global rib del all -a vpnv6")
	lab.WaitFor(t, "the imports are back", lab.Patience, func() string {
		if out, err := d.GoBGP("global", "rib", "-a", "vpnv4"); err != nil || !strings.Contains(out, "10.77.1.0/24") {
			return out
		}
		return ""
	})
	c.waitImports(t)
}

// waitImports waits until the customer has what its tenant's table has.
func (c *customer) waitImports(t *testing.T) {
	t.Helper()
	lab.WaitEqual(t, "what the customer has of IPv4", []string{fmt.Sprintf("10.77.%d.0/24", c.number), "192.168.1.0/24"},
		func() []string { return c.peer.Unicast("ipv4", ours4) })
	lab.WaitEqual(t, "what the customer has of IPv6", []string{"2001:db8:1::/64", fmt.Sprintf("2001:db8:77%02x::/64", c.number)},
		func() []string { return c.peer.Unicast("ipv6", ours6) })
}
