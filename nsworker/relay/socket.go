package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The functions of this file that make sockets are called inside a namespace,
// by Sockets.InNetns. They do not use the net package for it: that would hold
// the thread for as long as a peer does not answer, and keeps one cache of
// interface names for all namespaces.

// identity is what a network namespace is known by. A name may be given to
// another; the socket that we hold keeps the inode from being used again.
type identity struct{ dev, inode uint64 }

// here returns the identity of the calling thread's namespace.
func here() (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return identity{}, fmt.Errorf("look at the thread's network namespace: %w", err)
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

// ifindex returns the index of an interface of the calling thread's namespace.
func ifindex(name string) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd) // only asked: nothing can be lost
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface %q: %w", name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return req.Uint32(), nil
}

// sockaddr turns an address of the calling thread's namespace into the kernel's
// form.
func sockaddr(a netip.Addr, port uint16) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}
	if a.Zone() != "" {
		index, err := ifindex(a.Zone())
		if err != nil {
			return nil, err
		}
		sa.ZoneId = index
	}
	return sa, nil
}

// newSocket makes a TCP socket in the calling thread's namespace.
func newSocket(a netip.Addr, device string) (fd int, err error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd) // the error that counts is the first
		}
	}()
	if family == unix.AF_INET6 {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, err
		}
	}
	if device != "" {
		if err := unix.BindToDevice(fd, device); err != nil {
			return -1, fmt.Errorf("interface %s: %w", device, os.NewSyscallError("setsockopt", err))
		}
	}
	return fd, nil
}

// listen makes a listening socket in the calling thread's namespace. The
// address need not be there yet.
func listen(k listenKey, o listenOptions) (fd int, err error) {
	fd, err = newSocket(k.local, k.device)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd) // the error that counts is the first
		}
	}()
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, err
	}
	if err := setInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1); err != nil { // IPv6 too
		return -1, err
	}
	sa, err := sockaddr(k.local, k.port)
	if err != nil {
		return -1, err
	}
	if err := o.apply(fd, k.local.Is6(), listenOptions{}); err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, sa); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return -1, os.NewSyscallError("listen", err)
	}
	return fd, nil
}

const backlog = 64

