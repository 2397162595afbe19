package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Ping sends one ICMP echo request out of the namespace, and waits for the
// answer of exactly that address. The source is from, where one is given.
func (n *Namespace) Ping(from, to string) error { return n.ping(from, to, pingWait) }

func (n *Namespace) ping(from, to string, limit time.Duration) error {
	dst, err := netip.ParseAddr(to)
	if err != nil {
		return err
	}
	family, protocol, request := unix.AF_INET, unix.IPPROTO_ICMP, byte(8)
	if dst.Is6() {
		family, protocol, request = unix.AF_INET6, unix.IPPROTO_ICMPV6, 128
	}
	var fd int
	err = n.Enter(func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
		return err
	})
	if err != nil {
		return fmt.Errorf("open a socket for ICMP: %w", err)
	}
	err = echo(fd, from, dst, request, limit)
	return errors.Join(err, unix.Close(fd))
}

// pingWait is how long one answer is waited for: a lost packet is sent again by
// whoever waits for a condition.
const pingWait = 500 * time.Millisecond

func echo(fd int, from string, dst netip.Addr, request byte, limit time.Duration) error {
	if from != "" {
		src, err := netip.ParseAddr(from)
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, sockaddr(src)); err != nil {
			return fmt.Errorf("bind to %s: %w", from, err)
		}
	}
	wait := unix.NsecToTimeval(limit.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return err
	}
	packet := make([]byte, 16)
	packet[0] = request
	id := uint32(time.Now().UnixNano())
	binary.BigEndian.PutUint32(packet[4:], id) // identifier and sequence number
	if dst.Is4() {
		binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	}
	if err := unix.Sendto(fd, packet, 0, sockaddr(dst)); err != nil {
		return fmt.Errorf("ping %s: %w", dst, err)
	}
	for buf, end := make([]byte, 1500), time.Now().Add(limit); ; {
		flags := 0
		if !time.Now().Before(end) {
			flags = unix.MSG_DONTWAIT // on a busy machine it may have come in time, and be read now
		}
		size, sender, err := unix.Recvfrom(fd, buf, flags)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("no answer from %s: %w", dst, err)
		}
		answer := buf[:size]
		reply := byte(129)
		if dst.Is4() { // a raw socket shows the IPv4 header
			answer, reply = answer[min(int(answer[0]&15)*4, size):], 0
		}
		if len(answer) >= 8 && answer[0] == reply && binary.BigEndian.Uint32(answer[4:]) == id && addrOf(sender) == dst {
			return nil
		}
	}
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16()}
}

func addrOf(s unix.Sockaddr) netip.Addr {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr)
	}
	return netip.Addr{}
}

// WaitPing waits until to answers.
func (n *Namespace) WaitPing(from, to string) {
	n.lab.T.Helper()
	WaitFor(n.lab.T, fmt.Sprintf("%s pings %s", n.Role, to), Patience, func() string {
		if err := n.Ping(from, to); err != nil {
			return err.Error()
		}
		return ""
	})
}

// Segments starts to read; it ends with the test.
func (n *Namespace) Segments() *Segments {
	n.lab.T.Helper()
	s := &Segments{lab: n.lab, done: make(chan struct{})}
	err := n.Enter(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
		if err != nil {
			return fmt.Errorf("open a socket for TCP: %w", err)
		}
		s.file = os.NewFile(uintptr(fd), "TCP segments")
		return nil
	})
	if err != nil {
		n.lab.T.Fatalf("read the segments of %s: %v", n.Role, err)
	}
	go s.read()
	n.lab.T.Cleanup(func() {
		if err := s.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			n.lab.T.Errorf("end reading segments: %v", err)
		}
		<-s.done
	})
	return s
}
