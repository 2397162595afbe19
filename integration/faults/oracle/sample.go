package oracle

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Has tells whether the longest match of an IPv4 prefix's first address is a route of
// the daemon with exactly this prefix. It costs the kernel one look-up, where the other
// questions read a table.
func (o *Oracle) Has(prefix string) bool {
	o.t.Helper()
	p := netip.MustParsePrefix(prefix)
	body := make([]byte, unix.SizeofRtMsg, unix.SizeofRtMsg+unix.SizeofRtAttr+4)
	body[0], body[1] = unix.AF_INET, 32
	binary.NativeEndian.PutUint32(body[8:], unix.RTM_F_FIB_MATCH)
	body = binary.NativeEndian.AppendUint16(body, unix.SizeofRtAttr+4)
	body = binary.NativeEndian.AppendUint16(body, unix.RTA_DST)
	body = append(body, p.Addr().AsSlice()...)
	m, err := o.ask(request{unix.RTM_GETROUTE, body})
	if errors.Is(err, unix.ENETUNREACH) {
		return false
	}
	if err != nil {
		o.t.Fatalf("look %s up in %s: %v", prefix, o.ns.Role, err)
	}
	r := parse(m)
	return r.prefix == p && r.protocol == o.protocol
}

// ask sends a request that has one answer, and returns it without its header.
func (o *Oracle) ask(r request) ([]byte, error) {
	if err := o.send(r, unix.NLM_F_REQUEST); err != nil {
		return nil, err
	}
	n, _, err := unix.Recvfrom(o.fd, o.buf, 0)
	if err != nil {
		return nil, err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return nil, unix.EBADMSG
	}
	body := o.buf[unix.SizeofNlMsghdr:n]
	if binary.NativeEndian.Uint16(o.buf[4:]) == unix.NLMSG_ERROR {
		return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
	}
	return body, nil
}

// send sends a request, with a number of its own.
func (o *Oracle) send(r request, flags uint16) error {
	o.seq++
	length := unix.SizeofNlMsghdr + len(r.body)
	req := make([]byte, unix.SizeofNlMsghdr, length)
	binary.NativeEndian.PutUint32(req, uint32(length))
	binary.NativeEndian.PutUint16(req[4:], r.kind)
	binary.NativeEndian.PutUint16(req[6:], flags)
	binary.NativeEndian.PutUint32(req[8:], o.seq)
	return unix.Sendto(o.fd, append(req, r.body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}
