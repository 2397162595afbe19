package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	netnslib "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// identity is a namespace's device and inode number, by which it is known.
type identity struct{ dev, inode uint64 }

// namespace is an open network namespace. It lives as long as it is open, so
// that its inode number is given to no other meanwhile.
type namespace struct {
	file *os.File
	id   identity
	name string // as configured; "" is the daemon's own
	own  bool
	// pathless: file does not hold the mount that it was opened at. The first
	// socket makes it so, while the namespace has one user.
	pathless bool
}

func (n *namespace) String() string { return rib.NetnsText(n.name) }

// close lets go of the namespace. The daemon's own stays open.
func (n *namespace) close() {
	if !n.own {
		_ = n.file.Close() // only looked at: nothing can be lost
	}
}

// enter takes the calling thread into the namespace. Where it was closed meanwhile that is
// os.ErrClosed: its descriptor's number may be another file's by then.
func (n *namespace) enter() error {
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var entered error
	if raw.Control(func(fd uintptr) { entered = netnslib.Set(netnslib.NsHandle(fd)) }) != nil {
		return os.ErrClosed // no other error is possible, and this one does not say so to errors.Is
	}
	return entered
}

// netnsPath returns the path of the namespace that a binding calls name.
func netnsPath(name string) (string, error) {
	switch absolute := filepath.IsAbs(name); {
	case absolute && strings.ContainsRune(name, 0):
		return "", fmt.Errorf("invalid namespace path %q: it has a NUL byte", name)
	case !absolute && (name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00\n")):
		return "", fmt.Errorf("invalid namespace name %q: use a name below %s, or an absolute path", name, rib.NetnsDir)
	}
	return rib.NetnsFile(name), nil
}

// openNamespace opens the file that name stands for and makes sure that it is a network
// namespace, on the opened descriptor: the path may lead to another file by then.
func openNamespace(name string) (*namespace, error) {
	path, err := netnsPath(name)
	if err != nil {
		return nil, err
	}
	// O_NONBLOCK, or a FIFO would hold us until somebody writes to it.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil, rib.Absent(fmt.Sprintf("netns %s is not there (%s)", name, path))
	case errors.Is(err, unix.EACCES) && unmounted(path):
		return nil, rib.Absent(fmt.Sprintf("netns %s is not mounted on %s yet", name, path))
	case err != nil:
		return nil, fmt.Errorf("open netns %s: %w", name, &os.PathError{Op: "open", Path: path, Err: err})
	}
	n, err := verify(fd, name, path)
	if err != nil {
		unix.Close(fd) // the error that counts is the first
		return nil, err
	}
	return n, nil
}

// unmounted tells whether a file is one that `ip netns add` has made, and not mounted the
// namespace on yet: nobody may open it, but for root with CAP_DAC_OVERRIDE, which the
// service has not.
func unmounted(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm() == 0
}

// verify makes a namespace of fd, and owns it where it returns no error.
func verify(fd int, name, path string) (*namespace, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return nil, fmt.Errorf("look at netns %s: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("look at netns %s: %w", name, err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		// `ip netns add` makes an empty file and mounts the namespace on it
		// afterwards.
		if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 {
			return nil, rib.Absent(fmt.Sprintf("netns %s is not mounted on %s yet", name, path))
		}
		return nil, fmt.Errorf("netns %s: %s is not a network namespace", name, path)
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return nil, fmt.Errorf("look at netns %s: ask for the type of the namespace: %w", name, err)
	}
	if kind != unix.CLONE_NEWNET {
		return nil, fmt.Errorf("netns %s: %s is a namespace, but not a network namespace", name, path)
	}
	return &namespace{
		// A plain file for Go's poller: nsfs cannot be waited on.
		file: os.NewFile(uintptr(fd), path),
		id:   identity{uint64(st.Dev), st.Ino},
		name: name,
	}, nil
}

// ownNamespace opens the namespace of the calling thread.
func ownNamespace() (*namespace, error) {
	const path = "/proc/thread-self/ns/net"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the daemon's own network namespace: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	n, err := verify(fd, "", path)
	if err != nil {
		unix.Close(fd) // the error that counts is the first
		return nil, err
	}
	n.own = true
	return n, nil
}

// namespaceOf opens the namespace that a socket is in, through no path: a file that
// was opened at its mount would keep that mount busy.
func namespaceOf(s syscall.RawConn) (*os.File, identity, error) {
	var fd int
	var ioctl error
	err := s.Control(func(sock uintptr) { fd, ioctl = unix.IoctlRetInt(int(sock), unix.SIOCGSKNS) })
	if err == nil {
		err = ioctl
	}
	if err != nil {
		return nil, identity{}, err
	}
	f := os.NewFile(uintptr(fd), "netns")
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = f.Close() // only looked at: nothing can be lost
		return nil, identity{}, err
	}
	return f, identity{uint64(st.Dev), st.Ino}, nil
}

// identify returns the identity of the file that is at path now, zero where none is.
func identify(path string) identity {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return identity{}
	}
	return identity{uint64(st.Dev), st.Ino}
}
