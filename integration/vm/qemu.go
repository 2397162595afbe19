package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	qemuProgram = "qemu-system-x86_64"
	memory      = "2G"
	processors  = 2

	// The files that QEMU inherits.
	framesFD    = 3
	initramfsFD = 4

	// Names that host and guest agree on.
	initPath   = "/init"
	taskPath   = "/task.json"
	modulesDir = "/modules"
	framesPort = "vmrun"
	rootTag    = "root"
	shareTag   = "share%d"
)

// kernelArgs make a boot short, and its end an end: a panic restarts the
// machine, and QEMU ends where it would restart.
const kernelArgs = "console=ttyS0 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check rcupdate.rcu_expedited=1" +
	" nowatchdog audit=0 apparmor=0 i8042.noaux i8042.nokbd 8250.nr_uarts=1 init_on_alloc=0 random.trust_cpu=on systemd.hostname=vmrun"

func qemuArgs(o options, k kernel, shares []string) ([]string, error) {
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		// The name tells whose it is in a list of processes.
		"-name", fmt.Sprintf("vmrun-%d", os.Getpid()),
		"-machine", "pc,usb=off", "-smp", fmt.Sprint(processors), "-m", memory}
	switch o.accel {
	case "", "tcg":
		args = append(args, "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max")
	case "kvm":
		args = append(args, "-accel", "kvm", "-cpu", "host")
	default:
		return nil, fmt.Errorf("VM_ACCEL=%s: it may be tcg, which is the default, or kvm", o.accel)
	}
	cmdline := fmt.Sprintf("%s tsc_early_khz=%d", kernelArgs, counterKHz())
	if !o.verbose {
		cmdline += " quiet"
	}
	args = append(args, "-kernel", k.image, "-initrd", fmt.Sprintf("/proc/self/fd/%d", initramfsFD), "-append", cmdline,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-device", "virtio-serial-pci",
		// append=on, because QEMU would truncate a file, and a pipe cannot be.
		"-add-fd", fmt.Sprintf("fd=%d,set=1", framesFD),
		"-chardev", "file,id=frames,path=/dev/fdset/1,append=on",
		"-device", "virtserialport,chardev=frames,name="+framesPort,
		"-virtfs", virtfs("/", rootTag)+",readonly=on")
	for i, folder := range shares {
		args = append(args, "-virtfs", virtfs(folder, fmt.Sprintf(shareTag, i)))
	}
	return args, nil
}

func virtfs(folder, tag string) string {
	// QEMU reads a comma that is doubled as one that does not end the value.
	escaped := strings.ReplaceAll(folder, ",", ",,")
	return fmt.Sprintf("local,id=%s,path=%s,mount_tag=%[1]s,security_model=none,multidevs=remap", tag, escaped)
}

// newInitramfs returns the guest's first files, in memory: this program as its
// init, the modules, and the task, whose modules it fills in.
func newInitramfs(k kernel, t *task) (*os.File, error) {
	self, err := ownProgram()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	f := os.NewFile(uintptr(fd), "initramfs")
	buffered := bufio.NewWriterSize(f, 1<<20)
	a := archive{to: buffered}
	if err := fillInitramfs(&a, k, t, self); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	return f, nil
}

func fillInitramfs(a *archive, k kernel, t *task, self []byte) error {
	t.ModuleTree = filepath.Dir(k.modules)
	files, err := moduleFiles(k.modules, append(bootModules, netModules...))
	if err != nil {
		return err
	}
	a.dir("dev")
	a.dir(modulesDir[1:])
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(k.modules, file))
		if err != nil {
			return err
		}
		path := filepath.Join(modulesDir, filepath.Base(file))
		a.file(path[1:], 0o644, content)
		t.Modules = append(t.Modules, path)
	}
	told, err := json.Marshal(t)
	if err != nil {
		return err
	}
	a.file(taskPath[1:], 0o600, told)
	a.file(initPath[1:], 0o755, self)
	return a.close()
}

// ownProgram is this program, which must run where there is no C library.
func ownProgram() ([]byte, error) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	program, err := elf.NewFile(bytes.NewReader(self))
	if err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("this program needs a C library, and runs as a machine's first process too, where there is none: build it with CGO_ENABLED=0 and without -race")
		}
	}
	return self, nil
}
