package pe_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestVNIsSwapped: two tenants get each other's VNI, first at one PE, whose tenants are reached with
// a VNI that is not the other PE's then, and after that at the other one.
func TestVNIsSwapped(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	for name := range edge.Numbers {
		m.Reach(name, one, two)
	}
	swapped := strings.NewReplacer("vni = 100", "vni = 200", "vni = 200", "vni = 100")
	for _, pe := range m.PEs {
		other := m.PEs[2-pe.N]
		pe.Daemon.Reload(swapped.Replace(pe.Config(edge.Loopback(other.N))))
		for name, dev := range map[string]string{"red": "vx200", "blue": "vx100"} {
			lab.WaitFor(t, name+" has "+dev, lab.Patience, func() string {
				if _, err := pe.Tenants[name].NS.TryIP("link", "show", "dev", dev, "up"); err != nil {
					return err.Error()
				}
				return ""
			})
		}
		for name := range edge.Numbers {
			m.Reach(name, one, two)
			m.Reach(name, two, one)
		}
	}
	for name, dev := range map[string]string{"red": "vx100", "blue": "vx200"} {
		for _, pe := range m.PEs {
			if out, err := pe.Tenants[name].NS.TryIP("link", "show", "dev", dev); err == nil {
				t.Errorf("%s at PE %d has its earlier device still: %s", name, pe.N, out)
			}
		}
	}
}
