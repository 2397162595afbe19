package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

const (
	// datagram is larger than any that the kernel sends: 32 KiB for a dump.
	datagram = 64 << 10
	// patience ends a request whose context has no earlier deadline. The kernel
	// answers while it takes the request in, unless another holds its RTNL lock.
	patience = 30 * time.Second
	// replyBuffer holds the acknowledgements of a batch, each of which the
	// kernel accounts with about 1 KiB.
	replyBuffer = 1 << 20
)

// datagrams lends buffers of a datagram's size, so that an idle socket holds none.
var datagrams = sync.Pool{New: func() any { return new([datagram]byte) }}

// sock is a route netlink socket in one namespace: it carries datagrams, whatever is
// in them. It has one user at a time; only close may be called beside it.
type sock struct {
	c    *socket.Conn
	raw  syscall.RawConn // of c, whose own functions allocate at every call
	port uint32          // its netlink port id, which the kernel puts on the events that its requests cause
	lost bool            // a receive failed with ENOBUFS: an answer or an event is missing

	in struct { // between receive and recv
		read func(fd uintptr) bool
		buf  *[datagram]byte
		n    int
		err  error
	}
	out struct { // between send and trySend
		write func(fd uintptr) bool
		b     []byte
		to    unix.SockaddrNetlink
		err   error
	}
}

// dial makes a socket in ns with a receive buffer of that size. bind gives it its port
// id: anyPort, or that of the sockets that write.
func dial(ns *namespace, receive int, bind func(*socket.Conn) error) (*sock, error) {
	c, err := netlinkSocket(ns)
	if err != nil {
		if entering := new(enterError); errors.As(err, &entering) {
			err = fmt.Errorf("%w: run with CAP_SYS_ADMIN, which entering a network namespace needs", entering.err)
		}
		return nil, fmt.Errorf("open a netlink socket in %v: %w", ns, err)
	}
	s := &sock{c: c}
	s.in.read, s.out.write = s.recv, s.trySend
	s.out.to.Family = unix.AF_NETLINK
	if s.raw, err = c.SyscallConn(); err == nil {
		err = s.configure(receive, bind)
	}
	if err == nil {
		err = s.settled(ns)
	}
	if err != nil {
		c.Close() // the error that counts is the first
		return nil, fmt.Errorf("set up a netlink socket in %v: %w", ns, err)
	}
	return s, nil
}

// anyPort has the kernel choose the port id of a socket.
func anyPort(c *socket.Conn) error { return c.Bind(&unix.SockaddrNetlink{Family: unix.AF_NETLINK}) }

// netlinkSocket makes a socket in ns. The library can enter a namespace too, but finds
// its way back by the thread's number in /proc/self/task: in a process namespace that
// sees another one's /proc no thread has that number.
func netlinkSocket(ns *namespace) (c *socket.Conn, err error) {
	open := func() (err error) {
		c, err = socket.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, "netlink", nil)
		return err
	}
	if ns.own {
		// Entering a namespace takes CAP_SYS_ADMIN even where we are in it already, so our
		// own is not entered.
		err = open()
		return c, err
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		home, err := ownNamespace()
		if err == nil {
			defer home.file.Close()
			err = inside(ns, home, open)
		}
		done <- err
	}()
	err = <-done
	return c, err
}

// settled makes sure that the socket is in ns, because the isolation of tenants rests on
// that, and lets ns stay open without its mount.
func (s *sock) settled(ns *namespace) error {
	f, id, err := namespaceOf(s.raw)
	if errors.Is(err, unix.EPERM) {
		return nil // the probe says which capability is missing
	}
	if err != nil {
		return fmt.Errorf("ask for its namespace: %w", err)
	}
	if id != ns.id {
		_ = f.Close() // only looked at: nothing can be lost
		return fmt.Errorf("it is in another namespace: %v, not %v", id, ns.id)
	}
	if ns.own || ns.pathless {
		return f.Close()
	}
	old := ns.file
	ns.file, ns.pathless = f, true
	return old.Close()
}

