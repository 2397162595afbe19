package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// umlName is user-mode Linux: a kernel that is a program of the host's, and runs other programs
// under its ptrace(2), or with its seccomp(2). What they compute takes no longer than on the host.
// It has one processor, and Debian's has no SRv6.
const umlName = "uml"

func uml() kind {
	return kind{
		name:  umlName,
		title: "user-mode Linux",
		tools: []tool{{"gcc", "gcc"}, {"/usr/include/elf.h", "libc6-dev"}},

		folder: "uml", image: umlProgram, pkg: umlPackage, packages: umlPackages, unpack: unpackUML,

		boot:    2 * time.Minute, // of which an idle host needs a second
		command: umlCommand,

		modules: []string{"overlay"},
		port:    openLine,
		root:    mounting{rootTag, "/lower", "hostfs", unix.MS_RDONLY, "/"},
		share: func(i int, folder string) mounting {
			return mounting{fmt.Sprintf(shareTag, i), folder, "hostfs", 0, folder}
		},
	}
}

// umlCommand starts the keeper, which starts the kernel.
func umlCommand(o options, k kernel, shares []string) (*exec.Cmd, error) {
	args := umlArgs(o.memory, os.Getpid())
	if !o.verbose {
		args = append(args, "quiet")
	}
	told, err := json.Marshal(keeping{Folder: filepath.Dir(k.image), Args: args, Shares: shares, Memory: o.memory})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", string(told))
	cmd.Args[0] = keeperName
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	return cmd, nil
}

// umlArgs are the kernel's arguments, by its own name. When it restarts, user-mode Linux runs the
// program of that name again: there is none, and so it ends.
func umlArgs(memory string, pid int) []string {
	return []string{
		machineName(pid),
		// Its init gets what it does not know, and so a list of processes has the name.
		machineName(pid),
		"mem=" + memory,
		fmt.Sprintf("initrd=/proc/self/fd/%d", initramfsFD),
		// No folder for its management console.
		"uml_dir=/dev/null/",
		// Input, output: nothing reaches it, its console is what it prints, and its first serial
		// line is what the guest says.
		"con=null", "con0=null,fd:2", "ssl=null", fmt.Sprintf("ssl0=null,fd:%d", framesFD),
		"panic=-1", "rcupdate.rcu_expedited=1", "nowatchdog", "audit=0", "systemd.hostname=vmrun",
		// From 6.16 it can do without ptrace(2), which takes a third less.
		"seccomp=auto",
	}
}

// openLine opens the serial line as one that changes nothing of what is written.
func openLine() (*os.File, error) {
	// O_NOCTTY: it rules nobody.
	fd, err := unix.Open("/dev/ttyS0", unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the line to the host: %w", err)
	}
	line := os.NewFile(uintptr(fd), "the line to the host")
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
		err = unix.IoctlSetTermios(fd, unix.TCSETS, settings)
	}
	if err != nil {
		line.Close()
		return nil, fmt.Errorf("open the line to the host: %w", err)
	}
	return line, nil
}
