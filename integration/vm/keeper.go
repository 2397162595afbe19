package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// keeperName is what this program is called where it keeps user-mode Linux.
const keeperName = "vmrun-keeper"

// keeping is what the keeper is told.
type keeping struct {
	Folder string   // where the kernel is
	Args   []string // its name, and its arguments
	Shares []string // the folders that it may write
	Memory string   // how much it has
}

// keeper is process 1 of a process-id namespace, in a mount namespace of its own. User-mode Linux
// is not process 1 itself, because it ends a panic by a signal, which process 1 would not get. All
// the processes that its own run in are here, and end with the keeper. It never returns.
func keeper(told string) {
	code, err := keep(told)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmrun: keeper:", err)
	}
	os.Exit(code)
}

func keep(told string) (int, error) {
	var k keeping
	if err := json.Unmarshal([]byte(told), &k); err != nil {
		return exitNoResult, err
	}
	if err := enclose(k.Shares, k.Memory); err != nil {
		return exitNoResult, err
	}
	// Its file system has a file of the host open for each of its own.
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return exitNoResult, fmt.Errorf("ask how many files may be open: %w", err)
	}
	files.Cur = files.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return exitNoResult, fmt.Errorf("let more files be open: %w", err)
	}
	held, err := ownProcessor()
	if err != nil {
		return exitNoResult, err
	}
	defer held()
	cmd := exec.Command("./" + umlProgram)
	cmd.Dir, cmd.Args = k.Folder, k.Args
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH=.", "LD_PRELOAD=./"+shimLibrary, "TMPDIR="+memoryFolder)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{framesFD - 3: os.NewFile(framesFD, "frames"), initramfsFD - 3: os.NewFile(initramfsFD, "initramfs")}
	if err := cmd.Start(); err != nil {
		return exitNoResult, fmt.Errorf("start user-mode Linux: %w", err)
	}
	for _, f := range cmd.ExtraFiles {
		f.Close() // the pipe ends with the machine
	}
	status, err := reap(cmd.Process.Pid)
	if err != nil {
		return exitNoResult, err
	}
	return status.ExitStatus(), nil
}

// memoryFolder is where user-mode Linux has its memory: a file in a tmpfs(5). The host's may be
// small, as a container's is.
const memoryFolder = "/dev/shm"

// enclose keeps the machine from the host's files: a root of the guest can mount those again
// without the layer that takes its changes, but here they are read-only.
func enclose(shares []string, memory string) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts from the host: %w", err)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make the host's files read-only: %w", err)
	}
	for _, folder := range shares {
		if err := unix.Mount(folder, folder, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("share %s: %w", folder, err)
		}
		if err := unix.MountSetattr(unix.AT_FDCWD, folder, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("share %s to be written: %w", folder, err)
		}
	}
	if err := unix.Mount("tmpfs", memoryFolder, "tmpfs", 0, "mode=700,size="+memory); err != nil {
		return fmt.Errorf("make room for the machine's memory: %w", err)
	}
	return nil
}

// ownProcessor has this thread, and what it starts, run on one processor that no other machine has
// taken, until the function that it returns is called. User-mode Linux is processes that wait for
// each other: on several processors each of their turns costs twice as much.
func ownProcessor() (free func(), err error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("ask for the processors: %w", err)
	}
	for cpu := 0; allowed.Count() > 0; cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		allowed.Clear(cpu)
		// A name that only one process can have, and that is free when it ends.
		name, err := net.Listen("unix", fmt.Sprintf("@vmrun-processor-%d", cpu))
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("take a processor: %w", err)
		}
		var own unix.CPUSet
		own.Set(cpu)
		if err := unix.SchedSetaffinity(0, &own); err != nil {
			name.Close()
			return nil, fmt.Errorf("take a processor: %w", err)
		}
		return func() { name.Close() }, nil
	}
	return func() {}, nil // more machines than processors
}
