// Package devices_test is the part of the fault matrix that needs VRF devices, or a
// machine whose clock it may set: `make test-vm` and `make faults` bring one.
package devices_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration/faults/devices:", err)
		code = 1
	}
	os.Exit(code)
}

// build makes the program under test, once, and only where a test can run.
var build = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "vrbin"); err != nil {
		return "", fmt.Errorf("make a directory for the program under test: %w", err)
	}
	return dir, errors.Join(run.Build(dir), lab.SweepLeftovers())
})

func runAll(m *testing.M) (code int, err error) {
	code = m.Run()
	if run.Daemon != "" {
		dir, _ := build() // its error has failed a test
		err = os.RemoveAll(dir)
	}
	return code, errors.Join(err, run.Judge())
}

// newLab returns a lab on a kernel that has VRF devices.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	need.VRF(t)
	for _, p := range []string{"bird", "birdc", "ip"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run scripts/install-deps.sh as root", p)
		}
	}
	if _, err := build(); err != nil {
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
