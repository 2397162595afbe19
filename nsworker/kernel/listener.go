package kernel

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// Of the kernel's sock_diag for unix sockets (linux/unix_diag.h).
const (
	unixDiagName    = 0 // attribute: the name, with the zero before an abstract one
	unixDiagUID     = 7 // attribute, since Linux 5.3: who made the socket
	unixDiagShow    = 1<<0 | 1<<6
	unixDiagListens = 1 << 10 // TCP_LISTEN, in the bits of states
	unixDiagRequest = 24
	unixDiagAnswer  = 16
)

// listener is the user who made the socket that listens inside ns on an abstract
// name, written with a leading "@". It asks the kernel, for a socket that takes no
// connection: SO_PEERCRED needs one. It is not ok where no socket listens, or where the
// kernel does not say.
func listener(spaces *Namespaces, ns *namespace, name string) (uid uint32, ok bool) {
	fd := -1
	err := spaces.within(ns, func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		return err
	})
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	patience := unix.NsecToTimeval(int64(answerTime / time.Nanosecond))
	if unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience) != nil {
		return 0, false
	}
	order := binary.NativeEndian
	request := make([]byte, unix.SizeofNlMsghdr+unixDiagRequest)
	order.PutUint32(request, uint32(len(request)))
	order.PutUint16(request[4:], unix.SOCK_DIAG_BY_FAMILY)
	order.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	ask := request[unix.SizeofNlMsghdr:]
	ask[0] = unix.AF_UNIX
	order.PutUint32(ask[4:], unixDiagListens)
	order.PutUint32(ask[12:], unixDiagShow)
	if unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return 0, false
	}
	name = "\x00" + name[1:]
	for b := make([]byte, datagram); ; {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return 0, false
		}
		for rest := b[:n]; len(rest) >= unix.SizeofNlMsghdr; {
			size := int(order.Uint32(rest))
			if size < unix.SizeofNlMsghdr+unixDiagAnswer || size > len(rest) || order.Uint16(rest[4:]) != unix.SOCK_DIAG_BY_FAMILY {
				return 0, false // the end of the dump, or an error
			}
			if uid, ok := listenerIn(rest[unix.SizeofNlMsghdr+unixDiagAnswer:size], name); ok {
				return uid, true
			}
			rest = rest[min(len(rest), (size+3)&^3):]
		}
	}
}

// listenerIn is the user in one answer, where the answer is about name.
func listenerIn(answer []byte, name string) (uid uint32, ok bool) {
	named, made := false, false
	for as := (attrs{b: answer}); ; {
		typ, v, more := as.next()
		switch {
		case !more:
			return uid, named && made
		case typ == unixDiagName:
			named = string(v) == name
		case typ == unixDiagUID && len(v) == 4:
			uid, made = attrU32(v), true
		}
	}
}
