package kernel

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// message is one netlink message; body points into the buffer it was read into.
type message struct {
	typ, flags uint16
	seq, port  uint32
	body       []byte
}

// nextMessage splits the first message off b.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < unix.NLMSG_HDRLEN {
		return message{}, nil, fmt.Errorf("netlink message of %d bytes is shorter than its header", len(b))
	}
	size := int(native.Uint32(b))
	if size < unix.NLMSG_HDRLEN || size > len(b) {
		return message{}, nil, fmt.Errorf("netlink message says it has %d bytes, of which %d are here", size, len(b))
	}
	m = message{
		typ:   native.Uint16(b[4:]),
		flags: native.Uint16(b[6:]),
		seq:   native.Uint32(b[8:]),
		port:  native.Uint32(b[12:]),
		body:  b[unix.NLMSG_HDRLEN:size],
	}
	return m, b[min(align(size), len(b)):], nil
}

// status is the errno and the kernel's own words in an NLMSG_ERROR or
// NLMSG_DONE; errno 0 is success.
func (m message) status() (syscall.Errno, string, error) {
	if len(m.body) < 4 {
		if m.typ == unix.NLMSG_DONE {
			return 0, "", nil
		}
		return 0, "", fmt.Errorf("netlink acknowledgement of %d bytes is too short", len(m.body))
	}
	errno := syscall.Errno(-int32(native.Uint32(m.body)))
	if m.flags&unix.NLM_F_ACK_TLVS == 0 {
		return errno, "", nil
	}
	tail := m.body[4:]
	if m.typ == unix.NLMSG_ERROR {
		// The request comes back behind the errno, whole or only its header.
		if len(tail) < unix.NLMSG_HDRLEN {
			return errno, "", nil
		}
		echoed := unix.NLMSG_HDRLEN
		if m.flags&unix.NLM_F_CAPPED == 0 && errno != 0 {
			echoed = align(int(native.Uint32(tail)))
		}
		if echoed > len(tail) {
			return errno, "", nil
		}
		tail = tail[echoed:]
	}
	a := attrs{b: tail}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		if typ == unix.NLMSGERR_ATTR_MSG {
			return errno, attrString(v), nil
		}
	}
	return errno, "", nil
}

// beginMessage appends a header to b; endMessage sets the length of the message
// that begins at start.
func beginMessage(b []byte, typ, flags uint16, seq uint32) []byte {
	b = native.AppendUint32(b, 0)
	b = native.AppendUint16(b, typ)
	b = native.AppendUint16(b, flags)
	b = native.AppendUint32(b, seq)
	return native.AppendUint32(b, 0) // the kernel knows our port
}

// askAck makes the first message of b ask for an acknowledgement also
// where it succeeds.
func askAck(b []byte) {
	native.PutUint16(b[6:], native.Uint16(b[6:])|unix.NLM_F_ACK)
}

func endMessage(b []byte, start int) []byte {
	b = pad(b)
	native.PutUint32(b[start:], uint32(len(b)-start))
	return b
}
