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
	return anyPort(c)
}

// has tells whether a port id is one that bind gives.
func (p *ports) has(port uint32) bool { return port&^portMask == p.base }

// echoes is a filter program that drops route messages of one protocol which a
// socket of p caused, and nothing else.
func (p *ports) echoes(protocol uint8) []bpf.Instruction {
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

// loaded32 and loaded16 are the values that a filter loads from a field with v: it reads
// in network order, and netlink writes in the machine's.
func loaded32(v uint32) uint32 {
	return binary.BigEndian.Uint32(native.AppendUint32(nil, v))
}

func loaded16(v uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(native.AppendUint16(nil, v)))
}

// echoFilter keeps the echoes of our own route changes from a monitor's socket.
type echoFilter struct {
	ports    *ports
	on       bool
	protocol uint8 // while it is on: the echoes' route protocol
}

// fit puts the socket filter for a protocol on s, or takes it away where no filter is
// wanted. That the kernel refused a filter is no failure; that a filter which has to go
// cannot be removed is err.
func (f *echoFilter) fit(s *sock, protocol uint8, wanted bool) (refused, err error) {
	if wanted == f.on && protocol == f.protocol {
		return nil, nil
	}
	if f.on {
		if err := s.c.RemoveBPF(); err != nil {
			return nil, fmt.Errorf("remove the socket filter: %w", err)
		}
		f.on, f.protocol = false, 0
	}
	if !wanted {
		return nil, nil
	}
	program, err := bpf.Assemble(f.ports.echoes(protocol))
	if err != nil {
		return nil, fmt.Errorf("assemble the socket filter: %w", err)
	}
	if err := s.c.SetBPF(program); err != nil {
		return err, nil
	}
	f.on, f.protocol = true, protocol
	return nil, nil
}
