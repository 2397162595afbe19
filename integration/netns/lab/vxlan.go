package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Carried is a packet in VXLAN that went through a namespace.
type Carried struct {
	From, To netip.Addr // of the VTEPs
	VNI      uint32
	Router   string // the inner destination address
}

// VXLANs reads the packets in VXLAN on an interface.
type VXLANs struct {
	file *os.File
	done chan struct{}
	port uint16

	mu   sync.Mutex
	seen map[Carried]int // guarded by mu
}

// ReadVXLANs starts to read what comes and goes on an interface, over IPv4; it ends with the test.
func ReadVXLANs(n *Namespace, device string) *VXLANs {
	n.lab.T.Helper()
	v := &VXLANs{done: make(chan struct{}), port: 4789, seen: make(map[Carried]int)}
	err := n.Enter(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		all := binary.BigEndian.Uint16([]byte{unix.ETH_P_ALL & 0xff, unix.ETH_P_ALL >> 8}) // in network order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
		if err != nil {
			return fmt.Errorf("open a packet socket: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}); err != nil {
			return errors.Join(fmt.Errorf("bind to %s: %w", device, err), unix.Close(fd))
		}
		v.file = os.NewFile(uintptr(fd), "packets")
		return nil
	})
	if err != nil {
		n.lab.T.Fatalf("read the packets of %s: %v", n.Role, err)
	}
	go v.read()
	n.lab.T.Cleanup(func() {
		if err := v.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			n.lab.T.Errorf("end reading packets: %v", err)
		}
		<-v.done
	})
	return v
}

func (v *VXLANs) read() {
	defer close(v.done)
	buf := make([]byte, 1<<16)
	for {
		size, err := v.file.Read(buf)
		if err != nil {
			return // closed
		}
		if c, is := carriedIn(buf[:size], v.port); is {
			v.mu.Lock()
			v.seen[c]++
			v.mu.Unlock()
		}
	}
}

// carriedIn is what an IPv4 packet carries to a port of VXLAN (RFC 7348, 5).
func carriedIn(p []byte, port uint16) (c Carried, is bool) {
	const udp = 17
	if len(p) < 20 || p[0]>>4 != 4 || p[9] != udp {
		return c, false
	}
	from, to := netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	p = p[int(p[0]&15)*4:]
	if len(p) < 8+8+14 || binary.BigEndian.Uint16(p[2:]) != port {
		return c, false
	}
	return Carried{from, to, binary.BigEndian.Uint32(p[12:]) >> 8, net.HardwareAddr(p[16:22]).String()}, true
}

// Seen is how many packets of each kind went by so far.
func (v *VXLANs) Seen() map[Carried]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen := make(map[Carried]int, len(v.seen))
	for c, n := range v.seen {
		seen[c] = n
	}
	return seen
}
