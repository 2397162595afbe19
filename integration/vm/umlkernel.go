package main

import (
	"bytes"
	"context"
	"debug/elf"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// What is in the folder of a kernel of user-mode Linux, besides its modules. Of a newer suite it
// is linked against a newer C library than the host's, and so has its own.
const (
	umlPackage  = "user-mode-linux"
	umlProgram  = "linux"
	umlLoader   = "ld-linux-x86-64.so.2"
	cLibrary    = "libc.so.6"
	shimLibrary = "ptrace.so"
)

//go:embed shim/ptrace.c
var shimSource []byte

func umlPackages(context.Context, *debian.Suite, debian.Package) ([]string, error) {
	return []string{umlPackage, "libc6"}, nil
}

// unpackUML makes a folder of a kernel of user-mode Linux.
func unpackUML(ctx context.Context, tree, into string, _ []string) error {
	program, err := os.ReadFile(filepath.Join(tree, "usr/bin/linux.uml"))
	if err != nil {
		return fmt.Errorf("find the kernel in its package: %w", err)
	}
	if err := loadedFromHere(program); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(into, "lib"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(tree, "usr/lib/uml/modules"), filepath.Join(into, "lib/modules")); err != nil {
		return fmt.Errorf("find the kernel's modules in its package: %w", err)
	}
	for _, name := range []string{umlLoader, cLibrary} {
		library, err := readFirst(filepath.Join(tree, "lib/x86_64-linux-gnu", name), filepath.Join(tree, "usr/lib/x86_64-linux-gnu", name))
		if err != nil {
			return fmt.Errorf("find the C library in its package: %w", err)
		}
		if err := os.WriteFile(filepath.Join(into, name), library, 0o755); err != nil {
			return err
		}
	}
	if err := buildShim(ctx, into); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(into, umlProgram), program, 0o755)
}

// loadedFromHere has a program take its loader from its working folder. User-mode Linux cannot be
// started by the loader itself, as other programs can: it takes its physical memory to begin where
// the heap of its process does, and that would be the loader's.
func loadedFromHere(program []byte) error {
	parsed, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("read user-mode Linux: %w", err)
	}
	at := slices.IndexFunc(parsed.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if at < 0 {
		return errors.New("user-mode Linux names no loader")
	}
	// It ends in a zero.
	room := program[parsed.Progs[at].Off:][:parsed.Progs[at].Filesz]
	path := "./" + umlLoader
	if len(path) >= len(room) {
		return fmt.Errorf("user-mode Linux names the loader %q, which has no room for %q", room, path)
	}
	clear(room[copy(room, path):])
	return nil
}

// buildShim builds what is preloaded into user-mode Linux.
func buildShim(ctx context.Context, into string) error {
	source := filepath.Join(into, "ptrace.c")
	if err := os.WriteFile(source, shimSource, 0o644); err != nil {
		return err
	}
	return debian.Run(ctx, "", "gcc", "-O2", "-shared", "-fPIC", "-o", filepath.Join(into, shimLibrary), source)
}

// userMode has user-mode Linux ready, and tries it. Where it does not run on this host it returns
// why not, and leaves that beside the kernel for those who start machines.
func (p *preparer) userMode(ctx context.Context, o options) (why string, err error) {
	if err := os.Remove(refusalPath(p.cache, p.kernel)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	failed := p.ready(ctx, uml())
	if failed == nil {
		failed = probe(o)
	}
	if failed == nil || ctx.Err() != nil {
		return "", failed
	}
	return failed.Error(), os.WriteFile(refusalPath(p.cache, p.kernel), []byte(failed.Error()), 0o644)
}

// probe starts a machine as short as can be, with what the tests want most. It takes 2 s.
func probe(o options) error {
	o.timeout = time.Minute
	code, err := runIn(o, uml(), "", []string{"ip", "link", "add", "probe", "type", "vrf", "table", "10"})
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("no VRF device can be made in it: exit status %d", code)
	}
	return nil
}
