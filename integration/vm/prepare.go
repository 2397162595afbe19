package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelPackage is Debian's name for its newest kernel. The one for clouds has
// VRF devices too, but cannot share files.
const kernelPackage = "linux-image-amd64"

// tools are the programs that are needed, and Debian's packages of them.
var tools = []struct{ program, pkg string }{
	{qemuProgram, "qemu-system-x86"},
	{"depmod", "kmod"},
	{"xz", "xz-utils"},
}

// preparer installs and fetches; it says on out what it does.
type preparer struct {
	cache   string
	out     io.Writer
	updated bool // the package lists are fresh
}

// prepare makes sure that QEMU is installed and that the cache has a kernel.
// What is there already is kept as it is. Several may be called at a time.
func prepare(cache string, out io.Writer) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make the folder of the kernel: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the folder of the kernel: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock the folder of the kernel: %w", err)
	}
	// Interrupted, it still takes back what it did to the host for a while.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	p := &preparer{cache: cache, out: out}
	if err := p.installTools(ctx); err != nil {
		return err
	}
	k, err := openKernel(cache)
	if errors.Is(err, os.ErrNotExist) {
		if err := p.fetchKernel(ctx); err != nil {
			return err
		}
		k, err = openKernel(cache)
	}
	if err != nil {
		return err
	}
	p.say("QEMU is installed, and the kernel %s is in %s.", filepath.Base(k.modules), cache)
	return nil
}

func (p *preparer) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *preparer) installTools(ctx context.Context) error {
	var missing []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			missing = append(missing, t.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	p.say("Installing %s, without starting any service.", strings.Join(missing, ", "))
	if err := p.update(ctx); err != nil {
		return err
	}
	allow, err := refuseServices(policyPath)
	if err != nil {
		return err
	}
	install := append([]string{"install", "-q", "-y", "--no-install-recommends"}, missing...)
	return errors.Join(p.command(ctx, "", "apt-get", install...), allow())
}

// policyPath is the program that a package's scripts ask whether they may start
// a service (invoke-rc.d(8)).
const policyPath = "/usr/sbin/policy-rc.d"

// refuseServices keeps packages from starting their services until the function
// that it returns is called, which restores what was there.
func refuseServices(policy string) (allow func() error, err error) {
	saved := policy + ".vmrun"
	err = os.Rename(policy, saved)
	had := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("keep services from being started: %w", err)
	}
	allow = func() error {
		if had {
			return os.Rename(saved, policy)
		}
		return os.Remove(policy)
	}
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("keep services from being started: %w", err), allow())
	}
	return allow, nil
}

func (p *preparer) update(ctx context.Context) error {
	if p.updated {
		return nil
	}
	p.updated = true
	return p.command(ctx, "", "apt-get", "update", "-q")
}

// fetchKernel fills the cache's kernel folder. A half filled one never has its
// name.
func (p *preparer) fetchKernel(ctx context.Context) error {
	if err := p.update(ctx); err != nil {
		return err
	}
	about, err := exec.CommandContext(ctx, "apt-cache", "show", "--no-all-versions", kernelPackage).Output()
	if err != nil {
		return fmt.Errorf("look up the package %s, which Debian has for amd64: %w", kernelPackage, err)
	}
	image, err := dependency(string(about), "linux-image-")
	if err != nil {
		return fmt.Errorf("look up the package %s: %w", kernelPackage, err)
	}
	work, err := os.MkdirTemp(p.cache, "fetch")
	if err != nil {
		return fmt.Errorf("make room for the kernel: %w", err)
	}
	defer os.RemoveAll(work)
	p.say("Fetching the package %s and unpacking it into %s. Nothing of it is installed.", image, p.cache)
	if err := p.command(ctx, work, "apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", image); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download left %d packages, not one", len(debs))
	}
	tree := filepath.Join(work, "tree")
	if err := p.command(ctx, "", "dpkg-deb", "-x", debs[0], tree); err != nil {
		return err
	}
	ready, err := p.unpackKernel(ctx, tree, filepath.Join(work, "kernel"), strings.TrimPrefix(image, "linux-image-"))
	if err != nil {
		return err
	}
	return os.Rename(ready, kernelDir(p.cache))
}

// unpackKernel makes of a package's files the folder that openKernel expects.
func (p *preparer) unpackKernel(ctx context.Context, tree, into, release string) (string, error) {
	modules := filepath.Join(tree, "lib/modules")
	if _, err := os.Stat(modules); err != nil {
		modules = filepath.Join(tree, "usr/lib/modules") // Debian 13
	}
	if err := os.MkdirAll(filepath.Join(into, "lib"), 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(modules, filepath.Join(into, "lib/modules")); err != nil {
		return "", fmt.Errorf("find the kernel's modules in its package: %w", err)
	}
	if err := p.unpackModules(ctx, filepath.Join(into, "lib/modules")); err != nil {
		return "", err
	}
	if err := p.command(ctx, "", "depmod", "-b", into, release); err != nil {
		return "", err
	}
	image, err := os.ReadFile(filepath.Join(tree, "boot", "vmlinuz-"+release))
	if err != nil {
		return "", fmt.Errorf("find the kernel in its package: %w", err)
	}
	unpacked, err := vmlinux(image)
	if err != nil {
		return "", err
	}
	return into, os.WriteFile(filepath.Join(into, "vmlinux"), unpacked, 0o644)
}

// unpackModules unpacks those that are compressed, as Debian 13 has them: the
// guest's init hands them to the kernel as they are.
func (p *preparer) unpackModules(ctx context.Context, dir string) error {
	var packed []string
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".ko.xz") {
			packed = append(packed, path)
		}
		return err
	}); err != nil {
		return fmt.Errorf("list the kernel's modules: %w", err)
	}
	if len(packed) == 0 {
		return nil
	}
	return p.command(ctx, "", "xz", append([]string{"-d", "--"}, packed...)...)
}

// dependency finds a package whose name starts with prefix in the Depends field
// of what apt-cache shows of another.
func dependency(about, prefix string) (string, error) {
	for line := range strings.Lines(about) {
		list, ok := strings.CutPrefix(line, "Depends:")
		if !ok {
			continue
		}
		for entry := range strings.SplitSeq(list, ",") {
			if fields := strings.Fields(entry); len(fields) > 0 && strings.HasPrefix(fields[0], prefix) {
				return fields[0], nil
			}
		}
	}
	return "", fmt.Errorf("it depends on no package %s…", prefix)
}

// command runs a program, and shows what it printed only where it fails.
func (p *preparer) command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	// A package manager is to end in order.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	if err := cmd.Run(); err != nil {
		shown := args[:min(len(args), 8)]
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(shown, " "), err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}
