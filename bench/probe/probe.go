// Package probe asks the kernel of a namespace about single routes, and changes
// single ones, fast enough to time what routing daemons do: a question takes
// some microseconds, and needs no lock that a writer of routes holds.
package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Socket is a netlink socket of one namespace, for one goroutine.
type Socket struct {
	// VRF is the index of the VRF device whose table is asked; 0: the tables that a lookup without
	// a device reaches.
	VRF int

	fd  int
	seq uint32
	in  []byte
	out []byte
}

// Open opens a socket in the namespace that enter enters.
func Open(enter func(func() error) error) (*Socket, error) {
	s := &Socket{in: make([]byte, 1<<16)}
	err := enter(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// A kernel that does not answer must not hang the benchmark.
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30}); err != nil {
		return nil, errors.Join(fmt.Errorf("limit the wait for the kernel: %w", err), s.Close())
	}
	return s, nil
}

// Close closes the socket.
func (s *Socket) Close() error { return unix.Close(s.fd) }

// Has tells whether a table of the namespace that a lookup reaches has exactly
// this prefix; of IPv6, whether it has a way to its first address: asked for the
// route itself, the kernel names the one for which it first used a nexthop
// object, whichever route of that object it is asked for (Linux 6.18).
func (s *Socket) Has(p netip.Prefix) (bool, error) {
	if p.Addr().Is6() {
		device, err := s.Device(p.Addr())
		return device != 0, err
	}
	m, err := s.lookup(p.Addr(), unix.RTM_F_FIB_MATCH)
	if unreachable(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for %v: %w", p, err)
	}
	return int(m[1]) == p.Bits(), nil // rtm_dst_len
}

// Device returns the index of the interface that a packet to addr would leave
// by; 0: by none.
func (s *Socket) Device(addr netip.Addr) (int, error) {
	m, err := s.lookup(addr, 0)
	if unreachable(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the way to %v: %w", addr, err)
	}
	for b := m[unix.SizeofRtMsg:]; len(b) >= unix.SizeofRtAttr; {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < unix.SizeofRtAttr || size > len(b) {
			break
		}
		if kind == unix.RTA_OIF && size == 8 {
			return int(binary.NativeEndian.Uint32(b[4:])), nil
		}
		b = b[min(len(b), align(size)):]
	}
	return 0, nil
}

func unreachable(err error) bool {
	return errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ESRCH)
}

// Change is what Route does.
type Change struct {
	Prefix   netip.Prefix
	Via      netip.Addr
	Device   int
	Protocol uint8
	Delete   bool // or add; Replace: in place of what is there
	Replace  bool
}

// Route makes one change in the main table, and waits for the kernel's word.
func (s *Socket) Route(c Change) error {
	kind, flags := uint16(unix.RTM_NEWROUTE), uint16(unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	switch {
	case c.Delete:
		kind, flags = unix.RTM_DELROUTE, 0
	case c.Replace:
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	s.begin(kind, flags|unix.NLM_F_ACK)
	s.out = append(s.out, family(c.Prefix.Addr()), byte(c.Prefix.Bits()), 0, 0,
		unix.RT_TABLE_MAIN, c.Protocol, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0)
	s.attr(unix.RTA_DST, c.Prefix.Addr().AsSlice())
	s.attr(unix.RTA_GATEWAY, c.Via.AsSlice())
	s.attr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(c.Device)))
	if _, err := s.ask(); err != nil {
		return fmt.Errorf("change the route %v: %w", c.Prefix, err)
	}
	return nil
}

// Down sets an interface down, and waits for the kernel's word, which comes when all that
// hung on the interface is gone.
func (s *Socket) Down(index int) error {
	s.begin(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	s.out = append(s.out, unix.AF_UNSPEC, 0, 0, 0)
	s.out = binary.NativeEndian.AppendUint32(s.out, uint32(index))
	s.out = binary.NativeEndian.AppendUint32(s.out, 0)           // no flag
	s.out = binary.NativeEndian.AppendUint32(s.out, unix.IFF_UP) // in place of this one
	if _, err := s.ask(); err != nil {
		return fmt.Errorf("set interface %d down: %w", index, err)
	}
	return nil
}

func (s *Socket) lookup(addr netip.Addr, flags uint32) ([]byte, error) {
	s.begin(unix.RTM_GETROUTE, 0)
	s.out = append(s.out, family(addr), byte(addr.BitLen()), 0, 0, 0, 0, 0, 0)
	s.out = binary.NativeEndian.AppendUint32(s.out, flags)
	s.attr(unix.RTA_DST, addr.AsSlice())
	if s.VRF != 0 {
		s.attr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(s.VRF)))
	}
	return s.ask()
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (s *Socket) begin(kind, flags uint16) {
	s.seq++
	s.out = append(s.out[:0], 0, 0, 0, 0)
	s.out = binary.NativeEndian.AppendUint16(s.out, kind)
	s.out = binary.NativeEndian.AppendUint16(s.out, unix.NLM_F_REQUEST|flags)
	s.out = binary.NativeEndian.AppendUint32(s.out, s.seq)
	s.out = append(s.out, 0, 0, 0, 0)
}

func (s *Socket) attr(kind uint16, value []byte) {
	s.out = binary.NativeEndian.AppendUint16(s.out, uint16(unix.SizeofRtAttr+len(value)))
	s.out = binary.NativeEndian.AppendUint16(s.out, kind)
	s.out = append(s.out, value...)
	for len(s.out)%4 != 0 {
		s.out = append(s.out, 0)
	}
}

func align(n int) int { return (n + 3) &^ 3 }

// ask sends what was built and returns the payload of the one answer; none for
// an acknowledgement.
func (s *Socket) ask() ([]byte, error) {
	binary.NativeEndian.PutUint32(s.out, uint32(len(s.out)))
	if err := unix.Sendto(s.fd, s.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	for {
		n, _, err := unix.Recvfrom(s.fd, s.in, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m := s.in[:n]
		if n < unix.SizeofNlMsghdr+unix.SizeofRtMsg || binary.NativeEndian.Uint32(m[8:]) != s.seq {
			continue // a late answer to a question that was given up
		}
		body := m[unix.SizeofNlMsghdr:]
		if binary.NativeEndian.Uint16(m[4:]) != unix.NLMSG_ERROR {
			return body, nil
		}
		if errno := int32(binary.NativeEndian.Uint32(body)); errno != 0 {
			return nil, unix.Errno(-errno)
		}
		return nil, nil
	}
}
