package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// kind is a kind of virtual machine: where its kernel comes from, how the host starts one, and
// how a guest in it reaches the host.
type kind struct {
	name  string // as it is asked for
	title string // as people know it
	tools []tool // what it needs of the host

	folder   string // of its kernels in the cache, with the version behind it
	image    string // the kernel's file in that folder
	pkg      string // Debian's package whose version is the kernel's
	packages func(ctx context.Context, suite *debian.Suite, about debian.Package) ([]string, error)
	// unpack makes of the packages' files the folder that openKernel expects.
	unpack func(ctx context.Context, tree, into string, packages []string) error

	env     []string      // of the command, besides what every machine sets
	boot    time.Duration // the longest that it may take until the command starts
	command func(o options, k kernel, shares []string) (*exec.Cmd, error)

	modules []string // of the kernel, that a guest needs for what follows
	port    func() (*os.File, error)
	root    mounting // the host's files
	share   func(i int, folder string) mounting
}

func kindOf(name string) (kind, error) {
	switch name {
	case qemuName:
		return qemu(), nil
	case umlName:
		return uml(), nil
	default:
		return kind{}, fmt.Errorf("%q is no kind of machine: it may be %s, which is the default, or %s", name, qemuName, umlName)
	}
}
