package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Of generic netlink's family SEG6 (include/uapi/linux/seg6_genl.h).
const (
	segmentsFamily    = "SEG6"
	segmentsVersion   = 1
	segmentsGetSource = 4
	segmentsAddr      = 1
)

// sizeofGenl is struct genlmsghdr (include/uapi/linux/genetlink.h).
const sizeofGenl = 4

// tunnelSource is the source of the packets that a namespace puts into SRv6, as `ip sr tunsrc show` has
// it. An unspecified one says that the kernel chooses; an invalid one that it cannot be known, because
// the kernel has no SRv6, or tells nobody without CAP_NET_ADMIN.
func tunnelSource(n *Namespaces, netns string) (source netip.Addr, err error) {
	err = n.InNetns(netns, func() error {
		g, err := dialGeneric()
		if err != nil {
			return err
		}
		defer g.close()
		family, err := g.family(segmentsFamily)
		if err != nil {
			return err
		}
		v, err := g.ask(family, segmentsGetSource, segmentsVersion, nil, segmentsAddr)
		if err == nil {
			source, _ = netip.AddrFromSlice(v)
		}
		return err
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask for the source of packets with segments: %w", err)
	}
	return source, nil
}

// generic is a socket of generic netlink in the namespace of the calling thread.
type generic struct{ fd int }

func dialGeneric() (*generic, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open a socket of generic netlink: %w", err)
	}
	limit := unix.NsecToTimeval(int64(patience / time.Nanosecond))
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &generic{fd}, nil
}

func (g *generic) close() { _ = unix.Close(g.fd) } // it has only asked

// family is the number of a family.
func (g *generic) family(name string) (uint16, error) {
	v, err := g.ask(unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, 1, appendAttr(nil, unix.CTRL_ATTR_FAMILY_NAME, []byte(name+"\x00")), unix.CTRL_ATTR_FAMILY_ID)
	if err == nil && len(v) < 2 {
		err = fmt.Errorf("the family %s has no number", name)
	}
	if err != nil {
		return 0, err
	}
	return native.Uint16(v), nil
}

// ask sends a command, and returns one attribute of the answer.
func (g *generic) ask(family uint16, command, version byte, attrs []byte, want uint16) ([]byte, error) {
	b := make([]byte, unix.SizeofNlMsghdr, 64)
	b = append(append(b, command, version, 0, 0), attrs...)
	native.PutUint32(b[0:], uint32(len(b)))
	native.PutUint16(b[4:], family)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	if err := unix.Sendto(g.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	in := datagrams.Get().(*[datagram]byte)
	defer datagrams.Put(in)
	n, _, err := unix.Recvfrom(g.fd, in[:], 0)
	if err != nil {
		return nil, err
	}
	m, _, err := nextMessage(in[:n])
	switch {
	case err != nil:
		return nil, err
	case m.typ == unix.NLMSG_ERROR && len(m.body) >= 4:
		return nil, syscall.Errno(-int32(native.Uint32(m.body)))
	case m.typ != family || len(m.body) < sizeofGenl:
		return nil, errors.New("the kernel's answer is another one")
	}
	return append([]byte(nil), attribute(m.body[sizeofGenl:], want)...), nil
}
