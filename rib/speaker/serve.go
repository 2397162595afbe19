package speaker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const unixScheme = "unix://"

// maxSocketPath leaves room for the suffix that a socket's name has at first:
// sockaddr_un holds 108 bytes.
const maxSocketPath = 96

// checkListen refuses an address that the API must not, or cannot, be served
// on. GoBGP's API has no authentication of its own: unless the server's options
// bring one (secured), TCP is for this host alone.
func checkListen(addr string, secured bool) error {
	if path, ok := strings.CutPrefix(addr, unixScheme); ok {
		if !filepath.IsAbs(path) || strings.Contains(path, ",") {
			return fmt.Errorf("API address %q: write unix:// and an absolute path without a comma", addr)
		}
		if len(path) > maxSocketPath {
			return fmt.Errorf("API address %q: the path is over %d bytes", addr, maxSocketPath)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("API address %q: write unix:///path or host:port: %w", addr, err)
	}
	if secured {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("API address %q is not a loopback address: other hosts need mutual TLS, so configure [netlink.api.tls], or use a unix socket, 127.0.0.1 or [::1]", addr)
	}
	return nil
}

// socketMode is that of a unix socket of the API from its first moment on.
const socketMode = 0o660

// umask is the process's while GoBGP makes its sockets. It is the only way to
// give a socket its mode at birth (unix_bind in net/unix/af_unix.c). Nothing else
// of the daemon makes files then, or where it does it asks for less.
type umask struct {
	once sync.Once
	was  int
}

func narrowUmask() *umask { return &umask{was: unix.Umask(0o777 &^ socketMode)} }

func (u *umask) restore() { u.once.Do(func() { unix.Umask(u.was) }) }

// sockets are the addresses of the API. GoBGP listens on them itself, with a
// mode that the umask decides. So it gets a name beside that of each unix
// socket, and publish gives the socket its group and then its name: nobody sees
// it half made, and a stale one is replaced at once.
type sockets struct {
	group   *int              // the gid of the public ones; nil: the process's
	dir     string            // of the private socket
	lock    *os.File          // on dir, as long as it is in use
	private string            // the path that our own announcements take
	listen  []string          // what GoBGP gets, the private one last
	public  map[string]string // path by the name that it has before publish
	done    []string          // paths that were published
}

func openSockets(addrs []string, group *int) (_ *sockets, err error) {
	s := &sockets{group: group, public: make(map[string]string)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, addr := range addrs {
		path, isUnix := strings.CutPrefix(addr, unixScheme)
		if !isUnix {
			if err := tryListen(addr); err != nil {
				return nil, err
			}
			s.listen = append(s.listen, addr)
			continue
		}
		if err := makeRoom(path); err != nil {
			return nil, err
		}
		sweepHidden(path)
		hidden := hiddenName(path)
		if err := os.Remove(hidden); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("API socket: %w", err)
		}
		s.public[hidden] = path
		s.listen = append(s.listen, unixScheme+hidden)
	}
	if s.dir, s.lock, err = privateDir(); err != nil {
		return nil, fmt.Errorf("private API socket: %w", err)
	}
	s.private = filepath.Join(s.dir, privateSocket)
	if len(s.private) > maxSocketPath {
		return nil, fmt.Errorf("private API socket: %s is over %d bytes: set TMPDIR to a shorter path", s.private, maxSocketPath)
	}
	s.listen = append(s.listen, unixScheme+s.private)
	return s, nil
}

func (s *sockets) addresses() string { return strings.Join(s.listen, ",") }

// tryListen finds out whether a TCP address is free, because GoBGP says no more
// than that it failed.
func tryListen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("API address %s: %w; end what listens there, or use another address", addr, err)
	}
	return l.Close()
}

// startError says what to do where GoBGP could not start. It gives its reasons as
// text.
func startError(err error) error {
	remedy := ""
	for errno, what := range map[unix.Errno]string{
		unix.EADDRINUSE:    "end the BGP program that listens there (`ss -ltnp` shows it), or give this one another address or port, by local-address-list or port in [global.config]",
		unix.EADDRNOTAVAIL: "an address in local-address-list of [global.config] is none of this host's",
		unix.EACCES:        "run vrfredist as root or with CAP_NET_BIND_SERVICE, or write another port in [global.config]",
	} {
		if strings.HasSuffix(err.Error(), errno.Error()) {
			remedy = "; " + what
		}
	}
	return fmt.Errorf("start BGP: %w%s", err, remedy)
}

// makeRoom makes the socket's directory, and makes sure that nobody answers on
// a socket that is there.
func makeRoom(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("API socket: %w", err)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("API socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("API socket: %s is there and is no socket: remove it, or use another path", path)
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil // left by a process that has gone
	}
	if err != nil {
		return fmt.Errorf("API socket: %s may be in use: %w", path, err)
	}
	defer conn.Close()
	return fmt.Errorf("API socket: another instance%s answers on %s: stop it first, or use another path", pidOf(conn), path)
}

// pidOf returns " (pid N)" of the process that listens at the other end.
func pidOf(conn net.Conn) string {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ""
	}
	text := ""
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && cred.Pid > 0 {
			text = fmt.Sprintf(" (pid %d)", cred.Pid)
		}
	})
	if err != nil {
		return ""
	}
	return text
}

// publish gives the sockets their group and their names. A mode that is not what
// the umask made it comes of a default ACL, which the kernel prefers.
func (s *sockets) publish() error {
	for hidden, path := range s.public {
		info, err := os.Lstat(hidden)
		if err != nil {
			return fmt.Errorf("API socket: %w", err)
		}
		if mode := info.Mode().Perm(); mode != socketMode {
			return fmt.Errorf("API socket: %s was made with mode %04o instead of %04o; remove the default ACL of its directory (setfacl -k %s), or use another path",
				path, mode, socketMode, filepath.Dir(path))
		}
		// A service without the right to call chown at all can have the group that
		// it runs in.
		if stat, ok := info.Sys().(*syscall.Stat_t); s.group != nil && (!ok || int(stat.Gid) != *s.group) {
			if err := os.Lchown(hidden, -1, *s.group); err != nil {
				return fmt.Errorf("API socket: give it to group %d: %w; run vrfredist as a member of that group, or with CAP_CHOWN", *s.group, err)
			}
		}
		if err := os.Rename(hidden, path); err != nil {
			return fmt.Errorf("API socket: %w", err)
		}
		s.done = append(s.done, path)
		delete(s.public, hidden)
	}
	return nil
}

// close takes the names away, so that no client waits on a server that ends.
// What it cannot remove, the next start replaces.
func (s *sockets) close() {
	for hidden := range s.public {
		_ = os.Remove(hidden)
	}
	for _, path := range s.done {
		_ = os.Remove(path)
	}
	if s.lock != nil {
		_ = os.RemoveAll(s.dir)
		_ = s.lock.Close()
	}
}
