// Package devices_test proves vrfredist with VRF devices, in network namespaces
// that it makes and removes, on a kernel that has them. `make test-vm` brings one.
package devices_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	lab.Exit("integration/netns/devices", func() (int, error) {
		if err := lab.Waiting(); err != nil {
			return 0, err
		}
		return program.Play(m)
	})
}

// program is built where a test can run.
var program = run.Later()

// newLab returns a lab on a kernel that has VRF devices.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	need.VRF(t)
	lab.Need(t, "/usr/lib/frr/bgpd", "/usr/lib/frr/zebra", "vtysh", "ip")
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	return lab.New(t, run)
}
