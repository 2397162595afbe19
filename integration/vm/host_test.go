package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAcceleratorIsNeverGuessed(t *testing.T) {
	for accel, want := range map[string]string{"": "tcg,", "tcg": "tcg,", "kvm": "kvm"} {
		args, err := qemuArgs(options{accel: accel}, kernel{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if line := strings.Join(args, " "); !strings.Contains(line, "-accel "+want) {
			t.Errorf("VM_ACCEL=%s: no -accel %s in %s", accel, want, line)
		}
	}
	if _, err := qemuArgs(options{accel: "xen"}, kernel{}, nil); err == nil {
		t.Error("VM_ACCEL=xen was taken")
	}
}

func TestFoldersAreSharedAsTheyAreNamed(t *testing.T) {
	args, err := qemuArgs(options{}, kernel{}, []string{"/a,b", "/c"})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Join(args, "\n")
	for _, want := range []string{
		"local,id=root,path=/,mount_tag=root,security_model=none,multidevs=remap,readonly=on",
		"local,id=share0,path=/a,,b,mount_tag=share0,security_model=none,multidevs=remap",
		"local,id=share1,path=/c,mount_tag=share1,security_model=none,multidevs=remap",
	} {
		if !strings.Contains(line+"\n", "\n"+want+"\n") {
			t.Errorf("no -virtfs %s in\n%s", want, line)
		}
	}
}

func TestConsoleKeepsItsEnd(t *testing.T) {
	var c tail
	for range 3 {
		if n, err := c.Write(bytes.Repeat([]byte("a"), tailSize)); n != tailSize || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if _, err := c.Write([]byte("panic")); err != nil {
		t.Fatal(err)
	}
	if len(c.text) != tailSize || !bytes.HasSuffix(c.text, []byte("aaapanic")) {
		t.Errorf("%d bytes are kept that end in %q", len(c.text), c.text[len(c.text)-8:])
	}
}

func TestWrongClockIsNoticed(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		guest, host time.Duration
		wrong       bool
	}{
		{0, s, false}, {s, s, false}, {3 * s, s, false}, {4 * s, s, true},
		{95 * s, 100 * s, false}, {100 * s, 95 * s, false},
		{120 * s, 40 * s, true}, {40 * s, 120 * s, true},
	} {
		if got := clockWrong(c.guest, c.host); got != c.wrong {
			t.Errorf("%v by the guest's clock and %v by the host's: wrong is %v", c.guest, c.host, got)
		}
	}
}

func TestMissingKernelSaysWhatToDo(t *testing.T) {
	cache := t.TempDir()
	_, err := openKernel(cache, qemu(), "6.1")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "vmrun -prepare -machine qemu -kernel 6.1") {
		t.Errorf("got the error %v", err)
	}
	modules := filepath.Join(cache, "kernel-6.1/lib/modules/6.1.0")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(cache, "kernel-6.1/vmlinux"), "")
	if _, err := openKernel(cache, qemu(), "6.1"); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a kernel without modules: %v", err)
	}
	write(t, filepath.Join(modules, "modules.dep"), "")
	if k, err := openKernel(cache, qemu(), "6.1"); err != nil || k.modules != modules {
		t.Errorf("got %+v, %v", k, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestKernelIsKnownByHowItsVersionBegins(t *testing.T) {
	for _, c := range []struct {
		version, name string
		is            bool
	}{
		{"6.1.192-1", "6.1", true},
		{"6.12.107-1", "6.1", false},
		{"6.12.107-1", "6.12", true},
		{"7.2.13-1", "7", true},
		{"7.2.13-1", "7.2", true},
		{"7.2~rc4-1", "7.2", true},
		{"6.1um4+b13", "6.1", true},
		{"6.12um1+b22", "6.1", false},
		{"7.20-1", "7.2", false},
		{"16.1-1", "6.1", false},
		{"7", "7", true},
	} {
		if got := isKernel(c.version, c.name); got != c.is {
			t.Errorf("%s is %s: %v", c.version, c.name, got)
		}
	}
	for _, bad := range []string{"", "sid", "6.", ".1", "../6.1", "6.1-1"} {
		if err := checkKernelName(bad); err == nil {
			t.Errorf("%q was taken for a kernel's version", bad)
		}
	}
}

// TestKernelsOfBothShapes: up to 6.12 the package has the kernel in /boot, later it is
// beside its modules.
func TestKernelsOfBothShapes(t *testing.T) {
	if _, err := exec.LookPath("depmod"); err != nil {
		t.Skip("depmod is not installed: `vmrun -prepare` installs it")
	}
	for name, files := range map[string][2]string{
		"6.1":  {"boot/vmlinuz-5.0.0", "lib/modules/5.0.0"},
		"6.12": {"boot/vmlinuz-5.0.0", "usr/lib/modules/5.0.0"},
		"7.2":  {"usr/lib/modules/5.0.0/vmlinuz", "usr/lib/modules/5.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			tree := filepath.Join(cache, "tree")
			image, modules := filepath.Join(tree, files[0]), filepath.Join(tree, files[1])
			for _, dir := range []string{filepath.Dir(image), modules + "/kernel/net", modules + "/kernel/drivers/gpu"} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, image, string(bzImage(27, gzipped(t, fakeKernel))))
			write(t, modules+"/kernel/drivers/gpu/card.ko", "")
			write(t, modules+"/modules.builtin", "")
			write(t, modules+"/modules.order", "")
			if err := unpackKernel(t.Context(), tree, kernelDir(cache, qemu(), name), []string{"linux-image-5.0.0"}); err != nil {
				t.Fatal(err)
			}
			k, err := openKernel(cache, qemu(), name)
			if err != nil || k.release() != "5.0.0" {
				t.Fatalf("%+v, %v", k, err)
			}
			if got, err := os.ReadFile(k.image); err != nil || !bytes.Equal(got, fakeKernel) {
				t.Errorf("%d bytes of a kernel, %v", len(got), err)
			}
			if _, err := os.Stat(filepath.Join(k.modules, "kernel/drivers/gpu")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("modules of hardware were kept: %v", err)
			}
		})
	}
}

