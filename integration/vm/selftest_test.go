package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// selfTest asks for the tests that start machines: each start takes from 6 s to
// 30 s of an emulated processor.
const selfTest = "VM_SELFTEST"

// actEnv makes this test binary, as a command in a machine, do what it says.
const actEnv = "VM_SELFTEST_ACT"

func TestMain(m *testing.M) {
	switch os.Getenv(actEnv) {
	case "":
		os.Exit(m.Run())
	case "panic":
		panic("as it was told")
	case "eat":
		for kept := [][]byte{}; ; {
			kept = append(kept, bytes.Repeat([]byte("x"), 64<<20))
			fmt.Println(len(kept))
		}
	}
}

// buildVMRun builds the program under test where the kernel can be found.
func buildVMRun(t *testing.T) string {
	t.Helper()
	if os.Getenv(selfTest) != "1" {
		t.Skipf("this starts virtual machines: %s=1 runs it, as root", selfTest)
	}
	program := filepath.Join(t.TempDir(), "vmrun")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build vmrun: %v: %s", err, out)
	}
	for _, machine := range machines {
		if out, err := exec.Command(program, "-prepare", "-machine", machine).CombinedOutput(); err != nil {
			t.Fatalf("vmrun -prepare -machine %s: %v: %s", machine, err, out)
		}
	}
	return program
}

// machines are the kinds that the tests start. Where user-mode Linux does not run, QEMU takes its
// place here too.
var machines = []string{qemuName, umlName}

// eachMachine has a test run in each kind of machine.
func eachMachine(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, machine := range machines {
		t.Run(machine, func(t *testing.T) {
			t.Setenv("VM_MACHINE", machine)
			test(t)
		})
	}
}

// ending is how vmrun is to end.
type ending struct {
	args           []string
	env            string
	code           int
	stdout, stderr string // what they hold among other things
}

func TestHowMachinesEnd(t *testing.T) {
	vmrun := buildVMRun(t)
	eachMachine(t, func(t *testing.T) { howItEnds(t, vmrun) })
}

func howItEnds(t *testing.T, vmrun string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]ending{
		"exit status 7": {args: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, code: 7, stdout: "out\n", stderr: "err\n"},
		"panic":         {args: []string{self}, env: actEnv + "=panic", code: 2, stderr: "panic: as it was told"},
		"killed":        {args: []string{"sh", "-c", "kill -9 $$"}, code: 137, stderr: "a signal ended the command: killed"},
		"out of memory": {args: []string{self}, env: actEnv + "=eat", code: 137, stdout: "1\n", stderr: "a signal ended the command: killed"},
		"hang":          {args: []string{"-timeout", "45s", "sh", "-c", "echo begun; sleep 1000"}, code: exitTimeout, stdout: "begun\n", stderr: "no result within 45s"},
		"kernel crash":  {args: []string{"sh", "-c", "echo c >/proc/sysrq-trigger"}, code: exitNoResult, stderr: "sysrq triggered crash"},
		"no program":    {args: []string{"/etc/passwd"}, code: exitNoResult, stderr: "/etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(vmrun, e.args...)
			cmd.Env = append(os.Environ(), e.env)
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			began := time.Now()
			err := cmd.Run()
			t.Logf("took %.1f s", time.Since(began).Seconds())
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != e.code || !strings.Contains(stdout.String(), e.stdout) || !strings.Contains(stderr.String(), e.stderr) {
				t.Errorf("exit status %d, want %d; stdout (wanted %q):\n%s\nstderr (wanted %q):\n%s", got, e.code, e.stdout, stdout.String(), e.stderr, stderr.String())
			}
			if left := machinesOf(t, cmd.Process.Pid); len(left) > 0 {
				t.Errorf("left the processes %v", left)
				endMachines(t, cmd.Process.Pid)
			}
		})
	}
}

// inside is what a machine is to be like, as a script that says what is not.
const inside = `
check() { eval "$1" || echo "not so: $1"; }
check 'test "$(cat /proc/sys/kernel/hostname)" = vmrun'
check 'test "$VRFREDIST_REQUIRE_VRF" = 1'
check 'test "$GREETING" = "hello, world"'
check 'test "$PWD" = "$EXPECTED_DIR"'
check 'ip -o link show lo | grep -q LOOPBACK,UP'
check 'test "$(ip -o link | wc -l)" = 1'
check 'ip link add red type vrf table 70000'
check 'ip netns add one && ip netns add two && ip netns exec one ip link add blue type vrf table 256 && ip netns del one'
check 'touch /etc/vmrun-was-here /run/x /var/run/y /tmp/z "$EXPECTED_DIR/w"'
check 'test -c /dev/null && test -d /dev/fd/ && test -w /dev/shm && test -L /dev/stdin'
check 'test "$(cat)" = ""'
check 'unshare -Ur true'
check 'modprobe sch_netem'
check 'dmesg | grep -q "crng init done"'
check '! { mkdir /tmp/again && mount -t hostfs -o "$EXPECTED_DIR" none /tmp/again && touch /tmp/again/w; } 2>/dev/null'
echo profile >"$GOCOVERDIR/profile"
sleep 1000 >/dev/null 2>&1 &
seq 300000
`

