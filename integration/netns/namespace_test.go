package netns_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// vrfStatus is what `vrf --json` says of one VRF.
type vrfStatus struct {
	Name, State, Reason string
}

func (n *tenants) waitVRF(name, state string) (reason string) {
	n.T.Helper()
	lab.WaitEqual(n.T, "the state of "+name, state, func() string {
		var all struct{ Vrfs []vrfStatus }
		n.daemon.JSON(&all, "vrf")
		for _, v := range all.Vrfs {
			if v.Name == name {
				reason = v.Reason
				return v.State
			}
		}
		return "absent"
	})
	return reason
}

// A namespace that is deleted while its worker runs, and made again under the
// same name: pending meanwhile, and nothing of it anywhere else.
func TestNamespaceComesBack(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.start(n.both())
	n.policies(policy{name: "AB", rts: rdA + " " + rdB, hop4: via0v4, hop6: via0v6})
	n.vpn("", "65100:1", 1, "AB")
	n.a.WaitOwn(lab.Main, over(0, 1)...)
	n.b.WaitOwn(lab.Main, over(0, 1)...)
	mark := n.b.Mark()

	for range 2 {
		n.a.Delete()
		if reason := n.waitVRF("vrf-a", "pending"); !strings.Contains(reason, n.a.Name) {
			t.Errorf("the reason does not name the namespace: %q", reason)
		}
		n.waitAnnounced(connected(rdB, 0, 1))
		for _, ns := range []*lab.Namespace{n.rtr, n.up, n.hostA, n.hostB} {
			lab.Equal(t, "routes of the daemon in "+ns.Role, []string{}, ns.OwnEverywhere())
		}

		n.a.Make()
		// Its host's ends of the veths went with it.
		n.wire(n.a, n.hostA)
		n.a.WaitOwn(lab.Main, over(0, 1)...)
		n.waitAnnounced(connected(rdA, 0, 1), connected(rdB, 0, 1))
		n.waitVRF("vrf-a", "ready")
	}
	lab.Equal(t, "what happened to the other tenant's routes meanwhile", 0, len(n.b.Since(mark)))
}

// A namespace that is not there when the daemon starts, and one that is left
// and entered again many times: no descriptor is left behind.
func TestNamespaceComesLate(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.a.Delete()
	n.start(n.both())
	n.waitVRF("vrf-a", "pending")
	n.waitVRF("vrf-b", "ready")
	n.waitAnnounced(connected(rdB, 0, 1))
	lab.Equal(t, "routes of the daemon in its own namespace", []string{}, n.rtr.OwnEverywhere())

	before := descriptors(t, n.daemon.PID())
	for range 10 {
		n.a.Make()
		n.waitVRF("vrf-a", "ready")
		n.a.Delete()
		n.waitVRF("vrf-a", "pending")
	}
	lab.WaitFor(t, "descriptors are given back", lab.Patience, func() string {
		// A client's connection may be open just now.
		if after := descriptors(t, n.daemon.PID()); after > before+2 {
			return fmt.Sprintf("%d before, %d after", before, after)
		}
		return ""
	})
	n.a.Make()
	n.wire(n.a, n.hostA)
	n.waitAnnounced(connected(rdA, 0, 1), connected(rdB, 0, 1))
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatalf("count the daemon's descriptors: %v", err)
	}
	return len(entries)
}
