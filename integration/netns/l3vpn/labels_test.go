package l3vpn_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestRoomForLabels: the kernel has no room for labels, less than before, and room again: the VRF
// says which setting is in the way, the doctor's command mends it, and the labels are back by
// themselves. What else is in the label table stays as it is.
func TestRoomForLabels(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.devices(one, two)
	one.Core.Sysctl("mpls.platform_labels", "0")
	n.ours(one, two)
	n.wants(one, "red", "platform_labels")
	n.mends(one, "platform_labels")
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
		n.Counted(two.Tenants[name], one.Tenants[name])
	}
	before := edge.Entrances(one)
	one.Core.IP("-f", "mpls", "route", "add", "500", "dev", "lo", "protocol", "static")

	t.Log("less room, and more again")
	one.Core.Sysctl("mpls.platform_labels", "600")
	n.wants(one, "red", "platform_labels")
	one.Core.Sysctl("mpls.platform_labels", "100000")
	lab.WaitEqual(t, "the labels, with room for them again", before, func() map[string]string { return edge.Entrances(one) })
	for _, name := range edge.Names() {
		n.Reach(name, two, one)
	}
	if out := one.Core.IP("-f", "mpls", "route"); !strings.Contains(out, "500 dev lo proto static") {
		t.Errorf("what another program had is gone:\n%s", out)
	}
}

// TestLabelOfAnother: another program has the label that a VRF is to have: it stays there, the VRF
// says so, and tells nobody of a label that leads elsewhere. Once that is gone, the VRF has it.
func TestLabelOfAnother(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.devices(one, two)
	one.Tenants["red"].Keys = "  label = 1042\n"
	const foreign = "1042 dev lo proto static"
	one.Core.IP("-f", "mpls", "route", "add", "1042", "dev", "lo", "protocol", "static")
	n.ours(one, two)
	n.Reach("blue", one, two)
	n.wants(one, "red", "1042")
	if out := one.Core.IP("-f", "mpls", "route"); !strings.Contains(out, foreign) {
		t.Errorf("the other program's label is not as it was:\n%s", out)
	}
	lab.WaitEqual(t, "what the other PE has of red", nil, func() []string { return two.Tenants["red"].Own() })
	n.notice("blue", one, two, func() {
		one.Core.IP("-f", "mpls", "route", "del", "1042")
		n.Reach("red", one, two)
	})
	n.Counted(two.Tenants["red"], one.Tenants["red"])
	lab.Equal(t, "the label of red", []int{1042}, one.Tenants["red"].Labels())

	t.Log("another program overwrites it, which the kernel allows")
	one.Core.IP("-f", "mpls", "route", "replace", "1042", "dev", "lo", "protocol", "static")
	n.wants(one, "red", "1042")
	if out := one.Core.IP("-f", "mpls", "route"); !strings.Contains(out, foreign) {
		t.Errorf("the other program's label is not as it was:\n%s", out)
	}
	one.Daemon.Stop()
	if out := one.Core.IP("-f", "mpls", "route"); !strings.Contains(out, foreign) {
		t.Errorf("the other program's label is not as it was, with vrfredist gone:\n%s", out)
	}
}

// TestNumberChanges: a VRF gets another label, or SID, by the configuration, a third one, and the first
// again. Of ten packets a second each way, in both families, none is lost, of the VRF's or of the other's;
// the other PE sends by the new number, and the one before goes. No session begins anew, and no route of
// a tenant is written.
func TestNumberChanges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		by     edge.By
		tenant func(n *network, pe *edge.PE, name string)
	}{
		{"MPLS, VRF devices", edge.MPLS, func(n *network, pe *edge.PE, name string) { n.Device(pe, name) }},
		{"MPLS, namespaces", edge.MPLS, func(n *network, pe *edge.PE, name string) { n.Linked(pe, name, false) }},
		{"SRv6, VRF devices", edge.SRv6, func(n *network, pe *edge.PE, name string) { n.Device(pe, name) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNetwork(t, tc.by, 2)
			for _, pe := range n.PEs {
				for _, name := range edge.Names() {
					tc.tenant(n, pe, name)
				}
			}
			n.ours(n.PEs...)
			n.numberChanges()
		})
	}
}

// TestTrustedNumberChanges is TestNumberChanges of namespaces that put packets into SRv6 themselves, where
// the SIDs are in them too.
func TestTrustedNumberChanges(t *testing.T) {
	t.Parallel()
	n := trusted(t, 2)
	n.ours(n.PEs...)
	n.numberChanges()
}

// TestNumberChangesBeforeFRR is TestNumberChanges with FRR as the other PE, which installs no IPv6 of
// tenants over an IPv4 core.
func TestNumberChangesBeforeFRR(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2, frrPrograms...)
	n.devices(n.PEs...)
	n.frr(n.PEs[1])
	n.ours(n.PEs[0])
	n.numberChanges(4)
}

