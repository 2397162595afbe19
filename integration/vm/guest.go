package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// guest is process 1 of the machine. It never returns.
func guest() {
	frames, err := runGuest()
	end(frames, err)
}

// end tells the host what went wrong, if anything did, and waits to be ended.
func end(frames *sender, err error) {
	if err != nil && frames != nil {
		err = frames.sendResult(result{Error: err.Error()})
	}
	if err != nil {
		// Nothing can be said but on the console, which the host shows where it
		// gets no result.
		fmt.Fprintln(os.Stderr, "vmrun: guest:", err)
	} else {
		// The host ends the machine when it has read the result. Ended from
		// here, the machine might take the result with it.
		time.Sleep(30 * time.Second)
	}
	err = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	// The kernel panics when its first process ends, and that ends QEMU too.
	fmt.Fprintln(os.Stderr, "vmrun: guest: restart:", err)
	os.Exit(exitNoResult)
}

// runGuest does the task, or has systemd do it. The sender is nil where the host cannot be reached.
func runGuest() (*sender, error) {
	if err := mountAll([]mounting{
		{"proc", "/proc", "proc", 0, ""},
		{"sys", "/sys", "sysfs", 0, ""},
		{"dev", "/dev", "devtmpfs", 0, ""},
	}); err != nil {
		return nil, err
	}
	t, on, err := readTask(taskPath)
	if err != nil {
		return nil, err
	}
	for _, path := range t.Modules {
		if err := loadModule(path); err != nil {
			return nil, err
		}
	}
	port, err := on.port()
	if err != nil {
		return nil, err
	}
	s := &sender{to: port}
	if err := enterHostFiles(on, t); err != nil {
		return s, err
	}
	if err := settle(on, t); err != nil {
		return s, err
	}
	if t.Systemd {
		return s, bootSystemd(t)
	}
	return s, perform(t, s)
}

// readTask reads the task, and the kind of machine that it is for.
func readTask(path string) (task, kind, error) {
	var t task
	told, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(told, &t)
	}
	if err != nil {
		return task{}, kind{}, fmt.Errorf("read the task: %w", err)
	}
	on, err := kindOf(t.Machine)
	return t, on, err
}

// perform runs the task's command and sends all that there is to know of it.
func perform(t task, s *sender) error {
	if err := s.send(frameStarted, nil); err != nil {
		return fmt.Errorf("tell the host: %w", err)
	}
	began := time.Now()
	r, err := command(t, s)
	if err != nil {
		return err
	}
	r.Took = time.Since(began)
	for _, folder := range t.Shares {
		// What was written there must be on the host before the result is.
		if err := unix.Unmount(folder, 0); err != nil {
			return fmt.Errorf("give %s back to the host: %w", folder, err)
		}
	}
	return s.sendResult(r)
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("load a module: %w", err)
	}
	defer f.Close()
	// EEXIST: another module's request has loaded it already.
	if err := unix.FinitModule(int(f.Fd()), moduleOptions[moduleName(path)], 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}

// openPort opens a virtio serial port by its name, once the driver has made it.
func openPort(name string) (*os.File, error) {
	const patience = 30 * time.Second
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, file := range names {
			has, err := os.ReadFile(file)
			if err != nil || strings.TrimSpace(string(has)) != name {
				continue // it may be half made
			}
			device := filepath.Join("/dev", filepath.Base(filepath.Dir(file)))
			if f, err := os.OpenFile(device, os.O_WRONLY, 0); err == nil {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("no port %s to the host within %v", name, patience)
}

// enterHostFiles makes the host's files the root, under a layer in memory that
// takes all changes.
func enterHostFiles(on kind, t task) error {
	if err := mountAll([]mounting{
		on.root,
		{"tmpfs", "/upper", "tmpfs", 0, "mode=755"},
	}); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir("/upper/changes", 0o755), os.Mkdir("/upper/work", 0o755)); err != nil {
		return err
	}
	const root = "/root"
	if err := mountAll([]mounting{
		{"overlay", root, "overlay", 0, "lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work"},
		{"/proc", root + "/proc", "", unix.MS_MOVE, ""},
		{"/sys", root + "/sys", "", unix.MS_MOVE, ""},
		{"/dev", root + "/dev", "", unix.MS_MOVE, ""},
		// For what the kernel asks modprobe for.
		{root + t.ModuleTree, root + "/lib/modules", "", unix.MS_BIND, ""},
	}); err != nil {
		return err
	}
	// The first root cannot be left by pivot_root(2); this is what
	// switch_root(8) does.
	if err := errors.Join(unix.Chdir(root), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), unix.Chdir("/")); err != nil {
		return fmt.Errorf("enter the host's files: %w", err)
	}
	return nil
}

// settle makes the new root a place where programs find what they expect.
func settle(on kind, t task) error {
	mounts := []mounting{
		{"tmpfs", "/run", "tmpfs", 0, "mode=755"},
		{"devpts", "/dev/pts", "devpts", 0, "ptmxmode=666"},
		{"tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777"},
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""},
		// As systemd has it: what `ip netns add` mounts shows in all mount
		// namespaces.
		{"", "/", "", unix.MS_SHARED | unix.MS_REC, ""},
	}
	for i, folder := range t.Shares {
		mounts = append(mounts, on.share(i, folder))
	}
	if err := mountAll(mounts); err != nil {
		return err
	}
	for name, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, name); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	if err := os.Mkdir("/run/lock", 0o1777); err != nil {
		return err
	}
	if err := os.WriteFile("/dev/urandom", t.Seed, 0); err != nil {
		return fmt.Errorf("seed the random numbers: %w", err)
	}
	if err := unix.Sethostname([]byte("vmrun")); err != nil {
		return fmt.Errorf("set the host's name: %w", err)
	}
	return loopbackUp()
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// mounting is one call of mount(2).
type mounting struct {
	from, to, kind string
	flags          uintptr
	options        string
}

func mountAll(mounts []mounting) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.to, 0o755); err != nil {
			return fmt.Errorf("make room for a mount: %w", err)
		}
		if err := unix.Mount(m.from, m.to, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s %s on %s: %w", m.kind, m.from, m.to, err)
		}
	}
	return nil
}
