package netns_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestRollbackOfWhatIsAnnounced: a reload that is not confirmed, and one during which the daemon is
// killed, leave policies, networks, aggregates and conditions as they were before, in the kernel and
// at neighbours.
func TestRollbackOfWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	for _, vrf := range []string{"default", "red"} {
		t.Run(vrf, func(t *testing.T) {
			t.Parallel()
			x := newTelling(t, vrf)
			policy := func(rules string) string {
				return "[[netlink.policies]]\n  name = \"to-kernel\"\n  default = \"accept\"\n" + rules
			}
			rejects := func(prefixes string) string {
				return "  [[netlink.policies.rules]]\n    prefixes = [" + prefixes + "]\n    action = \"reject\"\n"
			}
			const judged = "    policy = \"to-kernel\"\n"
			before := x.config(judged + `  [[netlink.vrfs.bgp.aggregates]]
    prefix = "10.0.0.0/8"
    communities = ["65000:8"]
  [[netlink.vrfs.bgp.aggregates]]
    prefix = "2001:db8:a00::/40"
  [[netlink.vrfs.bgp.networks]]
    prefix = "203.0.113.0/24"
  [[netlink.vrfs.bgp.networks]]
    prefix = "198.51.100.0/24"
  [[netlink.vrfs.bgp.conditions]]
    prefixes = ["198.51.100.0/24"]
    while = ["11.0.0.0/16"]
` + policy(rejects(`"11.0.0.0/16"`)))
			after := x.config(judged + `  [[netlink.vrfs.bgp.aggregates]]
    prefix = "11.0.0.0/8"
    suppress = true
  [[netlink.vrfs.bgp.networks]]
    prefix = "198.51.100.0/24"
    communities = ["65000:7"]
  [[netlink.vrfs.bgp.networks]]
    prefix = "2001:db8:f00::/40"
  [[netlink.vrfs.bgp.conditions]]
    prefixes = ["2001:db8:f00::/40"]
    while = ["11.0.0.0/16"]
` + policy(rejects(`"10.1.0.0/16"`)+"  [[netlink.policies.rules]]\n    families = [\"ipv4\"]\n    action = \"accept\"\n    set_metric = 50\n"))
			x.daemon = x.rtr.Daemon(before)
			x.announces("10.1.0.0/16", "11.0.0.0/16", "2001:db8:a01::/48")
			was := func(when string) {
				t.Helper()
				t.Log(when)
				x.heard([]string{"10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/24"}, []string{"2001:db8:a00::/40", "2001:db8:a01::/48"})
				x.at.WaitOwn(lab.Main, "blackhole 10.0.0.0/8 metric 20", "10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20",
					"blackhole 2001:db8:a00::/40 metric 20", "2001:db8:a01::/48 via 2001:db8:1::2 dev lan0 metric 20")
				x.carries("10.0.0.0/8", "65000:8", true)
			}
			is := func(when string) {
				t.Helper()
				t.Log(when)
				x.heard([]string{"11.0.0.0/8", "198.51.100.0/24"}, []string{"2001:db8:a01::/48", "2001:db8:f00::/40"})
				x.at.WaitOwn(lab.Main, "blackhole 11.0.0.0/8 metric 20", "11.0.0.0/16 via 192.168.1.2 dev lan0 metric 50", "2001:db8:a01::/48 via 2001:db8:1::2 dev lan0 metric 20")
				x.carries("198.51.100.0/24", "65000:7", true)
			}
			was("from the start")
			x.daemon.Write(after)
			x.daemon.Do("reload", "--confirm", "15s")
			is("while it waits to be confirmed")
			was("after it was taken back")
			x.daemon.Do("reload", "--confirm", "10m")
			is("while it waits again")
			x.daemon.Signal(syscall.SIGKILL)
			_ = x.daemon.Wait(lab.Patience) // it was killed
			x.daemon.Start()
			was("after the daemon was killed")
			x.daemon.Do("reload", "--confirm", "10m")
			is("while it waits once more")
			x.daemon.Do("confirm")
			is("after it was confirmed")
		})
	}
}

// carries waits until FRR's path of a prefix has a community, or has not.
func (x *telling) carries(prefix, community string, is bool) {
	x.T.Helper()
	lab.WaitFor(x.T, fmt.Sprintf("FRR's path of %s carries %s: %v", prefix, community, is), lab.Patience, func() string {
		if said := x.hears.Ask("show bgp ipv4 unicast " + prefix); strings.Contains(said, community) != is {
			return said
		}
		return ""
	})
}