func TestServicesAreRefusedOnlyMeanwhile(t *testing.T) {
	for name, before := range map[string]string{"without a policy": "", "with one": "#!/bin/sh\nexit 104\n"} {
		t.Run(name, func(t *testing.T) {
			policy := filepath.Join(t.TempDir(), "policy-rc.d")
			if before != "" {
				write(t, policy, before)
			}
			allow, err := refuseServices(policy)
			if err != nil {
				t.Fatal(err)
			}
			status := new(exec.ExitError)
			if err := exec.Command(policy).Run(); !errors.As(err, &status) || status.ExitCode() != 101 {
				t.Errorf("the policy says %v, want the exit status 101", err)
			}
			if err := allow(); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(policy)
			if string(after) != before || (before == "") != errors.Is(err, os.ErrNotExist) {
				t.Errorf("the policy is %q (%v) afterwards, want %q", after, err, before)
			}
			left, err := os.ReadDir(filepath.Dir(policy))
			if err != nil || len(left) > 1 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

func TestPackedModulesAreUnpacked(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "kernel/net")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(sub, "plain.ko"), "plain")
	write(t, filepath.Join(sub, "packed.ko"), "packed")
	if out, err := exec.Command("xz", filepath.Join(sub, "packed.ko")).CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip("xz is not installed")
	} else if err != nil {
		t.Fatalf("xz: %v: %s", err, out)
	}
	if err := unpackModules(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "packed"} {
		if got, err := os.ReadFile(filepath.Join(sub, name+".ko")); err != nil || string(got) != name {
			t.Errorf("%s.ko holds %q, %v", name, got, err)
		}
	}
}
