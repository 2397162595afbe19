// Package netns_test proves vrfredist on the real kernel, in network namespaces
// that it makes and removes.
package netns_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

// missing says why no namespace can be made here; "" where one can.
var missing string

// nestedEnv marks a test binary that runs in a user namespace of its own.
const nestedEnv = "VRFREDIST_TEST_NESTED"

func TestMain(m *testing.M) {
	lab.Exit("integration/netns", func() (int, error) { return runAll(m) })
}

func runAll(m *testing.M) (code int, err error) {
	if err := lab.Waiting(); err != nil {
		return 0, err
	}
	if os.Geteuid() != 0 && os.Getenv(nestedEnv) == "" {
		err := userNamespaceWorks()
		if err == nil {
			return runNested()
		}
		missing = "not root, and this kernel gives no user namespace: " + err.Error()
	}
	dir, err := os.MkdirTemp("", "vrbin")
	if err != nil {
		return 0, fmt.Errorf("make a directory for the program under test: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := run.Build(dir); err != nil {
		return 0, err
	}
	if missing == "" {
		if err := lab.SweepLeftovers(); err != nil {
			return 0, err
		}
	}
	code = m.Run()
	return code, run.Judge()
}

// newLab returns a lab for a test that needs these programs besides ip.
func newLab(t *testing.T, programs ...string) *lab.Lab {
	t.Helper()
	if missing != "" {
		t.Skip(missing)
	}
	lab.Need(t, append(programs, "ip")...)
	return lab.New(t, run)
}

// The peers' programs.
const (
	frr   = "/usr/lib/frr/bgpd"
	bird  = "bird"
	gobgp = "gobgp"
)
