// Package need says what a test needs of the kernel that it runs on.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// RequireVRF is the environment variable that, set to 1, makes a missing VRF
// device a failure: it is set where the kernel is known to have them, and in
// the virtual machine of integration/vm.
const RequireVRF = "VRFREDIST_REQUIRE_VRF"

// Booted is the environment variable that is set to 1 where systemd has booted in
// the virtual machine of integration/vm, and a test may install and start
// services.
const Booted = "VRFREDIST_BOOTED"

// Systemd skips a test that installs services anywhere but where that harms
// nobody, and says where it runs instead.
func Systemd(t testing.TB) {
	t.Helper()
	if os.Getenv(Booted) != "1" {
		t.Skip("this installs and starts a service: `make test-booted` runs this test, in a virtual machine")
	}
}

// VRF skips a test on a kernel that has no VRF devices and says where it runs
// instead. Where RequireVRF is set, the test fails.
func VRF(t testing.TB) {
	t.Helper()
	err := makeVRF()
	switch {
	case err == nil:
	case os.Getenv(RequireVRF) == "1":
		t.Fatalf("no VRF device can be made here, and %s=1 says that it must: %v", RequireVRF, err)
	default:
		t.Skipf("this kernel has no VRF device: `make test-vm`, or `make faults` for those of integration/faults, runs this test (%v)", err)
	}
}

// HasVRF tells whether the kernel has VRF devices, for a test that takes a namespace
// instead where it has none. Where RequireVRF is set, they are taken to be there.
func HasVRF() bool { return os.Getenv(RequireVRF) == "1" || makeVRF() == nil }

// makeVRF makes a VRF device in a namespace that ends with the process that
// makes it.
func makeVRF() error {
	cmd := exec.Command("ip", "link", "add", "probe", "type", "vrf", "table", "10")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip link add type vrf: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
