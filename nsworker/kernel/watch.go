package kernel

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// watch waits for files of namespaces that come and go. It takes one thread for
// all of them: poll(2) on mountinfo reports through POLLPRI, which Go's poller
// does not ask for.
type watch struct {
	inotify, mounts, event int
	dirs                   map[int]struct{} // watch descriptors
	mu                     sync.Mutex
	closed                 bool // guarded by mu, so that wake never writes to a descriptor that is another's by now
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
// above them, and no others. The ones above are watched because a directory
// that is moved, or removed on an overlay filesystem, does not say so itself.
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

// add watches what is above dir and then dir, in this order, so that one that
// is absent cannot come unseen. It tells whether dir is there.
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
		watches[dir] = unreadable // and yet there may be one below that is not
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
	// What happened where does not matter: every path is looked at. Polling
	// mountinfo has taken its event.
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

// watch looks at all paths again whenever something changed, until ctx ends.
func (h *Host) watch(ctx context.Context) error {
	w, err := newWatch()
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.wake = w.wake
	h.mu.Unlock()
	stop := context.AfterFunc(ctx, w.wake)
	defer func() {
		stop()
		h.mu.Lock()
		h.wake = nil
		h.mu.Unlock()
		w.close()
	}()
	for ctx.Err() == nil {
		// Covered, then looked at: what comes between is looked at twice.
		paths := h.watchedPaths()
		if err := w.cover(paths); err != nil {
			return err
		}
		for _, path := range paths {
			h.look(path)
		}
		if err := w.wait(); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) watchedPaths() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	paths := make([]string, 0, len(h.paths))
	for path := range h.paths {
		paths = append(paths, path)
	}
	return paths
}

// look compares what is at path with what its users know.
func (h *Host) look(path string) {
	h.mu.Lock()
	// Under the lock, or a Conn that is opened meanwhile would be compared
	// with what was there before it.
	now := identify(path)
	var changed []*await
	if p := h.paths[path]; p != nil {
		for c := range p.conns {
			switch {
			case now == identity{c.where.Dev, c.where.Inode}:
			case now.dev != c.where.Dev:
				// Nothing, or the file that the namespace was mounted on:
				// namespaces are all on one device.
				c.gone(rib.NetnsText(c.binding.Netns) + " was removed")
			default:
				c.gone(rib.NetnsText(c.binding.Netns) + " is another namespace now")
			}
		}
		for a := range p.awaits {
			// Who waits for a namespace alone may have tried while it was away: that it is
			// the same again must not hide that it came.
			if a.last != now || now != (identity{}) && a.binding.Device == "" {
				a.last = now
				changed = append(changed, a)
			}
		}
	}
	h.mu.Unlock()
	for _, a := range changed {
		if err := a.look(); err != nil {
			h.log.Debug("a namespace came that cannot be opened", "netns", a.binding.Netns, "error", err)
		}
		// Open meets the error too, and its caller reports it. Of what is absent still,
		// the reason is another one: `ip netns del` unmounts first and removes the file
		// after that.
		a.signal()
	}
}

// at returns the users of path; h.mu is held.
func (h *Host) at(path string) *watched {
	p := h.paths[path]
	if p == nil {
		p = &watched{conns: make(map[*Conn]struct{}), awaits: make(map[*await]struct{})}
		h.paths[path] = p
	}
	if h.wake != nil {
		h.wake()
	}
	return p
}

func (h *Host) watchConn(c *Conn) {
	if c.path == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at(c.path).conns[c] = struct{}{}
}

func (h *Host) watchAwait(a *await) {
	if a.path == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	a.last = identify(a.path)
	h.at(a.path).awaits[a] = struct{}{}
}

func (h *Host) unwatch(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.paths[c.path]; p != nil {
		delete(p.conns, c)
		h.drop(c.path, p)
	}
}

func (h *Host) unwatchAwait(a *await) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.paths[a.path]; p != nil {
		delete(p.awaits, a)
		h.drop(a.path, p)
	}
}

// drop forgets a path that nobody uses; h.mu is held.
func (h *Host) drop(path string, p *watched) {
	if len(p.conns)+len(p.awaits) > 0 {
		return
	}
	delete(h.paths, path)
	if h.wake != nil {
		h.wake()
	}
}
