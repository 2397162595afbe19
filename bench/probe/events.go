package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

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
		if err := e.take(buf[:max(n, 0)], err); err != nil {
			return
		}
	}
}

// take counts what one read brought, and returns the error that ends reading.
func (e *Events) take(b []byte, err error) error {
	if errors.Is(err, unix.ENOBUFS) {
		e.lost.Store(true)
		return nil
	}
	if err != nil {
		return err
	}
	for len(b) >= unix.SizeofNlMsghdr+unix.SizeofRtMsg {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			break
		}
		if b[unix.SizeofNlMsghdr+5] == e.protocol { // rtm_protocol
			e.count.Add(1)
		}
		b = b[min(len(b), align(size)):]
	}
	return nil
}

// Close counts what the kernel has told so far, ends the count and returns it.
// Lost messages are an error.
func (e *Events) Close() (int, error) {
	// A deadline ends the reader; what it left in the socket is read here.
	err := e.file.SetReadDeadline(time.Now())
	<-e.done
	err = errors.Join(err, e.file.SetReadDeadline(time.Time{}), e.drain(), e.file.Close())
	if e.lost.Load() {
		err = errors.Join(err, errors.New("route messages were lost: there were too many to count"))
	}
	return int(e.count.Load()), err
}

func (e *Events) drain() error {
	raw, err := e.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("read the rest of the route messages: %w", err)
	}
	buf := make([]byte, 1<<16)
	var last error
	err = raw.Read(func(fd uintptr) bool {
		for last == nil {
			n, err := unix.Read(int(fd), buf)
			last = e.take(buf[:max(n, 0)], err)
		}
		return true
	})
	if errors.Is(last, unix.EAGAIN) {
		last = nil // nothing is left
	}
	if err = errors.Join(err, last); err != nil {
		return fmt.Errorf("read the rest of the route messages: %w", err)
	}
	return nil
}