func (s *sock) configure(receive int, bind func(*socket.Conn) error) error {
	// SO_RCVBUFFORCE needs CAP_NET_ADMIN in the first user namespace, which a
	// rootless run lacks: then the size that net.core.rmem_max allows must do.
	if err := s.c.SetReadBuffer(receive); err != nil {
		return err
	}
	for _, opt := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK, unix.NETLINK_GET_STRICT_CHK} {
		err := s.c.SetsockoptInt(unix.SOL_NETLINK, opt, 1)
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) { // older than 4.20
			return err
		}
	}
	if err := bind(s.c); err != nil {
		return err
	}
	name, err := s.c.Getsockname()
	if err != nil {
		return err
	}
	addr, ok := name.(*unix.SockaddrNetlink)
	if !ok {
		return fmt.Errorf("a netlink socket has the address type %T", name)
	}
	s.port = addr.Pid
	return nil
}

// join subscribes to the events of a group.
func (s *sock) join(group int) error {
	if err := s.c.SetsockoptInt(unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
		return fmt.Errorf("subscribe to the events of group %d: %w", group, err)
	}
	return nil
}

func (s *sock) close() error { return s.c.Close() }

// within ties the waiting of the socket to ctx until the returned function is
// called.
func (s *sock) within(ctx context.Context) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := s.c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ran)
		// A failure means that the socket is closed, which ends the wait too.
		_ = s.c.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-ran // or it would cut short whoever uses the socket next
		}
	}, nil
}

// lapse names the reason of a wait that ended early.
func lapse(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cause := ctx.Err(); cause != nil {
			return cause
		}
		return fmt.Errorf("the kernel did not answer in time: %w", err)
	}
	return err
}

// receive waits for one datagram from the kernel and calls use with it. The
// bytes belong to the socket again when use returns.
func (s *sock) receive(use func([]byte) error) error {
	if err := s.raw.Read(s.in.read); err != nil {
		return err
	}
	buf, n, err := s.in.buf, s.in.n, s.in.err
	s.in.buf = nil
	if err != nil {
		s.lost = s.lost || errors.Is(err, unix.ENOBUFS)
		return os.NewSyscallError("recvfrom", err)
	}
	defer datagrams.Put(buf)
	if n > len(buf) {
		return errTruncated
	}
	return use(buf[:n])
}

// recv is one attempt of receive, and tells whether that is over.
func (s *sock) recv(fd uintptr) bool {
	buf := datagrams.Get().(*[datagram]byte)
	n, from, err := unix.Recvfrom(int(fd), buf[:], unix.MSG_TRUNC)
	for err == nil && !fromKernel(from) {
		// Another program wrote to our port. Go's poller would not wake us
		// again for a datagram that is queued already.
		n, from, err = unix.Recvfrom(int(fd), buf[:], unix.MSG_TRUNC)
	}
	if err != nil {
		datagrams.Put(buf)
		buf = nil
	}
	s.in.buf, s.in.n, s.in.err = buf, n, err
	return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
}

func fromKernel(a unix.Sockaddr) bool {
	n, ok := a.(*unix.SockaddrNetlink)
	return ok && n.Pid == 0
}

// drain throws the queued datagrams away, until the queue is empty.
func (s *sock) drain() error {
	for empty := false; !empty; {
		err := s.c.ReadFunc(context.Background(), "recvfrom", func(fd int) error {
			_, _, err := unix.Recvfrom(fd, nil, 0)
			if err == unix.EAGAIN {
				empty, err = true, nil
			}
			return err
		})
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	return nil
}

// send hands b to the kernel, which works through it before this returns.
func (s *sock) send(b []byte) error {
	s.out.b = b
	err := s.raw.Write(s.out.write)
	s.out.b = nil
	if err != nil {
		return err
	}
	return os.NewSyscallError("sendto", s.out.err)
}

// trySend is one attempt of send, and tells whether that is over.
func (s *sock) trySend(fd uintptr) bool {
	s.out.err = unix.Sendto(int(fd), s.out.b, 0, &s.out.to)
	return !errors.Is(s.out.err, unix.EAGAIN) && !errors.Is(s.out.err, unix.EINTR)
}
