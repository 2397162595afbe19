package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// kernel is what is in the cache once it is complete, for 6.12 say:
//
//	kernel-6.12/vmlinux                  the kernel as an ELF file, for QEMU
//	kernel-6.12/lib/modules/RELEASE/     its modules, with depmod's lists
//	uml-6.12/linux                       the same of user-mode Linux, whose kernel is a program,
//	uml-6.12/lib/modules/RELEASE/        with its loader and C library beside it
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

func kernelDir(cache string, of kind, name string) string {
	return filepath.Join(cache, of.folder+"-"+name)
}

// openKernel finds a kernel in the cache. os.ErrNotExist means that it is not there.
func openKernel(cache string, of kind, name string) (kernel, error) {
	dir := kernelDir(cache, of, name)
	image := filepath.Join(dir, of.image)
	if _, err := os.Stat(image); err != nil {
		return kernel{}, fmt.Errorf("there is no kernel %s to start: %w; `vmrun -prepare -machine %s -kernel %[1]s` fetches it", name, err, of.name)
	}
	releases, err := filepath.Glob(filepath.Join(dir, "lib/modules/*/modules.dep"))
	if err != nil || len(releases) != 1 {
		return kernel{}, fmt.Errorf("%s holds the modules of %d kernels, not of one; remove it and run `vmrun -prepare -machine %s -kernel %s`", dir, len(releases), of.name, name)
	}
	return kernel{image: image, modules: filepath.Dir(releases[0])}, nil
}

// Where user-mode Linux does not run on this host, a file beside its folder says why not.
func refusalPath(cache, name string) string {
	return filepath.Join(cache, uml().folder+"-"+name+".refused")
}

// refusal is why a kernel of user-mode Linux does not run on this host, as it was prepared;
// "": it does.
func refusal(cache, name string) (string, error) {
	why, err := os.ReadFile(refusalPath(cache, name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(why), err
}
