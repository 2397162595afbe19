package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// netnsDir is where `ip netns` keeps the names.
const netnsDir = "/run/netns"

// Namespace is a network namespace of a lab: the test sets it up with `ip`, starts
// programs in it, reads its Tables, and has a Watch over them.
type Namespace struct {
	Name string // as `ip netns` knows it
	Role string // its part in the test

	lab *Lab
	Tables
	*Watch // nil: the namespace is deleted
}

// Make creates the namespace, anew where the test has deleted it: the same name
// is another namespace then.
func (n *Namespace) Make() {
	n.lab.T.Helper()
	n.lab.ip("netns", "add", n.Name)
	n.IP("link", "set", "lo", "up")
	w, err := startWatch(n.lab.Run, n)
	if err != nil {
		n.lab.T.Fatalf("watch the routes of %s: %v", n.Role, err)
	}
	n.Watch = w
}

// Delete deletes the namespace's name.
func (n *Namespace) Delete() {
	n.lab.T.Helper()
	n.endWatch()
	n.lab.ip("netns", "del", n.Name)
}

func (n *Namespace) endWatch() {
	if n.Watch == nil {
		return
	}
	for _, v := range n.end() {
		n.lab.T.Errorf("a foreign route was changed: %s", v)
	}
	n.Watch = nil
}

func (n *Namespace) cleanup() {
	n.endWatch()
	if _, err := os.Lstat(n.path()); os.IsNotExist(err) {
		return
	}
	if _, err := n.lab.runIP("", "netns", "del", n.Name); err != nil {
		n.lab.T.Errorf("clean up: %v", err)
	}
}

func (n *Namespace) path() string { return filepath.Join(netnsDir, n.Name) }

// IP runs ip in the namespace and returns what it prints. A failure fails the
// test.
func (n *Namespace) IP(args ...string) string {
	n.lab.T.Helper()
	out, err := n.TryIP(args...)
	if err != nil {
		n.lab.T.Fatal(err)
	}
	return out
}

// TryIP is IP for a command that may fail.
func (n *Namespace) TryIP(args ...string) (string, error) {
	return n.lab.runIP("", append([]string{"-n", n.Name}, args...)...)
}

// Run runs another program in the namespace, and returns what it prints.
func (n *Namespace) Run(program string, args ...string) (string, error) {
	return n.lab.runIP("", append([]string{"netns", "exec", n.Name, program}, args...)...)
}

// Batch runs many ip commands at once, a line each.
func (n *Namespace) Batch(lines ...string) {
	n.lab.T.Helper()
	if _, err := n.lab.runIP(strings.Join(lines, "\n")+"\n", "-n", n.Name, "-batch", "-"); err != nil {
		n.lab.T.Fatal(err)
	}
}

// Address gives dev addresses, IPv6 ones without waiting for duplicate address
// detection.
func (n *Namespace) Address(dev string, addrs ...string) {
	n.lab.T.Helper()
	for _, a := range addrs {
		args := []string{"addr", "add", a, "dev", dev}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		n.IP(args...)
	}
}

// VRF makes a VRF device and brings it up.
func (n *Namespace) VRF(name string, table int) {
	n.lab.T.Helper()
	n.Batch(fmt.Sprintf("link add %s type vrf table %d", name, table), "link set "+name+" up")
}

// LinkLocal returns the link-local address of a link, once it may be used.
func (n *Namespace) LinkLocal(dev string) (address string) {
	n.lab.T.Helper()
	WaitFor(n.lab.T, dev+" has a link-local address", Patience, func() string {
		for _, word := range strings.Fields(n.IP("-br", "-6", "addr", "show", "dev", dev, "scope", "link", "-tentative")) {
			if p, err := netip.ParsePrefix(word); err == nil {
				address = p.Addr().String()
				return ""
			}
		}
		return "none, or it is tentative"
	})
	return address
}

// Sysctl sets a setting of the namespace: "ipv4.ip_forward".
func (n *Namespace) Sysctl(name, value string) {
	n.lab.T.Helper()
	path := filepath.Join("/proc/sys/net", strings.ReplaceAll(name, ".", "/"))
	if err := n.Enter(func() error { return os.WriteFile(path, []byte(value), 0o644) }); err != nil {
		n.lab.T.Fatalf("set net.%s=%s in %s: %v", name, value, n.Role, err)
	}
}

// SysctlValue reads a setting of the namespace.
func (n *Namespace) SysctlValue(name string) string {
	n.lab.T.Helper()
	var value []byte
	err := n.Enter(func() (err error) {
		value, err = os.ReadFile(filepath.Join("/proc/sys/net", strings.ReplaceAll(name, ".", "/")))
		return err
	})
	if err != nil {
		n.lab.T.Fatalf("read net.%s in %s: %v", name, n.Role, err)
	}
	return strings.TrimSpace(string(value))
}

// Enter runs do in a thread that is in the namespace. What do starts is in it
// too; sockets that it opens stay there.
func (n *Namespace) Enter(do func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("remember the thread's namespace: %w", err)
	}
	defer home.Close()
	there, err := os.Open(n.path())
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open the namespace: %w", err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the namespace: %w", err)
	}
	failed := do()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		// The thread stays locked and is given up with its goroutine.
		return fmt.Errorf("leave the namespace: %w", err)
	}
	runtime.UnlockOSThread()
	return failed
}
