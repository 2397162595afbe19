package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Watch reads every route message of a namespace. It knows from the kernel's
// own header which socket made a change (`ip monitor` does not show that), and
// so holds the daemon to its word: no foreign route changed or deleted, ever.
//
// It looks at its socket from time to time, and whenever it is asked: a reader that
// waits is woken by each message, which whoever writes the routes pays for.
type Watch struct {
	t     testing.TB
	run   *Run
	role  string
	fd    int
	every time.Duration // between two looks
	stop  chan struct{}
	done  chan struct{}

	// Guarded by run.mu, as the reading of fd is.
	buf     []byte
	broken  error              // the socket cannot be read any more
	resting bool               // until it is asked
	holders map[routeKey]uint8 // who holds a key, by protocol, as far as messages say
	found   []string           // violations here
	events  []change           // of the daemon's routes
	blind   bool               // a message was lost: what came before it proves nothing
	devices map[int32]device   // the VRF devices there are, by index
	trusted bool               // a peer that writes routes is here, and no daemon
}

// change is an Event as the watch keeps it: there may be millions.
type change struct {
	key     routeKey
	deleted bool
	device  string
}

// routeKey has no pointer in it, so that a map of many costs the collector nothing.
type routeKey struct {
	addr          [16]byte // an IPv4 one in the first four
	table, metric uint32
	bits          uint8
	six           bool
}

func (k routeKey) prefix() netip.Prefix {
	if k.six {
		return netip.PrefixFrom(netip.AddrFrom16(k.addr), int(k.bits))
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(k.addr[:4])), int(k.bits))
}

func startWatch(run *Run, n *Namespace) (*Watch, error) {
	w := &Watch{
		t: n.lab.T, run: run, role: n.Role, every: 20 * time.Millisecond, stop: make(chan struct{}), done: make(chan struct{}),
		buf: make([]byte, 1<<18), holders: make(map[routeKey]uint8), devices: make(map[int32]device),
	}
	err := n.Enter(func() error {
		var err error
		w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open a netlink socket: %w", err)
		}
		if err := w.subscribe(); err != nil {
			return errors.Join(err, unix.Close(w.fd))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	go w.look()
	return w, nil
}

func (w *Watch) subscribe() error {
	const room = 512 << 20 // some 250,000 messages, for a watch that rests
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room); err != nil {
		// A user namespace may not exceed the host's limit: take that, and look often.
		w.every = time.Millisecond
		if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room); err != nil {
			return fmt.Errorf("make room for messages: %w", err)
		}
	}
	groups := uint32(1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1))
	if err := unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return fmt.Errorf("subscribe to routes: %w", err)
	}
	return nil
}

// end ends the watch and returns the violations that it found.
func (w *Watch) end() []string {
	close(w.stop)
	<-w.done
	w.drain()
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	if err := errors.Join(w.broken, unix.Close(w.fd)); err != nil {
		w.found = append(w.found, fmt.Sprintf("the watch of %s broke: %v", w.role, err))
	}
	w.broken = errStopped // the descriptor is another's by now
	return w.found
}

var errStopped = errors.New("the watch has ended")

func (w *Watch) look() {
	defer close(w.done)
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			if !w.rests() {
				w.drain()
			}
		}
	}
}

func (w *Watch) rests() bool {
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	return w.resting
}

// drain judges all that there is to read.
func (w *Watch) drain() {
	for w.some() {
	}
}

// some judges a part of what there is to read, and tells whether there may be more.
func (w *Watch) some() bool {
	const most = 1024 // messages, before another may have the lock
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	for range most {
		if w.broken != nil {
			return false
		}
		n, err := unix.Read(w.fd, w.buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			w.blind, w.holders = true, make(map[routeKey]uint8)
		case err != nil:
			w.broken = err
			return false
		default:
			w.datagram(w.buf[:n])
		}
	}
	return true
}

