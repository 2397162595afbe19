package kernel

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// Namespaces are the network namespaces of this machine, entered and looked at from
// the process's own. They need no Host that runs, and change nothing but by SetSysctl.
// They are safe for concurrent use.
type Namespaces struct {
	own    *namespace // the daemon's
	ownErr error      // why own is nil
}

// OwnNamespaces takes the calling thread's network namespace for the daemon's own.
func OwnNamespaces() *Namespaces {
	n := &Namespaces{}
	n.own, n.ownErr = ownNamespace()
	return n
}

// open opens the namespace that a binding calls name.
func (n *Namespaces) open(name string) (*namespace, error) {
	if name != "" {
		return openNamespace(name)
	}
	if n.own == nil {
		return nil, n.ownErr
	}
	return n.own, nil
}

// InNetns runs f on a thread that is inside the namespace that a binding would
// call netns ("": the daemon's own): the sockets that f makes, and the files of
// /proc/sys/net that it opens, belong to that namespace. f does not block. Where the
// namespace is not there the error matches rib.ErrAbsent; an error of f is
// returned as it is. It may be called by several goroutines at once.
func (n *Namespaces) InNetns(netns string, f func() error) error {
	ns, err := n.open(netns)
	if err != nil {
		return err
	}
	defer ns.close()
	return n.within(ns, f)
}

// within is InNetns where the namespace is open.
func (n *Namespaces) within(ns *namespace, f func() error) error {
	if ns.own {
		return f()
	}
	if n.own == nil {
		return n.ownErr
	}
	done := make(chan error, 1)
	go func() { done <- inside(ns, n.own, f) }()
	return <-done
}

// inside runs f in ns on the calling goroutine's thread, and brings the thread back to
// own. A thread that cannot be brought back ends with the goroutine, because it
// must not serve another.
func inside(ns, own *namespace, f func() error) error {
	runtime.LockOSThread()
	if err := ns.enter(); err != nil {
		runtime.UnlockOSThread()
		return &enterError{ns.String(), err}
	}
	err := f()
	if own.enter() == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// enterError is the error of a thread that could not enter a namespace.
type enterError struct {
	ns  string
	err error
}

func (e *enterError) Error() string {
	if !errors.Is(e.err, os.ErrPermission) {
		return fmt.Sprintf("enter %s: %v", e.ns, e.err)
	}
	return fmt.Sprintf("enter %s: %v: run with CAP_SYS_ADMIN, which entering a network namespace needs", e.ns, e.err)
}

func (e *enterError) Unwrap() error { return e.err }

// Sysctl returns a setting of one namespace, by its name below net:
// "ipv4.tcp_l3mdev_accept". A setting that this kernel does not have is an error
// that matches fs.ErrNotExist.
func (n *Namespaces) Sysctl(netns, name string) (value string, err error) {
	err = n.InNetns(netns, func() error {
		b, err := os.ReadFile(sysctlPath(name))
		value = strings.TrimSpace(string(b))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read net.%s in %s: %w", name, rib.NetnsText(netns), err)
	}
	return value, nil
}

// SetSysctl changes a setting of one namespace.
func (n *Namespaces) SetSysctl(netns, name, value string) error {
	err := n.InNetns(netns, func() error {
		f, err := os.OpenFile(sysctlPath(name), os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(value)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return fmt.Errorf("set net.%s to %s in %s: %w", name, value, rib.NetnsText(netns), err)
	}
	return nil
}

// sysctlPath is where a setting is: /proc/sys/net shows the namespace of the
// thread that opens it.
func sysctlPath(name string) string {
	return "/proc/sys/net/" + strings.ReplaceAll(name, ".", "/")
}
