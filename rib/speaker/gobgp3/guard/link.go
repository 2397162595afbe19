package guard

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// addrOf is the address of one end of a connection.
func addrOf(a net.Addr) netip.Addr {
	t, is := a.(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// boundTo is the interface or VRF device that a connection's socket is bound to: of one that
// was accepted in a VRF (net.ipv4.tcp_l3mdev_accept), or has a link-local address, the kernel
// makes it so. "": none.
func boundTo(c net.Conn) (device string) {
	s, is := c.(syscall.Conn)
	if !is {
		return ""
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return ""
	}
	_ = raw.Control(func(fd uintptr) { // closed: it goes over nothing
		device, _ = unix.GetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	})
	return device
}
