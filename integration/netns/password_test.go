package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// inside is a neighbour in a namespace, with more lines of its section.
func inside(vrf string, ns *lab.Namespace, peer, local string, as int, config string, sections ...string) string {
	return fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
    vrf = %q
    netns = %q
    %s
  [neighbors.transport.config]
    local-address = %q
  [neighbors.timers.config]
    connect-retry = 2
    hold-time = 9
    keepalive-interval = 3
%s
`, peer, as, vrf, ns.Name, config, local, strings.Join(sections, "\n"))
}

const vrfsOnly = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[vrfs]]
  [vrfs.config]
    name = "vrf-a"
    rd = "65000:10"
    both-rt-list = ["65000:10"]
[[vrfs]]
  [vrfs.config]
    name = "vrf-b"
    rd = "65000:20"
    both-rt-list = ["65000:20"]
`

// TCP MD5 and TTL security are on the sockets inside the namespace: with the
// same on both sides the session is up, else it is not and somebody says why.
// One tenant's mistake is not the other's.
func TestSessionSecurity(t *testing.T) {
	t.Parallel()
	l := newLab(t, frr, "vtysh")
	rtr := l.Namespace("rtr")
	a := newCustomer(l, l.Namespace("a"), 1, "neighbor 192.0.2.1 password right", "neighbor 2001:db8:c::1 password right-6")
	b := newCustomer(l, l.Namespace("b"), 2, "neighbor 192.0.2.1 ttl-security hops 1", "neighbor 2001:db8:c::1 ttl-security hops 1")
	const security = "  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255"
	config := func(password, security string) string {
		return vrfsOnly +
			inside("vrf-a", a.tenant, theirs4, ours4, 65101, fmt.Sprintf("auth-password = %q", password)) +
			inside("vrf-a", a.tenant, theirs6, ours6, 65101, `auth-password = "right-6"`) +
			inside("vrf-b", b.tenant, theirs4, ours4, 65102, "", security) +
			inside("vrf-b", b.tenant, theirs6, ours6, 65102, "", security) +
			bind("vrf-a", a.tenant, strings.Replace(importAll, "eth*", "lan*", 1), exportAll) +
			bind("vrf-b", b.tenant, strings.Replace(importAll, "eth*", "lan*", 1), exportAll)
	}
	d := rtr.Daemon(config("right", security))
	a.waitRoutes(t)
	b.waitRoutes(t)

	t.Log("this side's password is wrong: its IPv4 session is not there, the IPv6 one is")
	mark := b.tenant.Mark()
	d.Reload(config("wrong", security))
	installed := a.installed()
	a.tenant.WaitOwn(lab.Main, installed[2:]...)
	down := func(vrf, word string) {
		t.Helper()
		lab.WaitFor(t, "the status says why there is no session", 2*lab.Patience, func() string {
			n := neighborsOf(d, vrf)[0]
			if n.Address != theirs4 || n.State == "established" || !strings.Contains(n.Reason, word) {
				return fmt.Sprintf("%+v", n)
			}
			return ""
		})
		lab.WaitFor(t, "the log says why there is no session", 2*lab.Patience, func() string {
			for _, line := range strings.Split(d.Output(), "\n") {
				if strings.Contains(line, theirs4) && strings.Contains(line, word) && strings.Contains(line, "vrf="+vrf) {
					return ""
				}
			}
			return "no such line"
		})
	}
	down("vrf-a", "password")
	if a.peer.Established(ours4) {
		t.Error("the session is up with another password")
	}
	if strings.Contains(d.Output(), "wrong") || strings.Contains(d.Output(), "right-6") {
		t.Error("the log shows a password")
	}
	b.waitRoutes(t)
	lab.Equal(t, "what happened to the other tenant's routes meanwhile", 0, len(b.tenant.Since(mark)))

	t.Log("the right one again")
	d.Reload(config("right", security))
	a.waitRoutes(t)

	t.Log("TTL security on this side alone: the customer's TTL 1 does not reach it")
	mark = a.tenant.Mark()
	b.peer.Configure("router bgp 65102", "no neighbor 192.0.2.1 ttl-security hops 1")
	b.tenant.WaitOwn(lab.Main, b.installed()[2:]...)
	down("vrf-b", "does not answer any more") // FRR opens with TTL 255, and goes on with 1
	b.peer.Configure("router bgp 65102", "neighbor 192.0.2.1 ttl-security hops 1")
	b.waitRoutes(t)

	t.Log("TTL security on the customer's side alone: our TTL 1 does not reach it")
	d.Reload(config("right", ""))
	b.tenant.WaitOwn(lab.Main)
	if b.peer.Established(ours4) || b.peer.Established(ours6) {
		t.Error("the session is up with a TTL that the customer does not take")
	}
	d.Reload(config("right", security))
	b.waitRoutes(t)
	lab.Equal(t, "what happened to the other tenant's routes meanwhile", 0, len(a.tenant.Since(mark)))
}
