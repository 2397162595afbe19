package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Advert is a router advertisement that came in on a link.
type Advert struct {
	From     netip.Addr
	Lifetime int // of the router, in seconds
	Rest     []byte
}

// Adverts reads the router advertisements that come in on a link.
type Adverts struct {
	file *os.File
	done chan struct{}

	mu   sync.Mutex
	seen []Advert // guarded by mu
}

// ListenForAdverts begins to read the router advertisements on a link of a namespace.
func ListenForAdverts(n *Namespace, device string) *Adverts {
	n.lab.T.Helper()
	fd := -1
	err := n.Enter(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
		if err != nil {
			return err
		}
		group := unix.IPv6Mreq{Interface: uint32(link.Index)}
		copy(group.Multiaddr[:], net.IPv6linklocalallnodes)
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &group)
	})
	if err != nil {
		n.lab.T.Fatalf("listen for router advertisements in %s: %v", n.Role, err)
	}
	a := &Adverts{file: os.NewFile(uintptr(fd), "icmpv6"), done: make(chan struct{})}
	go a.read()
	n.lab.T.Cleanup(func() {
		if err := a.file.Close(); err != nil {
			n.lab.T.Errorf("stop listening for router advertisements: %v", err)
		}
		<-a.done
	})
	return a
}

func (a *Adverts) read() {
	defer close(a.done)
	raw, err := a.file.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 1<<16)
	for {
		var size int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			size, from, failed = unix.Recvfrom(int(fd), buf, 0)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		if err != nil {
			return // closed
		}
		const advertisement, least = 134, 16
		if failed != nil || size < least || buf[0] != advertisement {
			continue
		}
		six, _ := from.(*unix.SockaddrInet6)
		a.mu.Lock()
		a.seen = append(a.seen, Advert{netip.AddrFrom16(six.Addr), int(binary.BigEndian.Uint16(buf[6:])), append([]byte(nil), buf[8:size]...)})
		a.mu.Unlock()
	}
}

// From returns what a router has advertised, oldest first.
func (a *Adverts) From(router string) (list []Advert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.seen {
		if x.From.String() == router {
			list = append(list, x)
		}
	}
	return list
}

// String is the lifetimes of the advertisements, oldest first, with their senders.
func (a *Adverts) String() (s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.seen {
		s += fmt.Sprintf("%s %ds; ", x.From, x.Lifetime)
	}
	return s
}

// SendAdvert sends a router advertisement with an MTU option on a link, as a program does that
// lets the host hear what it says, such as radvd.
func SendAdvert(n *Namespace, device string, lifetime uint16) {
	n.lab.T.Helper()
	err := n.Enter(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		const hops = 255
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, hops); err != nil {
			return err
		}
		to := unix.SockaddrInet6{ZoneId: uint32(link.Index)}
		copy(to.Addr[:], net.IPv6linklocalallnodes)
		b := make([]byte, 16, 24)
		b[0], b[4] = 134, 64
		binary.BigEndian.PutUint16(b[6:], lifetime)
		return unix.Sendto(fd, append(b, 5, 1, 0, 0, 0, 0, 5, 220), 0, &to)
	})
	if err != nil {
		n.lab.T.Fatalf("send a router advertisement in %s: %v", n.Role, err)
	}
}
