package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// qemuName is QEMU: it emulates a processor, which is slow and works everywhere, and its kernel is
// the one that Debian's users have.
const qemuName = "qemu"

const (
	qemuProgram = "qemu-system-x86_64"
	processors  = 2
	framesPort  = "vmrun"
	p9          = "trans=virtio,version=9p2000.L,msize=512000,"
)

func qemu() kind {
	return kind{
		name:  qemuName,
		title: "QEMU",
		tools: []tool{{qemuProgram, "qemu-system-x86"}, {"depmod", "kmod"}, {"xz", "xz-utils"}},

		// The package for clouds has VRF devices too, but cannot share files.
		folder: "kernel", image: "vmlinux", pkg: "linux-image-amd64", packages: kernelParts, unpack: unpackKernel,

		env:     []string{"VRFREDIST_REQUIRE_SRV6=1"},
		boot:    3 * time.Minute, // of which an idle host needs a tenth
		command: qemuCommand,

		modules: []string{"virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"},
		port:    func() (*os.File, error) { return openPort(framesPort) },
		root:    mounting{rootTag, "/lower", "9p", unix.MS_RDONLY, p9 + "cache=loose"},
		share: func(i int, folder string) mounting {
			return mounting{fmt.Sprintf(shareTag, i), folder, "9p", 0, p9 + "cache=mmap"}
		},
	}
}

// kernelArgs make a boot short, and its end an end: a panic restarts the
// machine, and QEMU ends where it would restart.
const kernelArgs = "console=ttyS0 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check rcupdate.rcu_expedited=1" +
	" nowatchdog audit=0 apparmor=0 i8042.noaux i8042.nokbd 8250.nr_uarts=1 init_on_alloc=0 random.trust_cpu=on systemd.hostname=vmrun"

func qemuCommand(o options, k kernel, shares []string) (*exec.Cmd, error) {
	program, err := exec.LookPath(qemuProgram)
	if err != nil {
		return nil, fmt.Errorf("%w; `vmrun -prepare` installs it", err)
	}
	args, err := qemuArgs(o, k, shares)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd, nil
}

func qemuArgs(o options, k kernel, shares []string) ([]string, error) {
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		// The name tells whose it is in a list of processes.
		"-name", machineName(os.Getpid()),
		"-machine", "pc,usb=off", "-smp", fmt.Sprint(processors), "-m", o.memory}
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
