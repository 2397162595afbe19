// Package devices_test is the part of the fault matrix that needs VRF devices, or a
// machine whose clock it may set: `make test-vm` and `make faults` bring one.
package devices_test

import (
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	lab.Exit("integration/faults/devices", func() (int, error) { return program.Play(m) })
}

// program is built where a test can run.
var program = run.Later()

// newLab returns a lab on a kernel that has VRF devices.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	need.VRF(t)
	lab.Need(t, "bird", "birdc", "ip")
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	return lab.New(t, run)
}

// limit is how long a test waits; the virtual machine is slow.
const limit = 60 * time.Second

func measured(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Logf("measured: "+format, args...)
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
