package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// DaemonEnv is the environment variable that names a program that is built
// already: a test binary that another one starts has no compiler.
const DaemonEnv = "VRFREDIST_TEST_DAEMON"

// Build builds the program under test with the race detector, into dir.
func (r *Run) Build(dir string) error {
	if built := os.Getenv(DaemonEnv); built != "" {
		r.Daemon = built
		return nil
	}
	r.Daemon = filepath.Join(dir, "vrfredist")
	build := exec.Command("go", "build", "-race", "-pgo=off", "-o", r.Daemon, "github.com/vrfredist/vrfredist/cmd/vrfredist")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build vrfredist: %w\n%s", err, out)
	}
	if err := endAtOnce(); err != nil {
		return err
	}
	// Others than root run it too, in the rootless test.
	return os.Chmod(dir, 0o755)
}

// endAtOnce has programs that are built with the race detector not wait for a second when they
// end, which they do for goroutines that go on: each call of a command took that second.
func endAtOnce() error {
	if os.Getenv("GORACE") != "" {
		return nil
	}
	return os.Setenv("GORACE", "atexit_sleep_ms=0")
}

// Judge is the assertion over the whole run: whatever the tests did, the daemon
// changed no foreign route.
func (r *Run) Judge() error {
	events, violations := r.Summary()
	fmt.Printf("watched %d route messages in all namespaces; foreign routes that were changed: %d\n", events, len(violations))
	for _, v := range violations {
		fmt.Println("  " + v)
	}
	if len(violations) > 0 {
		return fmt.Errorf("%d foreign routes were changed", len(violations))
	}
	return nil
}
