package gobgp3

import (
	"context"
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
	"google.golang.org/grpc"
)

const unixScheme = "unix://"

// maxSocketPath is the size of sun_path in sockaddr_un, but for the zero at its end.
const maxSocketPath = 107

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

// socketMode is that of a unix socket of the API once it has its group. Until then
// nobody but its owner may open it.
const socketMode = 0o660

// sockets are where the API is served.
type sockets struct {
	group     *int // the gid of the unix ones; nil: the process's
	listeners []net.Listener
	paths     []string // of the unix ones
}

// openSockets listens, and lets nobody in: see publish.
func openSockets(addrs []string, group *int) (_ *sockets, err error) {
	s := &sockets{group: group}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, addr := range addrs {
		path, isUnix := strings.CutPrefix(addr, unixScheme)
		if !isUnix {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return nil, fmt.Errorf("API address %s: %w; end what listens there, or use another address", addr, err)
			}
			s.listeners = append(s.listeners, l)
			continue
		}
		if err := makeRoom(path); err != nil {
			return nil, err
		}
		l, err := listenUnix(path)
		if err != nil {
			return nil, fmt.Errorf("API socket: %w", err)
		}
		s.listeners, s.paths = append(s.listeners, l), append(s.paths, path)
	}
	return s, nil
}

// listenUnix makes a socket that only its owner may open. The mode that a socket has
// before bind, less the umask, is what its file gets (unix_bind in net/unix/af_unix.c).
func listenUnix(path string) (net.Listener, error) {
	narrow := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		asked := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(asked, err)
	}}
	return narrow.Listen(context.Background(), "unix", path)
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, unix.ECONNREFUSED) { // left by a process that has gone
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("API socket: %w", err)
		}
		return nil
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

// publish lets those in who may: it gives the unix sockets their group, and then
// their mode. Where their directory has a default ACL, that mode would let in whom
// the ACL names.
func (s *sockets) publish() error {
	for _, path := range s.paths {
		switch n, err := unix.Lgetxattr(path, "system.posix_acl_access", nil); {
		case err == nil && n > 0:
			return fmt.Errorf("API socket: %s has an ACL, which lets in others than its mode says; remove the default ACL of its directory (setfacl -k %s), or use another path",
				path, filepath.Dir(path))
		case err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP):
			return fmt.Errorf("API socket: read the ACL of %s: %w", path, err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			return fmt.Errorf("API socket: %w", err)
		}
		// A service without the right to call chown at all can have the group that
		// it runs in.
		if stat, ok := info.Sys().(*syscall.Stat_t); s.group != nil && (!ok || int(stat.Gid) != *s.group) {
			if err := os.Lchown(path, -1, *s.group); err != nil {
				return fmt.Errorf("API socket: give it to group %d: %w; run vrfredist as a member of that group, or with CAP_CHOWN", *s.group, err)
			}
		}
		if err := os.Chmod(path, socketMode); err != nil {
			return fmt.Errorf("API socket: %w", err)
		}
	}
	return nil
}

// close takes the names away, so that no client waits on a server that ends. Listeners
// that were served are closed already.
func (s *sockets) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// serving is the API's server while it serves.
type serving struct {
	server GRPC
	failed chan error // of a listener that can accept no more
	all    sync.WaitGroup
}

// serve begins to serve GoBGP's API, which register registers, and the services that g
// has already, on listeners; g may be nil.
func serve(g GRPC, register func(grpc.ServiceRegistrar), listeners []net.Listener) *serving {
	if g == nil {
		g = grpc.NewServer()
	}
	register(g)
	on := &serving{server: g, failed: make(chan error, len(listeners))}
	for _, l := range listeners {
		on.all.Go(func() {
			if err := g.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				on.failed <- fmt.Errorf("serve the API on %s: %w", l.Addr(), err)
			}
		})
	}
	return on
}

// stop ends all connections and closes the listeners.
func (s *serving) stop() {
	s.server.Stop()
	s.all.Wait()
}
