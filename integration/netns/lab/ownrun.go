package lab

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// ownRunEnv names the test that a test binary was started for again.
const ownRunEnv = "VRFREDIST_TEST_OWN_RUN"

// InOwnRun runs the calling test again in a mount namespace with a /run of its
// own, where namespaces may have any name and the host's are not seen. It
// returns true in there; where it returns false, the test is over.
func InOwnRun(t *testing.T, run *Run) bool {
	t.Helper()
	if os.Getenv(ownRunEnv) == t.Name() {
		return true
	}
	argv := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs tmpfs /run && exec "$@"`, "sh",
		os.Args[0], "-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=5m"}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), ownRunEnv+"="+t.Name(), DaemonEnv+"="+run.Daemon)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Fatalf("with a /run of its own: %v\n%s", err, out)
	}
	return false
}
