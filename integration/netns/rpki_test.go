package netns_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// rpkiConfig rejects what is invalid in the kernel's table of the global table, and lets what is
// valid alone into a VRF.
const rpkiConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[rpki-servers]]
  [rpki-servers.config]
    address = "127.0.0.1"
    port = 8282
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[netlink.policies]]
  name = "no-invalid"
  default = "accept"
  [[netlink.policies.rules]]
    name = "forged"
    rpki = ["invalid"]
    action = "reject"
[[netlink.policies]]
  name = "valid-only"
  default = "reject"
  [[netlink.policies.rules]]
    rpki = ["valid"]
    action = "accept"
[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.export]
    enabled = true
    policy = "no-invalid"
[[netlink.vrfs]]
  name = "red"
  table = 1001
  [netlink.vrfs.export]
    enabled = true
  [[netlink.vrfs.bgp.leaks]]
    from = "default"
    policy = "valid-only"
`

func payload(prefix string, most uint8, as uint32) lab.Payload {
	return lab.Payload{Prefix: netip.MustParsePrefix(prefix), MaxLength: most, AS: as}
}

// TestRPKI: what a cache says counts in the policies of the export and of a leak as soon as it says
// it, in the kernel and towards neighbours; without a cache nothing is found.
func TestRPKI(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird)
	rtr, up, down := l.Namespace("rtr"), l.Namespace("up"), l.Namespace("down")
	l.Subnet(rtr, "up0", up, "eth0", "203.0.113.1/30", "2001:db8:f::1/64")
	l.Subnet(rtr, "down0", down, "eth0", "203.0.114.1/30", "2001:db8:e::1/64")
	up.BIRD(leakBIRD(65001, "203.0.113.1", "2001:db8:f::1", "10.9.0.0/16", "2001:db8:99::/48"))
	third := down.BIRD(leakBIRD(65003, "203.0.114.1", "2001:db8:e::1"))
	d := rtr.Daemon(rpkiConfig +
		leakNeighbor("203.0.113.2", "203.0.113.1", 65001, "ipv4", "") + leakNeighbor("2001:db8:f::2", "2001:db8:f::1", 65001, "ipv6", "") +
		leakNeighbor("203.0.114.2", "203.0.114.1", 65003, "ipv4", "") + leakNeighbor("2001:db8:e::2", "2001:db8:e::1", 65003, "ipv6", ""))
	routes := []string{"10.9.0.0/16 via 203.0.113.2 dev up0 metric 20", "2001:db8:99::/48 via 2001:db8:f::2 dev up0 metric 20"}
	is := func(when string, main, red bool) {
		t.Helper()
		t.Log(when)
		some := func(is bool) []string {
			if is {
				return routes
			}
			return nil
		}
		rtr.WaitOwn(lab.Main, some(main)...)
		rtr.WaitOwn(1001, some(red)...)
		told := map[bool]string{true: "65000 65001", false: ""}[main]
		for _, prefix := range []string{"10.9.0.0/16", "2001:db8:99::/48"} {
			lab.WaitEqual(t, when+": the path of "+prefix+" that a neighbour is told", told, func() string { return third.Path(prefix, "as_path") })
		}
	}
	is("there is no cache", true, false)
	valid := []lab.Payload{payload("10.0.0.0/8", 16, 65001), payload("2001:db8::/32", 48, 65001)}
	d.Stop() // or GoBGP would ask for the cache again in half a minute
	cache := lab.NewRPKICache(rtr, "127.0.0.1:8282", valid...)
	d.Start()
	is("the cache is there, and says that it is valid", true, true)
	cache.Say(payload("10.0.0.0/8", 16, 65009), payload("2001:db8::/32", 48, 65009))
	is("another AS has it", false, false)
	if said := d.Do("explain", "10.9.0.0/16"); !strings.Contains(said, `policy "no-invalid", rule 1 (forged)`) {
		t.Errorf("explain says\n%s", said)
	}
	cache.Say(append(valid, payload("10.0.0.0/8", 16, 65009))...)
	is("both have it", true, true)
	cache.Say(payload("10.0.0.0/8", 15, 65001), payload("2001:db8::/32", 47, 65001))
	is("it is longer than it may be", false, false)
	cache.Say(payload("10.10.0.0/16", 16, 65001), payload("2001:db8:98::/48", 48, 65001))
	is("the cache has nothing of it", true, false)
}
