package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Events counts the messages by which a namespace's kernel tells of changed
// routes of one protocol. It slows whoever changes routes there: it is for
// where nothing should change.
type Events struct {
	file     *os.File
	protocol uint8
	done     chan struct{}
	count    atomic.Int64
	lost     atomic.Bool
}

// Listen starts to count. Close ends it.
func Listen(enter func(func() error) error, protocol uint8) (*Events, error) {
	e := &Events{protocol: protocol, done: make(chan struct{})}
	err := enter(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 256<<20); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		groups := uint32(1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1))
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		e.file = os.NewFile(uintptr(fd), "route events")
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to routes: %w", err)
	}
	go e.read()
	return e, nil
}

func (e *Events) read() {
	defer close(e.done)
	buf := make([]byte, 1<<16)
	for {
		n, err := e.file.Read(buf)
		if errors.Is(err, unix.ENOBUFS) {
			e.lost.Store(true)
			continue
		}
		if err != nil {
			return // closed
		}
		for b := buf[:n]; len(b) >= unix.SizeofNlMsghdr+unix.SizeofRtMsg; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				break
			}
			if b[unix.SizeofNlMsghdr+5] == e.protocol { // rtm_protocol
				e.count.Add(1)
			}
			b = b[min(len(b), align(size)):]
		}
	}
}

// Close ends the count and returns it. Lost messages are an error.
func (e *Events) Close() (int, error) {
	err := e.file.Close()
	<-e.done
	if e.lost.Load() {
		err = errors.Join(err, errors.New("route messages were lost: there were too many to count"))
	}
	return int(e.count.Load()), err
}
