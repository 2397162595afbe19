package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// suites are where kernels are looked for.
var suites = []string{"bookworm", "trixie", "sid"}

// fetchKernel fills the cache's folder of the kernel. A half filled one never has its
// name.
func (p *preparer) fetchKernel(ctx context.Context) error {
	suite, about, err := p.findKernel(ctx)
	if err != nil {
		return err
	}
	packages, err := p.kind.packages(ctx, suite, about)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(p.cache, "fetch")
	if err != nil {
		return fmt.Errorf("make room for the kernel: %w", err)
	}
	defer os.RemoveAll(work)
	p.say("Fetching %s of Debian's %s and unpacking it into %s. Nothing of it is installed.", strings.Join(packages, ", "), suite.Name, p.cache)
	if err := suite.Download(ctx, work, packages...); err != nil {
		return err
	}
	tree := filepath.Join(work, "tree")
	if err := debian.Unpack(ctx, work, tree); err != nil {
		return err
	}
	ready := filepath.Join(work, "kernel")
	if err := p.kind.unpack(ctx, tree, ready, packages); err != nil {
		return err
	}
	return os.Rename(ready, kernelDir(p.cache, p.kind, p.kernel))
}

// findKernel finds the suite whose kernel is the wanted one, and what it says of the package.
func (p *preparer) findKernel(ctx context.Context) (*debian.Suite, debian.Package, error) {
	var have []string
	var unreached error
	for _, name := range suites {
		suite, err := debian.Open(ctx, filepath.Join(p.cache, "debian"), name)
		var about debian.Package
		if err == nil {
			about, err = suite.Show(ctx, p.kind.pkg)
		}
		switch {
		case errors.Is(err, debian.ErrUnavailable):
			unreached = errors.Join(unreached, err)
		case err != nil:
			return nil, debian.Package{}, err
		case isKernel(about.Version, p.kernel):
			return suite, about, nil
		default:
			have = append(have, name+" has "+about.Version)
		}
	}
	if unreached != nil {
		return nil, debian.Package{}, fmt.Errorf("the kernel %s: %w", p.kernel, unreached)
	}
	return nil, debian.Package{}, fmt.Errorf("the kernel %s: %w: of Debian's suites %s", p.kernel, debian.ErrUnavailable, strings.Join(have, ", "))
}

// isKernel says whether a version begins as the name does: 6.1.192-1 is 6.1, and 6.1um4 of
// user-mode-linux, and 6.12.107-1 is not.
func isKernel(version, name string) bool {
	rest, begins := strings.CutPrefix(version, name)
	return begins && (rest == "" || strings.ContainsAny(rest[:1], ".-~+u"))
}

// partPrefixes are the packages of a kernel besides its linux-image: up to 6.12 there are
// none; later that one is empty, and depends on one with the kernel, one with its
// modules, and one with their lists.
const imagePrefix = "linux-image-"

var partPrefixes = []string{"linux-binary-", "linux-modules-", "linux-base-"}

// kernelParts are the packages that a suite's kernel is in. The first has the kernel's release
// in its name.
func kernelParts(ctx context.Context, suite *debian.Suite, latest debian.Package) ([]string, error) {
	at := slices.IndexFunc(latest.Depends, func(name string) bool { return strings.HasPrefix(name, imagePrefix) })
	if at < 0 {
		return nil, fmt.Errorf("the package %s of Debian's %s depends on no %s…: %q", latest.Name, suite.Name, imagePrefix, latest.Depends)
	}
	image := latest.Depends[at]
	about, err := suite.Show(ctx, image)
	if err != nil {
		return nil, err
	}
	parts := []string{image}
	for _, dependency := range about.Depends {
		if slices.ContainsFunc(partPrefixes, func(prefix string) bool { return strings.HasPrefix(dependency, prefix) }) {
			parts = append(parts, dependency)
		}
	}
	return parts, nil
}

// unpackKernel makes a folder of a kernel for QEMU.
func unpackKernel(ctx context.Context, tree, into string, packages []string) error {
	release := strings.TrimPrefix(packages[0], imagePrefix)
	modules := filepath.Join(tree, "lib/modules")
	if _, err := os.Stat(modules); err != nil {
		modules = filepath.Join(tree, "usr/lib/modules") // Debian 13
	}
	image, err := readFirst(filepath.Join(tree, "boot", "vmlinuz-"+release), filepath.Join(modules, release, "vmlinuz"))
	if err != nil {
		return fmt.Errorf("find the kernel in its package: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(into, "lib"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(modules, filepath.Join(into, "lib/modules")); err != nil {
		return fmt.Errorf("find the kernel's modules in its package: %w", err)
	}
	modules = filepath.Join(into, "lib/modules", release)
	if err := dropHardware(modules); err != nil {
		return err
	}
	if err := unpackModules(ctx, modules); err != nil {
		return err
	}
	if err := debian.Run(ctx, "", "depmod", "-b", into, release); err != nil {
		return err
	}
	unpacked, err := vmlinux(image)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(into, "vmlinux"), unpacked, 0o644)
}

func readFirst(paths ...string) (content []byte, err error) {
	for _, path := range paths {
		if content, err = os.ReadFile(path); !errors.Is(err, os.ErrNotExist) {
			return content, err
		}
	}
	return nil, err
}

// hardware are the folders of modules that drive what the machine does not have: four
// fifths of them all.
var hardware = []string{
	"sound", "drivers/accel", "drivers/gpu", "drivers/hid", "drivers/iio", "drivers/infiniband", "drivers/input", "drivers/media",
	"drivers/mtd", "drivers/net/ethernet", "drivers/net/wireless", "drivers/scsi", "drivers/staging", "drivers/usb",
}

func dropHardware(modules string) error {
	for _, folder := range hardware {
		if err := os.RemoveAll(filepath.Join(modules, "kernel", folder)); err != nil {
			return fmt.Errorf("leave out modules of hardware: %w", err)
		}
	}
	return nil
}

// unpackModules unpacks those that are compressed, as Debian 13 has them: the
// guest's init hands them to the kernel as they are.
func unpackModules(ctx context.Context, dir string) error {
	var packed []string
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".ko.xz") {
			packed = append(packed, path)
		}
		return err
	}); err != nil {
		return fmt.Errorf("list the kernel's modules: %w", err)
	}
	// A command line has an end.
	for some := range slices.Chunk(packed, 500) {
		if err := debian.Run(ctx, "", "xz", append([]string{"-d", "--"}, some...)...); err != nil {
			return err
		}
	}
	return nil
}
