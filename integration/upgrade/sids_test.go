package upgrade_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// carried is a PE whose VRFs are carried by SRv6, with SIDs out of a locator.
const carried = `
[global.config]
  as = 65000
  router-id = "10.255.0.1"

[netlink.core]
  source6 = "fd00:255::1"
  interfaces = ["core*"]
[netlink.srv6]
  locator = "fd00:1:0:1::/64"
`

const carriedVRF = `
[[vrfs]]
  [vrfs.config]
    name = "NAME"
    rd = "65000:NUMBER"
    both-rt-list = ["65000:NUMBER"]
[[netlink.vrfs]]
  name = "NAME"
  netns = "NETNS"
  encap = "srv6"
  core_link = "vr-NAME"
  trusted = true
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
`

// edge is a host that other PEs send packets to by SIDs.
type edge struct {
	*lab.Lab
	rtr     *lab.Namespace
	tenants map[string]*lab.Namespace
}

func (e *edge) tenant(name string, number int) {
	e.T.Helper()
	n := e.Namespace(name)
	e.tenants[name] = n
	core := "vr-" + name
	e.Link(e.rtr, core, n, "cr")
	e.rtr.Address(core, fmt.Sprintf("169.254.%d.1/30", number), "fe80::1/64")
	n.Address("cr", fmt.Sprintf("169.254.%d.2/30", number), "fe80::2/64")
	n.IP("route", "add", "fd00::/16", "via", "fe80::1", "dev", "cr")
	for _, key := range []string{"ipv6.conf.all.forwarding", "ipv6.conf.all.seg6_enabled", "ipv6.conf.cr.seg6_enabled"} {
		n.Sysctl(key, "1")
	}
}

func (e *edge) config(names ...string) string {
	text := carried
	for i, name := range names {
		text += strings.NewReplacer("NAME", name, "NUMBER", fmt.Sprint(100+i), "NETNS", e.tenants[name].Name).Replace(carriedVRF)
	}
	return text
}

// sids are those that lead to a tenant, as its kernel has them.
func (e *edge) sids(name string) (list []string) {
	e.T.Helper()
	for line := range strings.Lines(e.tenants[name].IP("-6", "route", "show", "table", "all")) {
		if sid, _, ok := strings.Cut(line, " encap seg6local "); ok {
			list = append(list, strings.Fields(sid)[0])
		}
	}
	slices.Sort(list)
	return list
}

// TestSIDsOutliveAnUpgrade: other PEs send by the SIDs that VRFs have, so that they are the same after
// an upgrade, after the way back, and after both with a crash. The VRF that came first has the first
// ones, whatever its name.
func TestSIDsOutliveAnUpgrade(t *testing.T) {
	before, now := programs(t, brought(t, sids))
	use(t, before)
	e := &edge{Lab: lab.New(t, run), tenants: map[string]*lab.Namespace{}}
	e.rtr = e.Namespace("rtr")
	core := e.Namespace("core")
	e.Subnet(e.rtr, "core0", core, "eth0", "fd00:a::1/64")
	e.rtr.Address("lo", "fd00:255::1/128")
	for _, key := range []string{"ipv6.conf.all.forwarding", "ipv6.conf.all.seg6_enabled", "ipv6.conf.core0.seg6_enabled"} {
		e.rtr.Sysctl(key, "1")
	}
	e.tenant("zulu", 1)
	e.tenant("alpha", 2)
	d := e.rtr.Daemon(e.config("zulu"))
	want := map[string][]string{}
	has := func(name string) {
		t.Helper()
		lab.WaitFor(t, "VRF "+name+" has its SIDs", 2*lab.Patience, func() string {
			if want[name] = e.sids(name); len(want[name]) == 0 {
				return d.Do("vrf", name)
			}
			return ""
		})
	}
	has("zulu")
	d.Reload(e.config("zulu", "alpha"))
	has("alpha")
	t.Logf("the SIDs are %v", want)
	for _, next := range []struct {
		program string
		end     func()
	}{{now, d.Stop}, {before, func() { d.Kill() }}, {now, func() { d.Kill() }}} {
		next.end()
		use(t, next.program)
		d.Start()
		for name := range e.tenants {
			lab.WaitFor(t, "VRF "+name+" is served by its SIDs", 2*lab.Patience, func() string {
				out := d.Do("vrf", name)
				for _, sid := range append(want[name], "ready") {
					if !strings.Contains(out, sid) {
						return fmt.Sprintf("nothing of %s in\n%s", sid, out)
					}
				}
				return ""
			})
			lab.WaitEqual(t, "the SIDs of VRF "+name, want[name], func() []string { return e.sids(name) })
		}
	}
}
