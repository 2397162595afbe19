package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/mdlayher/socket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// portMark sets the ids of our writing sockets apart from those that the
	// kernel chooses: process ids, which are below 1<<22, and negative numbers.
	portMark = 1 << 30
	portBits = 12 // sockets of one namespace
	portMask = 1<<portBits - 1
)

// ports hands out the netlink port ids of the sockets that write: a range that
// a socket filter recognises by one comparison. Its middle 18 bits are random,
// so that another instance in the same namespace has another range.
type ports struct {
	base uint32
	next atomic.Uint32
}

func newPorts() *ports {
	return &ports{base: portMark | rand.Uint32N(1<<(30-portBits))<<portBits}
}

// bind gives c the next port id that is free in its namespace. Where none is,
// the kernel chooses one, and Conn.caused alone recognises the echoes.
func (p *ports) bind(c *socket.Conn) error {
	for range 1 << portBits {
		port := p.base | p.next.Add(1)&portMask
		err := c.Bind(&unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
		if !errors.Is(err, unix.EADDRINUSE) {
			return err
		}
	}
	return c.Bind(&unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// echoFilter is a program that drops route messages of one protocol which a
// socket of p caused, and nothing else.
func (p *ports) echoFilter(protocol uint8) []bpf.Instruction {
	const typ, port, rtmProtocol = 4, 12, unix.NLMSG_HDRLEN + 5 // struct nlmsghdr, struct rtmsg
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: port, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: loaded32(^uint32(portMask))},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: loaded32(p.base), SkipTrue: 6},
		bpf.LoadAbsolute{Off: typ, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: loaded16(unix.RTM_NEWROUTE), SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: loaded16(unix.RTM_DELROUTE), SkipTrue: 3},
		bpf.LoadAbsolute{Off: rtmProtocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(protocol), SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1<<32 - 1},
	}
}

// loaded32 and loaded16 are what a filter loads where v stands: it reads in
// network order what netlink writes in the machine's.
func loaded32(v uint32) uint32 {
	return binary.BigEndian.Uint32(native.AppendUint32(nil, v))
}

func loaded16(v uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(native.AppendUint16(nil, v)))
}

// soleProtocol is the route protocol of all Conns. It is not ok where they
// have several, or where two have the same table: then one's echo may be
// another's news.
func (m *monitor) soleProtocol() (protocol uint8, ok bool) {
	for _, conns := range m.conns {
		if len(conns) > 1 || ok && conns[0].protocol != protocol {
			return 0, false
		}
		protocol, ok = conns[0].protocol, true
	}
	return protocol, ok
}

// filterEchoes fits the socket filter to the Conns. A filter that the kernel
// refuses is refused, and costs only time; one that has to go and cannot is err.
func (m *monitor) filterEchoes(p *ports) (refused, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil || m.closed.Load() {
		return nil, nil
	}
	protocol, want := m.soleProtocol()
	if want == m.filtering && protocol == m.filtered {
		return nil, nil
	}
	if m.filtering {
		if err := m.sock.c.RemoveBPF(); m.closed.Load() {
			return nil, nil // by Host.Run's end, meanwhile
		} else if err != nil {
			return nil, fmt.Errorf("remove the socket filter of %v: %w", m.ns, err)
		}
		m.filtering, m.filtered = false, 0
	}
	if !want {
		return nil, nil
	}
	program, err := bpf.Assemble(p.echoFilter(protocol))
	if err != nil {
		return nil, fmt.Errorf("assemble the socket filter: %w", err)
	}
	if err := m.sock.c.SetBPF(program); err != nil {
		return err, nil
	}
	m.filtering, m.filtered = true, protocol
	return nil, nil
}

// filterEchoes has the kernel drop the echoes of m's Conns where it can.
func (h *Host) filterEchoes(m *monitor) error {
	refused, err := m.filterEchoes(h.ports)
	if refused != nil {
		h.log.Debug("the kernel refused a socket filter, so that our own route changes wake us",
			"netns", m.ns.name, "error", refused)
	}
	return err
}
