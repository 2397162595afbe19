package pe_test

import (
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestCrash: a PE's daemon is killed and away for 15 seconds; of ten packets a second each way, in
// both families, none is lost. It comes back with the same VNI and MAC address, and writes nothing
// that stands.
func TestCrash(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	m.Reach("red", one, two)
	m.Reach("red", two, one)
	mac := one.Tenants["red"].MAC()
	pulse := m.Pulse()
	for _, six := range []bool{false, true} {
		pulse.Between(one.Tenants["red"].Host, edge.Host(2, six))
		pulse.Between(two.Tenants["red"].Host, edge.Host(1, six))
	}
	one.Daemon.Kill()
	pulse.Lasts(15 * time.Second)
	mark := one.Tenants["red"].NS.Mark()
	one.Daemon.Start()
	lab.WaitFor(t, "the VRF is ready again", lab.Patience, func() string {
		var vrfs struct {
			Vrfs []struct{ Name, State, Reason string }
		}
		one.Daemon.JSON(&vrfs, "vrf")
		for _, v := range vrfs.Vrfs {
			if v.State != "ready" {
				return v.Name + " is " + v.State + ": " + v.Reason
			}
		}
		return ""
	})
	pulse.Lasts(5 * time.Second)
	pulse.EndWhole()
	for _, ev := range one.Tenants["red"].NS.Since(mark) {
		t.Errorf("after the restart: %v", ev)
	}
	lab.Equal(t, "the MAC address", mac, one.Tenants["red"].MAC())
	m.Reach("blue", one, two)
}
