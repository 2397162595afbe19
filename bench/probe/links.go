package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CarrierLost returns a function that waits until an interface of the namespace has no
// carrier, and returns when the kernel said so. It says so last: what hung on the interface
// is gone by then (linkwatch_do_dev). Where it does not within limit, that is an error.
func CarrierLost(enter func(func() error) error, index int, limit time.Duration) (wait func() (time.Time, error), err error) {
	fd := -1
	err = enter(func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		timeout := unix.NsecToTimeval(limit.Nanoseconds())
		err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
			unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_LINK - 1)}))
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to links: %w", err)
	}
	return func() (time.Time, error) {
		err := awaitCarrierLost(fd, index)
		at := time.Now()
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return at, fmt.Errorf("wait until interface %d has lost its carrier: %w", index, err)
		}
		return at, nil
	}, nil
}

func awaitCarrierLost(fd, index int) error {
	for buf := make([]byte, 1<<16); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for b := buf[:n]; len(b) >= unix.SizeofNlMsghdr+unix.SizeofIfInfomsg; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				break
			}
			info := b[unix.SizeofNlMsghdr:]
			flags := binary.NativeEndian.Uint32(info[8:])
			if binary.NativeEndian.Uint16(b[4:]) == unix.RTM_NEWLINK && int(binary.NativeEndian.Uint32(info[4:])) == index && flags&unix.IFF_LOWER_UP == 0 {
				return nil
			}
			b = b[min(len(b), align(size)):]
		}
	}
}
