// Package frrpe_test proves vrfredist as a provider edge beside FRR: tenants here reach FRR's by
// EVPN and VXLAN, and nobody else. On a kernel with VRF devices (`make test-vm` brings one) FRR's
// tenants are such, and one of vrfredist's two; on any other all are namespaces.
package frrpe_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	lab.Exit("integration/netns/frrpe", func() (int, error) {
		if err := lab.Waiting(); err != nil {
			return 0, err
		}
		return program.Play(m)
	})
}

// program is built where a test can run.
var program = run.Later()

// newLab returns a lab for a test that needs FRR, and these programs.
func newLab(t *testing.T, programs ...string) *lab.Lab {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, append(programs, "/usr/lib/frr/bgpd", "/usr/lib/frr/zebra", "vtysh", "ip", "bridge")...)
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	return lab.New(t, run)
}
