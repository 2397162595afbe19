package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Wire counts the packets that come and go on an interface, by what they carry.
type Wire[T comparable] struct {
	file *os.File
	done chan struct{}
	// what is what a packet carries, by the number that stands for its kind on Ethernet.
	what func(kind uint16, packet []byte) (T, bool)

	mu   sync.Mutex
	seen map[T]int // guarded by mu
}

// readWire starts to read an interface; it ends with the test.
func readWire[T comparable](n *Namespace, device string, what func(kind uint16, packet []byte) (T, bool)) *Wire[T] {
	n.lab.T.Helper()
	w := &Wire[T]{done: make(chan struct{}), what: what, seen: make(map[T]int)}
	err := n.Enter(func() (err error) {
		w.file, err = packetSocket(device)
		return err
	})
	if err != nil {
		n.lab.T.Fatalf("read the packets of %s: %v", n.Role, err)
	}
	go w.read()
	n.lab.T.Cleanup(func() {
		if err := w.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			n.lab.T.Errorf("end reading packets: %v", err)
		}
		<-w.done
	})
	return w
}

// packetSocket has every frame of an interface, its Ethernet header too: without that the kernel
// says beside the packet what it is, where a plain read does not see it.
func packetSocket(device string) (*os.File, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	all := binary.BigEndian.Uint16([]byte{unix.ETH_P_ALL & 0xff, unix.ETH_P_ALL >> 8}) // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind to %s: %w", device, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "packets"), nil
}

func (w *Wire[T]) read() {
	defer close(w.done)
	const header = 14 // of Ethernet
	buf := make([]byte, 1<<16)
	for {
		size, err := w.file.Read(buf)
		if err != nil {
			return // closed
		}
		if size < header {
			continue
		}
		if c, is := w.what(binary.BigEndian.Uint16(buf[12:]), buf[header:size]); is {
			w.mu.Lock()
			w.seen[c]++
			w.mu.Unlock()
		}
	}
}

// Seen is how many packets of each kind went by so far.
func (w *Wire[T]) Seen() map[T]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

// Plain is an IP packet by its addresses.
type Plain struct{ From, To netip.Addr }

// ReadPlain counts the IP packets on an interface.
func ReadPlain(n *Namespace, device string) *Wire[Plain] {
	n.lab.T.Helper()
	return readWire(n, device, func(kind uint16, p []byte) (Plain, bool) {
		if kind != unix.ETH_P_IP && kind != unix.ETH_P_IPV6 {
			return Plain{}, false
		}
		return addressesOf(p)
	})
}

// addressesOf are those of an IP packet of either version.
func addressesOf(p []byte) (a Plain, is bool) {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return Plain{netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))}, true
	case len(p) >= 40 && p[0]>>4 == 6:
		return Plain{netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))}, true
	}
	return a, false
}

// Labelled is an IP packet behind MPLS labels (RFC 3032).
type Labelled struct {
	Labels string // the outermost first: "16002/80"
	Plain
}

// ReadLabels counts the packets with labels on an interface.
func ReadLabels(n *Namespace, device string) *Wire[Labelled] {
	n.lab.T.Helper()
	return readWire(n, device, labelledIn)
}

func labelledIn(kind uint16, p []byte) (l Labelled, is bool) {
	if kind != unix.ETH_P_MPLS_UC {
		return l, false
	}
	for len(p) >= 4 {
		entry := binary.BigEndian.Uint32(p)
		p = p[4:]
		if l.Labels != "" {
			l.Labels += "/"
		}
		l.Labels += strconv.FormatUint(uint64(entry>>12), 10)
		if entry&(1<<8) != 0 { // the bottom of the stack
			l.Plain, is = addressesOf(p)
			return l, is
		}
	}
	return l, false
}

// Segmented is an IP packet inside of one for a SID (RFC 8986).
type Segmented struct {
	Outer   Plain // to the SID
	Reduced bool  // there is no segment routing header
	Inner   Plain
}

// ReadSegments counts the packets for SIDs on an interface.
func ReadSegments(n *Namespace, device string) *Wire[Segmented] {
	n.lab.T.Helper()
	return readWire(n, device, segmentedIn)
}

func segmentedIn(kind uint16, p []byte) (s Segmented, is bool) {
	const header, routing = 40, 43
	if kind != unix.ETH_P_IPV6 || len(p) < header {
		return s, false
	}
	next := p[6]
	s.Outer, _ = addressesOf(p)
	p = p[header:]
	if s.Reduced = next != routing; !s.Reduced {
		const segments = 4 // the type of a routing header (RFC 8754)
		if len(p) < 8 || p[2] != segments || len(p) < 8+int(p[1])*8 {
			return s, false
		}
		next, p = p[0], p[8+int(p[1])*8:]
	}
	if next != unix.IPPROTO_IPIP && next != unix.IPPROTO_IPV6 {
		return s, false
	}
	s.Inner, is = addressesOf(p)
	return s, is
}