func TestMachineIsAHostOfItsOwn(t *testing.T) {
	vmrun := buildVMRun(t)
	eachMachine(t, func(t *testing.T) { hostOfItsOwn(t, vmrun) })
}

func hostOfItsOwn(t *testing.T, vmrun string) {
	t.Helper()
	cover, dir := t.TempDir(), t.TempDir()
	cmd := exec.Command(vmrun, "-v", "-cache", repositoryCache(t), "sh", "-c", inside)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GREETING=hello, world", "EXPECTED_DIR="+dir, "GOCOVERDIR="+cover)
	cmd.Stdin = strings.NewReader("this does not reach the command")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var numbers strings.Builder
	for i := range 300000 {
		fmt.Fprintln(&numbers, i+1)
	}
	if got := string(out); got != numbers.String() {
		complaints, _, _ := strings.Cut(got, "1\n2\n3\n")
		t.Errorf("%d bytes of output, want %d; complaints:\n%s", len(got), numbers.Len(), complaints)
	}
	if got, err := os.ReadFile(filepath.Join(cover, "profile")); string(got) != "profile\n" {
		t.Errorf("the folder of coverage holds %q, %v", got, err)
	}
	for _, path := range []string{"/etc/vmrun-was-here", filepath.Join(dir, "w")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written on the host", path)
		}
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.HasPrefix(line, "vmrun: ") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// TestQEMUTakesThePlace of a user-mode Linux that does not run: -prepare says so, and a test is told.
func TestQEMUTakesThePlace(t *testing.T) {
	vmrun := buildVMRun(t)
	cache, broken := t.TempDir(), t.TempDir()
	real := repositoryCache(t)
	modules, err := filepath.Glob(filepath.Join(real, "uml-6.1/lib"))
	if err != nil || len(modules) != 1 {
		t.Skipf("user-mode Linux cannot be had here: %v, %v", modules, err)
	}
	for name, target := range map[string]string{
		filepath.Join(cache, "kernel-6.1"): filepath.Join(real, "kernel-6.1"),
		filepath.Join(cache, "uml-6.1"):    broken,
		filepath.Join(broken, "lib"):       modules[0],
		filepath.Join(broken, umlProgram):  "/bin/false",
	} {
		// The machine sees the host's files elsewhere at first.
		from, err := filepath.Rel(filepath.Dir(name), target)
		if err = errors.Join(err, os.Symlink(from, name)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(vmrun, "-prepare", "-machine", umlName, "-cache", cache).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "User-mode Linux does not run here, and QEMU takes its place") {
		t.Fatalf("%v: %s", err, out)
	}
	out, err = exec.Command(vmrun, "-machine", umlName, "-cache", cache, "sh", "-c", "test -d /sys/class/virtio-ports", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in QEMU, because user-mode Linux does not run here: the machine ended without a result") {
		t.Errorf("%v: %s", err, out)
	}
}

// repositoryCache is where -prepare left the kernel.
func repositoryCache(t *testing.T) string {
	t.Helper()
	cache, err := debian.Cache("vm")
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

func TestNothingOutlivesARunner(t *testing.T) {
	vmrun := buildVMRun(t)
	eachMachine(t, func(t *testing.T) { nothingOutlives(t, vmrun) })
}

func nothingOutlives(t *testing.T, vmrun string) {
	t.Helper()
	for name, c := range map[string]struct {
		signal syscall.Signal
		code   int // -1: the signal itself ends it
	}{
		"killed":      {syscall.SIGKILL, -1},
		"interrupted": {syscall.SIGINT, 130},
		"quit":        {syscall.SIGQUIT, 131},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(vmrun, "sleep", "1000")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pid := cmd.Process.Pid
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait() // its status is looked at below
			}()
			t.Cleanup(func() { endMachines(t, pid) })
			waitFor(t, "QEMU to run", func() bool { return len(machinesOf(t, pid)) > 0 })
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			<-ended
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit status %d, want %d", got, c.code)
			}
			waitFor(t, "QEMU to be gone", func() bool { return len(machinesOf(t, pid)) == 0 })
		})
	}
}

// machinesOf lists the processes of the machine that a vmrun started.
func machinesOf(t *testing.T, vmrun int) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && bytes.Contains(line, fmt.Appendf(nil, "\x00vmrun-%d\x00", vmrun)) {
			found = append(found, filepath.Dir(file))
		}
	}
	return found
}

// endMachines ends what a vmrun left that fails its test.
func endMachines(t *testing.T, vmrun int) {
	t.Helper()
	for _, process := range machinesOf(t, vmrun) {
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("end the process %d: %v", pid, err)
		}
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited 30 s for %s", what)
		case <-tick.C:
		}
	}
}
