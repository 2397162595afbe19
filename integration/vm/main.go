// Vmrun runs one command, usually a Go test binary, on a kernel that has VRF
// devices: Debian's, in a virtual machine that sees the host's files.
//
//	vmrun -prepare                                  install QEMU, fetch the kernel
//	vmrun -prepare -machine uml                     fetch user-mode Linux, and try it
//	vmrun -prepare -kernel 6.12                     another kernel, beside the others
//	VM_KERNEL=6.12 vmrun uname -r                   run something on that
//	go test -exec "$PWD/.cache/vm/vmrun" ./...      run tests in it
//	vmrun ip link add red type vrf table 10         run anything in it
//	vmrun -systemd systemctl status                 where the host's systemd has booted
//
// The host's files are there as they are on the host, and nothing that the
// command writes reaches them: changes are kept in memory and go with the
// machine. Only the folders that coverage and profiles are written to are
// shared. The command's environment and working folder are the caller's, its
// standard input is empty, and there is no network but its own loopback.
// VRFREDIST_REQUIRE_VRF=1 is set, so that no test is skipped there for want of
// a VRF device.
//
// With -systemd, process 1 is the host's systemd, and the command is the one
// service that it starts, besides the journal's: nothing of what the host
// enabled runs, and the host's own units in /etc are not there. VRFREDIST_BOOTED=1
// is set, for tests that install services.
//
// The exit status is the command's, 128 and the signal's number where a signal
// ended it, 124 where the time limit did, and 125 where there is no result: the
// machine did not start, or ended before the command. With 125 the machine's
// console is shown.
//
// The kernel is one of those that Debian's suites have now, named by how its version
// begins: 6.1, 6.12, 7. Without -kernel or VM_KERNEL it is 6.1. -prepare ends with 69
// where no suite has such a one, or none can be reached: who runs tests on several goes
// on with the others, and says so.
//
// There are two kinds of machine, and -machine or VM_MACHINE chooses. QEMU (qemu), which is
// taken where nothing is said, emulates the processor, which is slow and works everywhere.
// VM_ACCEL=kvm uses KVM instead; the mere presence of /dev/kvm does not, because there are
// hosts where it is there and hangs. VRFREDIST_REQUIRE_SRV6=1 is set in it besides.
//
// User-mode Linux (uml) is a kernel that is a program of the host's: a test takes a quarter of the
// time in it, or less. It has one processor, no SRv6 and none of the race detector's room.
// -prepare tries whether it runs on this processor, for a minute at the
// longest. Where it does not, -prepare says so and prepares QEMU, and whoever asks for it later
// gets QEMU. A test that is run with -test.v is told first which machine it has: on standard
// error, in a line that begins with "vmrun: Linux".
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// What vmrun itself ends with; everything else is the command's.
const (
	exitUsage       = 2
	exitUnavailable = 69 // EX_UNAVAILABLE of sysexits(3)
	exitTimeout     = 124
	exitNoResult    = 125
)

type options struct {
	prepare bool
	verbose bool
	systemd bool
	cache   string
	machine string // of which kind
	kernel  string // how its version begins
	accel   string
	timeout time.Duration // 0: by the test's own
	memory  string        // of the machine, as QEMU's -m and user-mode Linux's mem= have it
}

func main() {
	// The signal that ends QEMU with its parent follows the thread that started
	// it: this one lasts as long as the process.
	runtime.LockOSThread()
	if os.Args[0] == initPath && os.Getpid() == 1 {
		guest()
	}
	if os.Args[0] == agentPath {
		agent()
	}
	if os.Args[0] == keeperName && len(os.Args) == 2 {
		keeper(os.Args[1])
	}
	code, err := host(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmrun:", err)
	}
	os.Exit(code)
}

func host(args []string) (int, error) {
	o := options{
		accel: os.Getenv("VM_ACCEL"), machine: cmp.Or(os.Getenv("VM_MACHINE"), qemuName), kernel: cmp.Or(os.Getenv("VM_KERNEL"), defaultKernel),
	}
	flags := flag.NewFlagSet("vmrun", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: vmrun -prepare [-machine KIND] [-kernel VERSION] | vmrun [-machine KIND] [-kernel VERSION] [-v] [-systemd] [-memory SIZE] [-timeout LIMIT] COMMAND [ARGUMENT…]")
		flags.PrintDefaults()
	}
	flags.BoolVar(&o.prepare, "prepare", false, "install and fetch what is missing")
	flags.BoolVar(&o.verbose, "v", false, "show the machine's console and how long things take")
	flags.BoolVar(&o.systemd, "systemd", false, "boot the host's systemd, and run the command as its service")
	flags.StringVar(&o.cache, "cache", "", "folder of the kernel (default .cache/vm of the Go module that it is called in)")
	flags.StringVar(&o.machine, "machine", o.machine, "qemu, or uml for user-mode Linux where that runs; $VM_MACHINE is the same")
	flags.StringVar(&o.kernel, "kernel", o.kernel, "how the kernel's version begins; $VM_KERNEL is the same")
	flags.StringVar(&o.memory, "memory", "2G", "the machine's memory; with much of it in one process, user-mode Linux needs a larger vm.max_map_count of the host: one for each page")
	flags.DurationVar(&o.timeout, "timeout", 0, "hard limit for the machine (default: the -test.timeout of a test and 55s, else 11m)")
	if err := flags.Parse(args); err != nil {
		return exitUsage, nil //nolint:nilerr // flags has said why
	}
	_, wrong := kindOf(o.machine)
	if err := cmp.Or(wrong, checkKernelName(o.kernel)); err != nil {
		return exitUsage, err
	}
	if o.prepare == (flags.NArg() > 0) {
		flags.Usage()
		return exitUsage, nil
	}
	if os.Geteuid() != 0 {
		return exitNoResult, fmt.Errorf("this needs root, for packages and for reading the host's files as root in the machine: run it as root, for example by sudo")
	}
	// Where ip, depmod and the routing daemons are, which is not in every
	// caller's path. The command inherits it.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return exitNoResult, err
	}
	if o.cache == "" {
		cache, err := debian.Cache("vm")
		if err != nil {
			return exitNoResult, fmt.Errorf("%w: say with -cache where the kernel is", err)
		}
		o.cache = cache
	}
	if o.prepare {
		err := prepare(o, os.Stdout)
		switch {
		case errors.Is(err, debian.ErrUnavailable):
			return exitUnavailable, err
		case err != nil:
			return exitNoResult, err
		}
		return 0, nil
	}
	return run(o, flags.Args())
}