func (n *network) numberChanges(families ...int) {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	for _, name := range edge.Names() {
		n.Reach(name, one, two, families...)
		n.Reach(name, two, one, families...)
	}
	red := one.Tenants["red"]
	key := func(number string) string { return fmt.Sprintf("  sid = %q\n", number) }
	first := red.SID(false).String()
	numbers := []string{"fd00:1:0:1:4242::", "fd00:1:0:1:4243::", first}
	if n.By == edge.MPLS {
		key = func(number string) string { return "  label = " + number + "\n" }
		numbers = []string{"1042", "1043", fmt.Sprint(red.Labels()[0])}
	}
	since, sids := n.since(one, two), netip.MustParsePrefix(edge.Locator(one.N))
	marks := map[*lab.Namespace]int{}
	for _, tenant := range one.Tenants {
		marks[tenant.NS] = tenant.NS.Mark()
	}
	keys := red.Keys
	for _, number := range numbers {
		pulse := n.Pulse()
		for _, name := range edge.Names() {
			edge.Between(n.Network, pulse, name, one, two, false)
			if len(families) == 0 {
				edge.Between(n.Network, pulse, name, one, two, true)
			}
		}
		red.Keys = keys + key(number)
		was := numbersOf(n.T, red)
		one.Daemon.Reload(n.config(one))
		lab.WaitFor(n.T, "red has "+number+" alone", 2*lab.Patience, func() string {
			now := numbersOf(n.T, red)
			if len(now) != len(was) || !slices.Contains(now, number) {
				return fmt.Sprintf("there is %q, and there was %q", now, was)
			}
			return ""
		})
		if sent := pulse.EndWhole(); sent == 0 {
			n.T.Error("no packet was sent")
		}
		n.Counted(two.Tenants["red"], red, families...)
		n.Counted(red, two.Tenants["red"], families...)
	}
	for ns, mark := range marks {
		for _, e := range ns.Since(mark) {
			if !sids.Contains(e.Prefix.Addr()) {
				n.T.Errorf("%s: %+v", ns.Role, e)
			}
		}
	}
	if now := n.since(one, two); now != since {
		n.T.Errorf("the session with the other PE began at %d, and now at %d", since, now)
	}
}

// TestNewLabelRefused: a VRF is to have a label that another program has, and then one that the kernel has
// no room for. The other PE goes on sending by the one of before, and no packet is lost; the VRF says what
// is in the way, and once that is mended it has the label.
func TestNewLabelRefused(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.devices(one, two)
	n.ours(one, two)
	n.Reach("red", one, two)
	n.Reach("red", two, one)
	red := one.Tenants["red"]
	ip := func(words string) func() { return func() { one.Core.IP(strings.Fields(words)...) } }
	room := func(labels string) func() { return func() { one.Core.Sysctl("mpls.platform_labels", labels) } }
	for _, step := range []struct {
		label         int
		breaks, mends func()
		wants         string
	}{
		{1042, ip("-f mpls route add 1042 dev lo protocol static"), ip("-f mpls route del 1042"), "another program has it (protocol 4; see ip -f mpls route show 1042)"},
		{1095, room("1090"), room("100000"), "net.mpls.platform_labels=1096"},
	} {
		was := red.Labels()
		step.breaks()
		pulse := n.Pulse()
		edge.Between(n.Network, pulse, "red", one, two, false, true)
		red.Keys = fmt.Sprintf("  label = %d\n", step.label)
		one.Daemon.Reload(n.config(one))
		n.wants(one, "red", step.wants)
		n.wants(one, "red", fmt.Sprintf("other PEs send by the label %d of before", was[0]))
		pulse.Lasts(12 * time.Second) // longer than a label stays that is to go
		lab.Equal(t, "the labels of red", was, red.Labels())
		step.mends()
		lab.WaitEqual(t, "the labels of red", []int{step.label}, red.Labels)
		pulse.EndWhole()
		n.Counted(two.Tenants["red"], red)
	}
}

// numbersOf are the labels, or SIDs, that lead to a tenant in the kernel of its PE.
func numbersOf(t testing.TB, of *edge.Tenant) (list []string) {
	t.Helper()
	number := regexp.MustCompile(`: (\d+|fd00:1:0:1:\S*) `)
	for _, line := range entrances(t, of.PE)[of.Name] {
		if found := number.FindStringSubmatch(line); found != nil {
			list = append(list, strings.TrimSuffix(found[1], "/128"))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// since is when the session of a PE with another one began.
func (n *network) since(pe, other *edge.PE) int64 {
	n.T.Helper()
	var list struct {
		Neighbors []struct {
			Address   string
			SinceUnix int64 `json:"since_unix"`
		}
	}
	pe.Daemon.JSON(&list, "neighbor")
	for _, one := range list.Neighbors {
		if one.Address == other.Addr() {
			return one.SinceUnix
		}
	}
	n.T.Fatalf("PE %d has no neighbour %s: %+v", pe.N, other.Addr(), list)
	return 0
}

// notice has packets of a tenant go both ways while something is done, and none may be lost.
func (n *network) notice(name string, a, b *edge.PE, do func()) {
	n.T.Helper()
	pulse := n.Pulse()
	edge.Between(n.Network, pulse, name, a, b, false, true)
	do()
	pulse.EndWhole()
}

// wants waits until a VRF says that something is in its way.
func (n *network) wants(pe *edge.PE, name, what string) {
	n.T.Helper()
	lab.WaitFor(n.T, fmt.Sprintf("%s says that it wants %s", name, what), lab.Patience, func() string {
		for _, v := range vrfs(pe.Daemon) {
			if v.Name == name && v.State != "ready" && strings.Contains(v.Reason, what) {
				return ""
			}
		}
		return fmt.Sprint(vrfs(pe.Daemon))
	})
}

// mends has the doctor find what a check is about, and pastes its command.
func (n *network) mends(pe *edge.PE, what string) {
	n.T.Helper()
	for _, f := range n.doctor(pe).Findings {
		if strings.Contains(f.Mend, what) {
			pe.Core.Paste(f, "")
			return
		}
	}
	n.T.Fatalf("the doctor finds nothing about %s", what)
}
