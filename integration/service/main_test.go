// Package service_test proves what ships vrfredist: the static program, the
// systemd unit and the rights that it gives, and the Debian package.
package service_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary.
var run = &lab.Run{Protocol: 179}

// work is where programs are built, once for all tests.
var work string

// version is that of all that is built here.
const version = "1.2.3~test+4.g0123456789ab"

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration/service:", err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	if work, err = os.MkdirTemp("", "vrsvc"); err != nil {
		return 0, fmt.Errorf("make a directory for what is built: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.Chmod(work, 0o755); err != nil { // others than root run the program too
		return 0, err
	}
	code = m.Run()
	if run.Daemon != "" {
		err = run.Judge()
	}
	return code, err
}

// program builds the program as it is shipped, once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "vrfredist")
	return path, build("../..", path)
})

func build(module, output string) error {
	cmd := exec.Command("scripts/build.sh", output, version)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "PGO=off") // minutes less, and nothing here is about speed
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("scripts/build.sh: %w: %s", err, out)
	}
	return nil
}

// shipped returns the program's path.
func shipped(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// must runs a program and returns what it prints.
func must(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}
