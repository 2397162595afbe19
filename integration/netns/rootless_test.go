package netns_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// inUserNamespace is the command line that runs another as root of a user
// namespace of its own. `ip netns` needs a /run that it may write.
func inUserNamespace(argv ...string) []string {
	return append([]string{"unshare", "-Urnm", "sh", "-c", `mount -t tmpfs tmpfs /run && exec "$@"`, "sh"}, argv...)
}

func userNamespaceWorks() error {
	argv := inUserNamespace("ip", "netns", "add", "probe")
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// runNested runs this test binary again in a user namespace, for a user who is
// not root.
func runNested() (int, error) {
	argv := inUserNamespace(os.Args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), nestedEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// nobody starts a program as a user without any right. Only root may do that;
// another user has no more rights already.
func nobody() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 && os.Getenv(nestedEnv) == "" {
		attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return attr
}

// needUserNamespaces skips the test where a plain user gets no namespaces.
func needUserNamespaces(t *testing.T) {
	t.Helper()
	if os.Getenv(nestedEnv) != "" {
		t.Skip("this is the suite in a user namespace already")
	}
	probe := exec.Command("unshare", "-Urnm", "true")
	probe.SysProcAttr = nobody()
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("this kernel gives a plain user no user namespace: %v: %s", err, strings.TrimSpace(string(out)))
	}
}

// TestRootless runs a part of this suite as a user without any right, in a user
// namespace.
func TestRootless(t *testing.T) {
	newLab(t, "unshare", "mount", frr, bird)
	needUserNamespaces(t)
	dir := openDir(t)
	if err := os.Chmod(dir, 0o777); err != nil { // for what the tests write: not every /tmp is for everybody
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "netns.test")
	copyFile(t, os.Args[0], binary)
	argv := inUserNamespace(binary, "-test.v", "-test.timeout=3m",
		"-test.run=^(TestImportsOfTwoTenants|TestForeignRouteIsLeftAlone|TestNamespaceComesBack)$")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = nobody()
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), nestedEnv+"=1", lab.DaemonEnv+"="+run.Daemon, "HOME="+dir, "TMPDIR="+dir)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the suite in a user namespace: %v\n%s", err, out)
	}
	if passed := strings.Count(string(out), "\n--- PASS: "); passed != 3 {
		t.Fatalf("%d tests passed in the user namespace, want 3:\n%s", passed, out)
	}
	t.Logf("3 tests passed as a plain user in %v", time.Since(start).Round(time.Second))
}
