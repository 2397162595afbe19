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
	_, err := openKernel(cache)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "vmrun -prepare") {
		t.Errorf("got the error %v", err)
	}
	modules := filepath.Join(cache, "kernel/lib/modules/6.1.0")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(cache, "kernel/vmlinux"), "")
	if _, err := openKernel(cache); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a kernel without modules: %v", err)
	}
	write(t, filepath.Join(modules, "modules.dep"), "")
	if k, err := openKernel(cache); err != nil || k.modules != modules {
		t.Errorf("got %+v, %v", k, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCacheIsFoundFromAnyPackage(t *testing.T) {
	module := t.TempDir()
	sub := filepath.Join(module, "a/b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(module, "go.mod"), "module x\n")
	t.Chdir(sub)
	if got, err := defaultCache(); err != nil || got != filepath.Join(module, ".cache/vm") {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestVersionedKernelPackage(t *testing.T) {
	const about = `Package: linux-image-amd64
Source: linux-signed-amd64 (6.1.192+2)
Provides: wireguard-modules (= 1.0.0)
Depends: base, linux-image-6.1.0-56-amd64 (= 6.1.192-2)
Suggests: linux-image-other
`
	if got, err := dependency(about, "linux-image-"); err != nil || got != "linux-image-6.1.0-56-amd64" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := dependency("Package: x\n", "linux-image-"); err == nil {
		t.Errorf("got %q from a package that depends on nothing", got)
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
	p := &preparer{}
	if err := p.unpackModules(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "packed"} {
		if got, err := os.ReadFile(filepath.Join(sub, name+".ko")); err != nil || string(got) != name {
			t.Errorf("%s.ko holds %q, %v", name, got, err)
		}
	}
}
