package l3vpn_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

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

// TestNumberChanges: a VRF gets another label, or SID, by the configuration, and another PE sends by that
// one; the number that it had goes once nobody sends by it. The other VRF loses nothing.
func TestNumberChanges(t *testing.T) {
	for _, tc := range []struct {
		by  edge.By
		key string
	}{{edge.MPLS, "  label = 1042\n"}, {edge.SRv6, "  sid = \"fd00:1:0:1:4242::\"\n"}} {
		t.Run(string(tc.by), func(t *testing.T) {
			n := newNetwork(t, tc.by, 2)
			one, two := n.PEs[0], n.PEs[1]
			n.devices(one, two)
			n.ours(one, two)
			for _, name := range edge.Names() {
				n.Reach(name, one, two)
				n.Reach(name, two, one)
			}
			red := one.Tenants["red"]
			before := entrances(t, one)["red"]
			n.notice("blue", one, two, func() {
				red.Keys = tc.key
				one.Daemon.Reload(n.config(one))
				lab.WaitFor(t, "red has another number alone", 2*lab.Patience, func() string {
					now := entrances(t, one)["red"]
					if len(now) != len(before) || slices.ContainsFunc(now, func(s string) bool { return isNumber(s) && slices.Contains(before, s) }) {
						return fmt.Sprintf("there is %q, and there was %q", now, before)
					}
					return ""
				})
				n.Reach("red", two, one)
			})
			n.Counted(two.Tenants["red"], red)
			n.Counted(red, two.Tenants["red"])
		})
	}
}

// isNumber tells whether a line of what a PE has for a VRF is its label or its SID.
func isNumber(line string) bool {
	return strings.Contains(line, "seg6local") || regexp.MustCompile(`^\S+: \d+ dev `).MatchString(line)
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
