package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The files that a machine inherits.
const (
	framesFD    = 3
	initramfsFD = 4
)

// Names that host and guest agree on.
const (
	initPath   = "/init"
	taskPath   = "/task.json"
	modulesDir = "/modules"
	rootTag    = "root"
	shareTag   = "share%d"
)

// machineName tells in a list of processes whose machine it is.
func machineName(vmrun int) string { return fmt.Sprintf("vmrun-%d", vmrun) }

// newInitramfs returns the guest's first files, in memory: this program as its
// init, the modules, and the task, whose modules it fills in.
func newInitramfs(of kind, k kernel, t *task) (*os.File, error) {
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
	if err := fillInitramfs(&a, of, k, t, self); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		f.Close()
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	return f, nil
}

func fillInitramfs(a *archive, of kind, k kernel, t *task, self []byte) error {
	t.Machine, t.ModuleTree = of.name, filepath.Dir(k.modules)
	files, err := moduleFiles(k.modules, append(of.modules, netModules...))
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