// TestRollbackOfLeaks: a reload that is not confirmed leaves leaks, with their policies, limits and
// links, as they were before, whether it took them away, changed them, or brought them.
func TestRollbackOfLeaks(t *testing.T) {
	t.Parallel()
	h := newHoster(t)
	h.daemon = h.rtr.Daemon(h.config(behindOneUpstream))
	local := [2]string{h.tenants[1].LinkLocal("core"), h.rtr.LinkLocal("to-blue")}
	table := func(n *lab.Namespace, want ...[]string) {
		t.Helper()
		var all []string
		for _, w := range want {
			all = append(all, w...)
		}
		n.WaitOwn(lab.Main, all...)
	}
	upstream := []string{"default via 203.0.113.2 dev up0 metric 20", "default via 2001:db8:f::2 dev up0 metric 20"}
	red := []string{"10.1.0.0/16 via 10.255.1.2 dev to-red metric 20", "2001:db8:a01::/48 via 2001:db8:e1::2 dev to-red metric 20"}
	blue := []string{"10.2.0.0/16 via " + local[0] + " dev to-blue metric 20", "2001:db8:a02::/48 via " + local[0] + " dev to-blue metric 20"}
	own := [2][]string{}
	for i := range own {
		own[i] = []string{fmt.Sprintf("10.%d.0.0/16 via 192.168.1.2 dev lan0 metric 20", i+1), fmt.Sprintf("2001:db8:a0%d::/48 via 2001:db8:1::2 dev lan0 metric 20", i+1)}
	}
	defaults := [2][]string{
		{"default via 10.255.1.1 dev core metric 20", "default via 2001:db8:e1::1 dev core metric 20"},
		{"default via " + local[1] + " dev core metric 20", "default via " + local[1] + " dev core metric 20"},
	}
	hears := func(who *lab.BIRD, v4, v6 []string) {
		t.Helper()
		lab.WaitEqual(t, "what a neighbour hears of IPv4", v4, func() []string { return who.Received("v4") })
		lab.WaitEqual(t, "what a neighbour hears of IPv6", v6, func() []string { return who.Received("v6") })
	}
	all := func(when string) {
		t.Helper()
		t.Log(when)
		table(h.rtr, upstream, red, blue)
		table(h.tenants[0], defaults[0], own[0])
		table(h.tenants[1], defaults[1], own[1])
		hears(h.upstream, []string{"10.1.0.0/16", "10.2.0.0/16"}, []string{"2001:db8:a01::/48", "2001:db8:a02::/48"})
		for _, c := range h.customer {
			hears(c, []string{"0.0.0.0/0"}, []string{"::/0"})
		}
	}
	none := func(when string) {
		t.Helper()
		t.Log(when)
		table(h.rtr, upstream)
		table(h.tenants[0], own[0])
		table(h.tenants[1], own[1])
		hears(h.upstream, nil, nil)
		for _, c := range h.customer {
			hears(c, nil, nil)
		}
	}
	unconfirmed := func(leaks [3]string) {
		t.Helper()
		h.daemon.Write(h.config(leaks))
		h.daemon.Do("reload", "--confirm", "20s")
	}
	all("from the start")
	unconfirmed([3]string{})
	none("without leaks, while it waits to be confirmed")
	all("after it was taken back")

	// Other policies, and one rule less: the upstream's default route comes into red alone, and
	// of red's customer nothing goes out.
	swapped := [3]string{leakRule("blue", "    policy = \"customers\"\n    link = \"to-blue\"\n    max_prefixes = 1\n"), behindOneUpstream[1], leakRule("default", "    policy = \"customers\"\n    link = \"core\"\n")}
	unconfirmed(swapped)
	h.tenants[1].WaitOwn(lab.Main, own[1]...)
	lab.WaitFor(t, "one of blue's prefixes is leaked", lab.Patience, func() string {
		if got := h.rtr.Own(lab.Main); len(got) != len(upstream)+1 {
			return strings.Join(got, "\n")
		}
		return ""
	})
	all("after the others were taken back")

	h.daemon.Reload(h.config([3]string{}))
	none("without leaks, for good")
	unconfirmed(behindOneUpstream)
	all("with leaks, while it waits to be confirmed")
	none("after they were taken back")
}
