package kernel

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// watch waits for files of namespaces that come and go. It takes one thread for
// all of them: poll(2) on mountinfo reports through POLLPRI, which Go's poller
// does not ask for.
type watch struct {
	inotify, mounts, event int
	dirs                   map[int]struct{} // watch descriptors
	mu                     sync.Mutex
	closed                 bool // guarded by mu: wake must not write to a descriptor that was given to another file
}

func newWatch() (_ *watch, err error) {
	w := &watch{inotify: -1, mounts: -1, event: -1, dirs: make(map[int]struct{})}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.inotify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return nil, fmt.Errorf("watch for namespaces: inotify: %w: raise fs.inotify.max_user_instances", err)
	}
	if w.mounts, err = unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("watch for namespaces: open /proc/self/mountinfo: %w", err)
	}
	if w.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("watch for namespaces: eventfd: %w", err)
	}
	return w, nil
}

// wake makes wait return. It may be called from any goroutine.
func (w *watch) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	one := make([]byte, 8)
	native.PutUint64(one, 1)
	// EAGAIN is a counter that is full: wait will return.
	_, _ = unix.Write(w.event, one)
}

// close frees the descriptors.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, fd := range []int{w.inotify, w.mounts, w.event} {
		if fd >= 0 {
			_ = unix.Close(fd) // only looked at: nothing can be lost
		}
	}
}

// In place of a watch descriptor.
const (
	absent     = -1
	unreadable = -2
)

// cover watches the directories of paths as far as they are there, with all
// above them, and no others. The directories above are watched because one that is
// moved, or removed on an overlay filesystem, gives no event of its own.
func (w *watch) cover(paths []string) error {
	watches := make(map[string]int) // descriptor by directory
	for _, path := range paths {
		if _, err := w.add(filepath.Dir(path), watches); err != nil {
			return err
		}
	}
	dirs := make(map[int]struct{}, len(watches))
	for _, wd := range watches {
		dirs[wd] = struct{}{}
	}
	for wd := range w.dirs {
		if _, used := dirs[wd]; !used {
			// It fails where the directory went, and the watch with it.
			_, _ = unix.InotifyRmWatch(w.inotify, uint32(wd))
		}
	}
	delete(dirs, absent)
	delete(dirs, unreadable)
	w.dirs = dirs
	return nil
}

// add watches the directories above dir and then dir, in this order, so that an absent
// directory cannot come unseen. It tells whether dir is there.
func (w *watch) add(dir string, watches map[string]int) (bool, error) {
	const mask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	if wd, done := watches[dir]; done {
		return wd != absent, nil
	}
	watches[dir] = absent
	if above := filepath.Dir(dir); above != dir {
		if there, err := w.add(above, watches); err != nil || !there {
			return false, err
		}
	}
	wd, err := unix.InotifyAddWatch(w.inotify, dir, mask)
	switch {
	case err == nil:
		watches[dir] = wd
		return true, nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return false, nil
	case errors.Is(err, unix.EACCES):
		watches[dir] = unreadable // a directory below may be readable all the same
		return true, nil
	case errors.Is(err, unix.ENOSPC):
		return false, fmt.Errorf("watch %s for namespaces: %w: raise fs.inotify.max_user_watches", dir, err)
	}
	return false, fmt.Errorf("watch %s for namespaces: %w", dir, err)
}

// wait returns when a directory or the mounts changed, or after wake.
func (w *watch) wait() error {
	fds := []unix.PollFd{
		{Fd: int32(w.inotify), Events: unix.POLLIN},
		{Fd: int32(w.mounts), Events: unix.POLLPRI},
		{Fd: int32(w.event), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch for namespaces: poll: %w", err)
		}
	}
	// The events themselves do not matter: every path is looked at. Polling mountinfo has
	// taken its event.
	scratch := make([]byte, 4096)
	for _, fd := range []int{w.inotify, w.event} {
		for {
			if n, err := unix.Read(fd, scratch); err != nil || n == 0 {
				break
			}
		}
	}
	return nil
}
