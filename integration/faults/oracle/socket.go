package oracle

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// socket is a route netlink socket in a namespace, written apart from the daemon's so
// that an error in its one is not believed here.
type socket struct {
	fd  int
	seq uint32
	buf []byte
}

// open opens the socket. The calling thread is in its namespace.
func (s *socket) open() (err error) {
	s.buf = make([]byte, 1<<17)
	if s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE); err != nil {
		return err
	}
	// Strict checking makes the kernel heed a dump's filter.
	return unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
}

// The requests are the body of a dump, after the netlink header.

type request struct {
	kind uint16
	body []byte
}

func routeRequest(family, protocol uint8) request {
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[5] = family, protocol
	return request{unix.RTM_GETROUTE, body}
}

func linkRequest() request { return request{unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg)} }

// nhmsgSize is that of struct nhmsg (include/uapi/linux/nexthop.h).
const nhmsgSize = 8

func nexthopRequest() request { return request{unix.RTM_GETNEXTHOP, make([]byte, nhmsgSize)} }

// errInterrupted: a table changed while it was read (NLM_F_DUMP_INTR).
var errInterrupted = errors.New("the dump was interrupted")

// dump asks for a dump and calls take with each message, without its header; the next
// message overwrites it. A dump that the kernel interrupted is errInterrupted.
func (s *socket) dump(r request, take func(body []byte)) error {
	if err := s.send(r, unix.NLM_F_REQUEST|unix.NLM_F_DUMP); err != nil {
		return err
	}
	var interrupted bool
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		if err != nil {
			return err
		}
		for chunk := s.buf[:n]; len(chunk) >= unix.SizeofNlMsghdr; {
			length := int(binary.NativeEndian.Uint32(chunk))
			kind, flags := binary.NativeEndian.Uint16(chunk[4:]), binary.NativeEndian.Uint16(chunk[6:])
			if length < unix.SizeofNlMsghdr || length > len(chunk) {
				return fmt.Errorf("a message of %d bytes in %d", length, len(chunk))
			}
			body := chunk[unix.SizeofNlMsghdr:length:length]
			interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
			switch kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if errno := -int32(binary.NativeEndian.Uint32(body)); errno != 0 {
					return unix.Errno(errno)
				}
				if interrupted {
					return errInterrupted
				}
				return nil
			}
			take(body)
			chunk = chunk[min((length+3)&^3, len(chunk)):]
		}
	}
}

// ask sends a request that has one answer, and returns it without its header.
func (s *socket) ask(r request) ([]byte, error) {
	if err := s.send(r, unix.NLM_F_REQUEST); err != nil {
		return nil, err
	}
	n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
	if err != nil {
		return nil, err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return nil, unix.EBADMSG
	}
	body := s.buf[unix.SizeofNlMsghdr:n]
	if binary.NativeEndian.Uint16(s.buf[4:]) == unix.NLMSG_ERROR {
		return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
	}
	return body, nil
}

// send sends a request, with a number of its own.
func (s *socket) send(r request, flags uint16) error {
	s.seq++
	length := unix.SizeofNlMsghdr + len(r.body)
	req := make([]byte, unix.SizeofNlMsghdr, length)
	binary.NativeEndian.PutUint32(req, uint32(length))
	binary.NativeEndian.PutUint16(req[4:], r.kind)
	binary.NativeEndian.PutUint16(req[6:], flags)
	binary.NativeEndian.PutUint32(req[8:], s.seq)
	return unix.Sendto(s.fd, append(req, r.body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}
