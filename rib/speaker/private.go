package speaker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// privatePrefix starts the name of the directory of a private socket; digits follow.
const privatePrefix = "vrfredist-"

// privateSocket is the name of the private socket in its directory.
const privateSocket = "bgp.sock"

// privateDir makes the directory of the private socket, with mode 0700, and returns
// it open and locked: the lock goes with the process, however it ends, and tells
// those who sweep that the directory is in use. What processes left that were killed
// is swept first.
func privateDir() (dir string, lock *os.File, err error) {
	sweepPrivate(os.TempDir())
	// Whoever sweeps may take a directory that is not locked yet for one that was
	// left: then another one is made.
	for range 10 {
		if dir, err = os.MkdirTemp("", privatePrefix); err != nil {
			return "", nil, err
		}
		if lock, err = lockDir(dir); err == nil {
			return dir, lock, nil
		}
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, err
		}
	}
	return "", nil, err
}

// lockDir opens a directory and locks it, unless somebody else has. It follows no
// symbolic link, and what it returns is still there under its name.
func lockDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	now, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(opened, now) {
		return nil, errors.Join(fmt.Errorf("%s was replaced meanwhile", path), err, f.Close())
	}
	return f, nil
}

// sweepPrivate removes the directories of private sockets whose processes were
// killed. Anybody may write to a temporary directory: what is not ours, is locked,
// answers, or holds anything else stays. What cannot be removed now is tried at the
// next start.
func sweepPrivate(temp string) {
	entries, err := os.ReadDir(temp)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && numbered(e.Name(), privatePrefix) {
			sweepDir(filepath.Join(temp, e.Name()))
		}
	}
}

// numbered tells whether name is prefix and a number.
func numbered(name, prefix string) bool {
	digits, ok := strings.CutPrefix(name, prefix)
	_, err := strconv.ParseUint(digits, 10, 64)
	return ok && err == nil
}

func sweepDir(dir string) {
	f, err := lockDir(dir)
	if err != nil {
		return
	}
	defer f.Close()
	var stat unix.Stat_t
	if unix.Fstat(int(f.Fd()), &stat) != nil || int(stat.Uid) != os.Geteuid() || stat.Mode&0o7777 != 0o700 {
		return
	}
	names, err := f.Readdirnames(-1)
	if err != nil || len(names) > 1 || len(names) == 1 && (names[0] != privateSocket || !abandoned(filepath.Join(dir, privateSocket))) {
		return
	}
	// By the descriptor, so that the socket which goes is one of the directory that
	// was looked at; and a directory goes only where it is empty.
	if len(names) == 1 && unix.Unlinkat(int(f.Fd()), privateSocket, 0) != nil {
		return
	}
	_ = os.Remove(dir)
}

// abandoned tells whether path is a socket on which nobody listens.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

// hiddenName is the name that a public socket has before it is published.
func hiddenName(path string) string { return fmt.Sprintf("%s.%d", path, os.Getpid()) }

// sweepHidden removes the hidden sockets beside path of processes that were killed
// before they could publish them.
func sweepHidden(path string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range entries {
		if prefix := filepath.Base(path) + "."; numbered(e.Name(), prefix) {
			_, err := os.Stat("/proc/" + strings.TrimPrefix(e.Name(), prefix))
			hidden := filepath.Join(filepath.Dir(path), e.Name())
			if errors.Is(err, fs.ErrNotExist) && abandoned(hidden) {
				_ = os.Remove(hidden)
			}
		}
	}
}
