package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// kernel is what is in the cache once it is complete, for 6.12 say:
//
//	kernel-6.12/vmlinux                  the kernel as an ELF file
//	kernel-6.12/lib/modules/RELEASE/     its modules, with depmod's lists
type kernel struct {
	image   string
	modules string // lib/modules/RELEASE
}

// release is what the kernel itself says that it is.
func (k kernel) release() string { return filepath.Base(k.modules) }

// defaultKernel is the oldest one that is supported.
const defaultKernel = "6.1"

var kernelName = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

func checkKernelName(name string) error {
	if !kernelName.MatchString(name) {
		return fmt.Errorf("%q is the version of no kernel: write how it begins, 6.12 or 7", name)
	}
	return nil
}

func kernelDir(cache, name string) string { return filepath.Join(cache, "kernel-"+name) }

// openKernel finds a kernel in the cache. os.ErrNotExist means that it is not there.
func openKernel(cache, name string) (kernel, error) {
	dir := kernelDir(cache, name)
	image := filepath.Join(dir, "vmlinux")
	if _, err := os.Stat(image); err != nil {
		return kernel{}, fmt.Errorf("there is no kernel %s to start: %w; `vmrun -prepare -kernel %[1]s` fetches it", name, err)
	}
	releases, err := filepath.Glob(filepath.Join(dir, "lib/modules/*/modules.dep"))
	if err != nil || len(releases) != 1 {
		return kernel{}, fmt.Errorf("%s holds the modules of %d kernels, not of one; remove it and run `vmrun -prepare -kernel %s`", dir, len(releases), name)
	}
	return kernel{image: image, modules: filepath.Dir(releases[0])}, nil
}