// datagram judges the messages of one. The caller holds run.mu.
func (w *Watch) datagram(b []byte) {
	for len(b) > 0 {
		length := 0
		if len(b) >= unix.SizeofNlMsghdr {
			length = int(binary.NativeEndian.Uint32(b))
		}
		if length < unix.SizeofNlMsghdr || length > len(b) {
			w.violate("the kernel sent what is no netlink message")
			return
		}
		w.take(message{
			kind:  binary.NativeEndian.Uint16(b[4:]),
			flags: binary.NativeEndian.Uint16(b[6:]),
			port:  int(binary.NativeEndian.Uint32(b[12:])),
			data:  b[unix.SizeofNlMsghdr:length],
		})
		b = b[min((length+3)&^3, len(b)):]
	}
}

// message is a netlink message.
type message struct {
	kind, flags uint16
	port        int
	data        []byte
}

// take judges one message. The caller holds run.mu.
func (w *Watch) take(m message) {
	switch m.kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		w.takeLink(m)
		return
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
	default:
		return
	}
	w.run.events++
	key, protocol, ok := parseRoute(m.data)
	if !ok {
		return
	}
	own := int(protocol) == w.run.Protocol
	deleted := m.kind == unix.RTM_DELROUTE
	if own {
		if len(w.events) == cap(w.events) { // append grows by a quarter, and copies a large list often
			w.events = slices.Grow(w.events, max(len(w.events), 256))
		}
		w.events = append(w.events, change{key: key, deleted: deleted, device: w.deviceOf(key.table)})
	}
	if w.suspect(m.port) {
		holder, held := w.holders[key]
		switch {
		case deleted && !own:
			w.violate(fmt.Sprintf("%v metric %d of protocol %d was deleted from table %d", key.prefix(), key.metric, protocol, key.table))
		case !deleted && !own:
			w.violate(fmt.Sprintf("%v metric %d was written with protocol %d into table %d", key.prefix(), key.metric, protocol, key.table))
		case !deleted && m.flags&unix.NLM_F_REPLACE != 0 && held && int(holder) != w.run.Protocol:
			w.violate(fmt.Sprintf("%v metric %d of protocol %d was overwritten in table %d", key.prefix(), key.metric, holder, key.table))
		}
	}
	if deleted {
		delete(w.holders, key)
	} else {
		w.holders[key] = protocol
	}
}

// suspect tells whether a change was made by neither the kernel (port 0) nor a
// tool of the test. The first netlink socket of a program in a namespace has
// the program's process id for its port, and `ip` has one socket only.
func (w *Watch) suspect(port int) bool {
	_, tool := w.run.tools[port]
	return port != 0 && !tool && !w.trusted
}

func (w *Watch) violate(what string) {
	what = "in " + w.role + ": " + what
	w.found = append(w.found, what)
	w.run.violations = append(w.run.violations, what)
}

// parseRoute reads the key and the protocol of a route message. Cached routes
// and those with a TOS are not looked at.
func parseRoute(data []byte) (key routeKey, protocol uint8, ok bool) {
	if len(data) < unix.SizeofRtMsg {
		return key, 0, false
	}
	family, tos := data[0], data[3]
	if tos != 0 || family != unix.AF_INET && family != unix.AF_INET6 {
		return key, 0, false
	}
	key = routeKey{bits: data[1], six: family == unix.AF_INET6, table: uint32(data[4])}
	for b := data[unix.SizeofRtMsg:]; len(b) >= unix.SizeofRtAttr; {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			return key, 0, false
		}
		switch value := b[unix.SizeofRtAttr:length]; binary.NativeEndian.Uint16(b[2:]) & nlaTypeMask {
		case unix.RTA_DST:
			copy(key.addr[:], value)
		case unix.RTA_TABLE:
			key.table = binary.NativeEndian.Uint32(value)
		case unix.RTA_PRIORITY:
			key.metric = binary.NativeEndian.Uint32(value)
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return key, data[5], true
}
