package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// netModules are loaded before the command starts. The kernel would load most
// of them by itself when they are first asked for, but then the tests' own time
// limits pay for it.
var netModules = []string{
	"vrf", "dummy", "veth", "bridge", "vxlan", "8021q", "macvlan", "mpls_router", "mpls_iptunnel",
	"tcp_diag", "udp_diag", "unix_diag", "netlink_diag", "raw_diag",
}

// moduleOptions are what a module is loaded with. Without it dummy makes an
// interface that nobody asked for.
var moduleOptions = map[string]string{"dummy": "numdummies=0"}

// moduleFiles returns the files of modules, relative to the folder of a
// kernel's modules, each after those that it needs. What is built into the
// kernel has no file.
func moduleFiles(dir string, names []string) ([]string, error) {
	dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, fmt.Errorf("read which modules need which: %w", err)
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("read which modules are built in: %w", err)
	}
	return orderModules(string(dep), string(builtin), names)
}

func orderModules(dep, builtin string, names []string) ([]string, error) {
	type module struct {
		file  string
		needs []string
	}
	modules := map[string]module{}
	for line := range strings.Lines(dep) {
		if file, needs, ok := strings.Cut(line, ":"); ok {
			modules[moduleName(file)] = module{file, strings.Fields(needs)}
		}
	}
	in := map[string]bool{}
	for _, file := range strings.Fields(builtin) {
		in[moduleName(file)] = true
	}
	var order []string
	for _, name := range names {
		m, ok := modules[name]
		if !ok && in[name] {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("the kernel has no module %s", name)
		}
		// depmod lists all that a module needs, directly or not; what must be
		// loaded first comes last.
		files := append([]string{m.file}, m.needs...)
		for _, file := range slices.Backward(files) {
			if !slices.Contains(order, file) {
				order = append(order, file)
			}
		}
	}
	return order, nil
}

// moduleName is the name that the kernel knows a file's module by.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".ko"), "-", "_")
}
