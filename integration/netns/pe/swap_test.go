package pe_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestVNIsSwapped: two tenants get each other's VNI, first at one PE, whose tenants are reached with
// a VNI that is not the other PE's then, and after that at the other one.
func TestVNIsSwapped(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.pes[0], m.pes[1]
	for name := range vnis {
		m.reach(name, one, two)
	}
	swapped := strings.NewReplacer("vni = 100", "vni = 200", "vni = 200", "vni = 100")
	for _, pe := range m.pes {
		other := m.pes[2-pe.n]
		pe.daemon.Reload(swapped.Replace(m.config(pe, vtep(other.n))))
		for name, dev := range map[string]string{"red": "vx200", "blue": "vx100"} {
			lab.WaitFor(t, name+" has "+dev, lab.Patience, func() string {
				if _, err := pe.tenants[name].TryIP("link", "show", "dev", dev, "up"); err != nil {
					return err.Error()
				}
				return ""
			})
		}
		for name := range vnis {
			m.reach(name, one, two)
			m.reach(name, two, one)
		}
	}
	for name, dev := range map[string]string{"red": "vx100", "blue": "vx200"} {
		for _, pe := range m.pes {
			if out, err := pe.tenants[name].TryIP("link", "show", "dev", dev); err == nil {
				t.Errorf("%s at PE %d has its earlier device still: %s", name, pe.n, out)
			}
		}
	}
}
