// Package pe_test proves vrfredist as a provider edge: tenants of several machines reach each
// other through a core, and nobody else. Machines and tenants are network namespaces that it makes
// and removes.
package pe_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	lab.Exit("integration/netns/pe", func() (int, error) {
		if err := lab.Waiting(); err != nil {
			return 0, err
		}
		return program.Play(m)
	})
}

// program is built where a test can run.
var program = run.Later()

// newLab returns a lab for a test that needs these programs besides ip.
func newLab(t *testing.T, programs ...string) *lab.Lab {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, append(programs, "ip", "bridge")...)
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	return lab.New(t, run)
}
