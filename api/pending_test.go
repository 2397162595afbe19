package api

import (
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestANeighbourWithoutAnAddress is named by its interface, and can be asked for.
func TestANeighbourWithoutAnAddress(t *testing.T) {
	waits := vrf.Session{Interface: "eth9", PeerAS: 65009, State: "pending", Reason: "the interface eth9 is not there"}
	all := map[string][]vrf.Session{vrf.Default: {waits}}
	wanted, err := neighborFilter("eth9", all)
	if err != nil || !wanted(waits) || wanted(vrf.Session{Interface: "eth8"}) {
		t.Errorf("it is not found by its interface: %v", err)
	}
	if _, err := neighborFilter("eth8", all); err == nil {
		t.Error("an interface that no neighbour is on is taken for a name")
	}
	m := neighborMessage(waits)
	if m.GetAddress() != "eth9" || m.GetState() != "pending" || m.GetReason() != waits.Reason {
		t.Errorf("it is told as %v", m)
	}
}
