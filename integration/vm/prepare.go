package main

import (
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

	"github.com/vrfredist/vrfredist/integration/debian"
)

// tool is a program or a file that is needed, and Debian's package of it.
type tool struct{ program, pkg string }

// preparer installs and fetches; it says on out what it does.
type preparer struct {
	cache, kernel string
	kind          kind
	out           io.Writer
}

// prepare makes sure that machines of a kind can be started with the kernel of that name. What
// is there already is kept as it is. Where it is user-mode Linux, and that does not run here,
// QEMU is prepared in its place. Several may be called at a time.
func prepare(o options, out io.Writer) error {
	cache := o.cache
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
	p := &preparer{cache: cache, kernel: o.kernel, out: out}
	if o.machine != umlName {
		return p.ready(ctx, qemu())
	}
	why, err := p.userMode(ctx, o)
	if why == "" || err != nil {
		return err
	}
	p.say("User-mode Linux does not run here, and QEMU takes its place, which takes several times as long: %s", why)
	return p.ready(ctx, qemu())
}

// ready has all that a kind of machine needs in place.
func (p *preparer) ready(ctx context.Context, of kind) error {
	p.kind = of
	if err := p.installTools(ctx); err != nil {
		return err
	}
	k, err := openKernel(p.cache, of, p.kernel)
	if errors.Is(err, os.ErrNotExist) {
		if err := p.fetchKernel(ctx); err != nil {
			return err
		}
		k, err = openKernel(p.cache, of, p.kernel)
	}
	if err != nil {
		return err
	}
	p.say("For %s, the kernel %s is in %s.", of.title, k.release(), p.cache)
	return nil
}

func (p *preparer) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *preparer) installTools(ctx context.Context) error {
	var missing []string
	for _, t := range append(p.kind.tools, tool{debian.Keyring, debian.KeyringPackage}) {
		// Of a path, LookPath wants that it can be run.
		_, err := exec.LookPath(t.program)
		if filepath.IsAbs(t.program) {
			_, err = os.Stat(t.program)
		}
		if err != nil {
			missing = append(missing, t.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	p.say("Installing %s, without starting any service.", strings.Join(missing, ", "))
	if err := debian.Run(ctx, "", "apt-get", "update", "-q"); err != nil {
		return err
	}
	allow, err := refuseServices(policyPath)
	if err != nil {
		return err
	}
	install := append([]string{"install", "-q", "-y", "--no-install-recommends"}, missing...)
	return errors.Join(debian.Run(ctx, "", "apt-get", install...), allow())
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