// startDial makes a socket in the calling thread's namespace and sends its SYN,
// without waiting for the answer.
func startDial(n neighbor) (fd int, err error) {
	fd, err = newSocket(n.Peer, n.Device)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd) // the error that counts is the first
		}
	}()
	if err := setTTL(fd, n.Peer.Is6(), n.sendTTL(), n.TTLSecurity); err != nil {
		return -1, err
	}
	if n.Password != "" {
		if err := setMD5(fd, n.Peer, n.Password); err != nil {
			return -1, err
		}
	}
	from, err := sockaddr(n.Local.WithZone(n.Peer.Zone()), 0)
	if err != nil {
		return -1, err
	}
	to, err := sockaddr(n.Peer, n.port())
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, from); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// finishDial waits in Go's poller for the answer to startDial, at most limit.
// It owns fd.
func finishDial(ctx context.Context, fd int, limit time.Duration) (*net.TCPConn, error) {
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close() // FileConn makes a descriptor of its own
	if err := f.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, fmt.Errorf("wait for a connection: %w", err)
	}
	// A failure means that the file is closed, which ends the wait too.
	stop := context.AfterFunc(ctx, func() { _ = f.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		done, failed = dialled(int(fd))
		return done
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, os.NewSyscallError("connect", unix.ETIMEDOUT)
	case err != nil:
		return nil, err
	case failed != nil:
		return nil, os.NewSyscallError("connect", failed)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// dialled tells whether a connect has ended, and how.
func dialled(fd int) (bool, error) {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, err
	}
	switch errno := unix.Errno(code); errno {
	case 0:
		// No error yet is not a connection: the poller may wake up for nothing.
		_, err := unix.Getpeername(fd)
		return !errors.Is(err, unix.ENOTCONN), nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		return false, nil
	default:
		return true, errno
	}
}

// listenOptions are those of a listening socket that serves several neighbours.
type listenOptions struct {
	ttl, minTTL uint8
	passwords   map[netip.Addr]string // the MD5 keys
}

// optionsFor combines the wishes of neighbours that share a listening socket.
func optionsFor(neighbors []neighbor) listenOptions {
	o := listenOptions{minTTL: 255, passwords: make(map[netip.Addr]string)}
	for _, n := range neighbors {
		// What answers a SYN has the TTL of the listening socket: it must get
		// to the farthest neighbour. An accepted socket gets its own.
		ttl := n.sendTTL()
		if ttl == 0 {
			ttl = 255
		}
		o.ttl = max(o.ttl, ttl)
		o.minTTL = min(o.minTTL, n.TTLSecurity)
		if n.Password != "" {
			o.passwords[n.Peer.WithZone("")] = n.Password
		}
	}
	return o
}

// apply brings a socket from the options before to these.
func (o listenOptions) apply(fd int, six bool, before listenOptions) error {
	if err := setTTL(fd, six, o.ttl, o.minTTL); err != nil {
		return err
	}
	if o.minTTL == 0 && before.minTTL != 0 {
		if err := setMinTTL(fd, six, 0); err != nil {
			return err
		}
	}
	for peer := range before.passwords {
		if _, stays := o.passwords[peer]; !stays {
			if err := setMD5(fd, peer, ""); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
	}
	for peer, password := range o.passwords {
		if before.passwords[peer] != password {
			if err := setMD5(fd, peer, password); err != nil {
				return err
			}
		}
	}
	return nil
}

// setTTL sets what is sent, and what is the least that is taken. 0: unchanged.
func setTTL(fd int, six bool, ttl, least uint8) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if ttl != 0 {
		if err := setInt(fd, level, option, int(ttl)); err != nil {
			return fmt.Errorf("set the TTL %d: %w", ttl, err)
		}
	}
	if least != 0 {
		return setMinTTL(fd, six, least)
	}
	return nil
}

func setMinTTL(fd int, six bool, least uint8) error {
	level, option := unix.IPPROTO_IP, unix.IP_MINTTL
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	if err := setInt(fd, level, option, int(least)); err != nil {
		return fmt.Errorf("set the least TTL %d: %w", least, err)
	}
	return nil
}

// setMD5 sets the key for a peer (RFC 2385), "" takes it away.
func setMD5(fd int, peer netip.Addr, key string) error {
	sig := unix.TCPMD5Sig{Keylen: uint16(len(key))}
	copy(sig.Key[:], key)
	// A sockaddr without its family: the port; in IPv6 the flow label; the address.
	if peer.Is4() {
		sig.Addr.Family = unix.AF_INET
		copy(sig.Addr.Data[2:], peer.AsSlice())
	} else {
		sig.Addr.Family = unix.AF_INET6
		copy(sig.Addr.Data[6:], peer.AsSlice())
	}
	if err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig); err != nil {
		return fmt.Errorf("set the password for %v: %w", peer, os.NewSyscallError("setsockopt", err))
	}
	return nil
}

func setInt(fd, level, option, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
}

// control runs f on the descriptor of a connection or listener.
func control(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// tune prepares a connection with a peer, dialled or accepted.
func tune(c *net.TCPConn, n neighbor) error {
	hold := n.holdTime()
	err := control(c, func(fd int) error {
		// Whatever the peer has not acknowledged for BGP's hold time is the end.
		return errors.Join(
			setInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(hold.Milliseconds())),
			setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			setTTL(fd, n.Peer.Is6(), n.sendTTL(), n.TTLSecurity))
	})
	if err != nil {
		return err
	}
	return c.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: max(hold/3, time.Second), Interval: max(hold/9, time.Second), Count: 6,
	})
}
