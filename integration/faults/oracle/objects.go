package oracle

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// ObjectWatch counts the messages by which a namespace's kernel tells of nexthop objects
// of one protocol that come, change and go.
type ObjectWatch struct {
	t        testing.TB
	fd       int
	protocol uint8
	buf      []byte
	n        int
}

// WatchObjects starts to count. It ends with the test.
func WatchObjects(t testing.TB, n *lab.Namespace, protocol int) *ObjectWatch {
	t.Helper()
	w := &ObjectWatch{t: t, protocol: uint8(protocol), buf: make([]byte, 1<<17)}
	err := n.Enter(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		t.Cleanup(func() {
			if err := unix.Close(w.fd); err != nil {
				t.Errorf("end the watch of nexthop objects: %v", err)
			}
		})
		return unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_NEXTHOP - 1)})
	})
	if err != nil {
		t.Fatalf("watch the nexthop objects of %s: %v", n.Role, err)
	}
	return w
}

// Forget begins anew.
func (w *ObjectWatch) Forget() {
	w.t.Helper()
	w.Count()
	w.n = 0
}

// Count returns how many messages came since the beginning. It fails the test where the
// kernel lost some.
func (w *ObjectWatch) Count() int {
	w.t.Helper()
	for {
		n, err := unix.Read(w.fd, w.buf)
		if errors.Is(err, unix.EAGAIN) {
			return w.n
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			w.t.Fatalf("count messages about nexthop objects: %v", err)
		}
		for b := w.buf[:max(n, 0)]; len(b) >= unix.SizeofNlMsghdr+nhmsgSize; {
			length := int(binary.NativeEndian.Uint32(b))
			if length < unix.SizeofNlMsghdr || length > len(b) {
				w.t.Fatalf("a message of %d bytes in %d", length, len(b))
			}
			if b[unix.SizeofNlMsghdr+2] == w.protocol { // nh_protocol
				w.n++
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}
