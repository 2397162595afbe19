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

// RequireSRv6 is the same of SRv6: user-mode Linux has none, and so is not asked for it.
const RequireSRv6 = "VRFREDIST_REQUIRE_SRV6"

// NoSRv6 begins the reason why SRv6 skips a test: who runs tests in user-mode Linux has those
// run once more, in QEMU.
const NoSRv6 = "this kernel has no SRv6"

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

// MPLS skips a test on a kernel that cannot put labels before packets, or has no routes of labels,
// and says where it runs instead. Where RequireVRF is set, the test fails.
func MPLS(t testing.TB) {
	t.Helper()
	err := labelPackets()
	switch {
	case err == nil:
	case os.Getenv(RequireVRF) == "1":
		t.Fatalf("no label can be put before packets here, and %s=1 says that it must: %v", RequireVRF, err)
	default:
		t.Skipf("this kernel has no MPLS, or has not loaded mpls_router and mpls_iptunnel: `make test-vm` runs this test (%v)", err)
	}
}

// HasMPLS tells whether the kernel has MPLS, for a test that leaves it out where it has none. Where
// RequireVRF is set, it is taken to be there.
func HasMPLS() bool { return os.Getenv(RequireVRF) == "1" || labelPackets() == nil }

// SRv6 skips a test on a kernel that cannot put packets into SRv6, and says where it runs
// instead. Where RequireSRv6 is set, the test fails.
func SRv6(t testing.TB) {
	t.Helper()
	err := segmentPackets()
	switch {
	case err == nil:
	case os.Getenv(RequireSRv6) == "1":
		t.Fatalf("no packet can be put into SRv6 here, and %s=1 says that it must: %v", RequireSRv6, err)
	default:
		t.Skipf(NoSRv6+": `make test-vm` runs this test in QEMU (%v)", err)
	}
}

// HasSRv6 tells whether the kernel has SRv6, for a test that leaves it out where it has none. Where
// RequireSRv6 is set, it is taken to be there.
func HasSRv6() bool { return os.Getenv(RequireSRv6) == "1" || segmentPackets() == nil }

// segmentPackets makes a route into SRv6 in a namespace that ends with the process.
func segmentPackets() error {
	return inThrowAway("ip link set lo up && ip -6 route add 2001:db8::/32 encap seg6 mode encap segs 2001:db8:1::1 dev lo")
}

// labelPackets makes a route with a label, and makes room for one, in a namespace that ends with
// the process.
func labelPackets() error {
	return inThrowAway("ip link set lo up && ip route add 198.51.100.0/24 encap mpls 16 dev lo && echo 100 >/proc/sys/net/mpls/platform_labels")
}

// inThrowAway runs a line of shell in a namespace that ends with it.
func inThrowAway(line string) error {
	cmd := exec.Command("sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

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
