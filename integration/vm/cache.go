package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kernel is what is in the cache once it is complete:
//
//	kernel/vmlinux                     the kernel as an ELF file
//	kernel/lib/modules/RELEASE/        its modules, with depmod's lists
type kernel struct {
	image   string
	modules string // lib/modules/RELEASE
}

func kernelDir(cache string) string { return filepath.Join(cache, "kernel") }

// openKernel finds the cache's kernel. os.ErrNotExist means that there is none.
func openKernel(cache string) (kernel, error) {
	dir := kernelDir(cache)
	image := filepath.Join(dir, "vmlinux")
	if _, err := os.Stat(image); err != nil {
		return kernel{}, fmt.Errorf("there is no kernel to start: %w; `vmrun -prepare` fetches it", err)
	}
	releases, err := filepath.Glob(filepath.Join(dir, "lib/modules/*/modules.dep"))
	if err != nil || len(releases) != 1 {
		return kernel{}, fmt.Errorf("%s holds the modules of %d kernels, not of one; remove it and run `vmrun -prepare`", dir, len(releases))
	}
	return kernel{image: image, modules: filepath.Dir(releases[0])}, nil
}

// defaultCache is in the Go module that holds the working folder, or else in
// the one that holds this program, wherever a test's binary is called.
func defaultCache() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	for _, from := range []string{dir, self} {
		for at := from; ; at = filepath.Dir(at) {
			if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
				return filepath.Join(at, ".cache", "vm"), nil
			}
			if strings.HasSuffix(at, "/") {
				break
			}
		}
	}
	return "", errors.New("neither the working folder nor this program is in a Go module: say with -cache where the kernel is")
}
