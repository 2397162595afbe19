package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Watch reads every route message of a namespace. It knows from the kernel's
// own header which socket made a change (`ip monitor` does not show that), and
// so holds the daemon to its word: no foreign route changed or deleted, ever.
type Watch struct {
	run  *Run
	role string
	file *os.File
	raw  syscall.RawConn
	done chan struct{}

	reading sync.Mutex // held while messages are read and judged; before run.mu
	resting bool       // guarded by reading
	buf     []byte     // guarded by reading

	holders map[routeKey]uint8 // who holds a key, by protocol, as far as messages say
	found   []string           // violations here
	events  []Event            // of the daemon's routes
	blind   bool               // a message was lost: what came before it proves nothing
	devices map[int32]device   // the VRF devices there are, by index
	trusted bool               // a peer that writes routes is here, and no daemon
}

// Event is a change of one of the daemon's routes.
type Event struct {
	Deleted bool
	Prefix  netip.Prefix
	Table   uint32
	// Device is the VRF device that had the table at that moment; "": none.
	Device string
}

type routeKey struct {
	prefix netip.Prefix
	table  uint32
	metric uint32
}

func startWatch(run *Run, n *Namespace) (*Watch, error) {
	w := &Watch{
		run: run, role: n.Role, done: make(chan struct{}), buf: make([]byte, 1<<18),
		holders: make(map[routeKey]uint8), devices: make(map[int32]device),
	}
	err := n.Enter(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open a netlink socket: %w", err)
		}
		const room = 512 << 20 // some 250,000 messages, for a watch that rests
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room); err != nil {
			// A user namespace may not exceed the host's limit: take that.
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room); err != nil {
				return errors.Join(fmt.Errorf("make room for messages: %w", err), unix.Close(fd))
			}
		}
		groups := uint32(1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1))
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
			return errors.Join(fmt.Errorf("subscribe to routes: %w", err), unix.Close(fd))
		}
		w.file = os.NewFile(uintptr(fd), "route watch")
		w.raw, err = w.file.SyscallConn()
		return err
	})
	if err != nil {
		return nil, err
	}
	go w.read()
	return w, nil
}

// Stop ends the watch and returns what it found.
func (w *Watch) Stop() []string {
	w.reading.Lock()
	w.catchUp()
	w.reading.Unlock()
	if err := w.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		w.found = append(w.found, fmt.Sprintf("the watch of %s broke: %v", w.role, err))
	}
	<-w.done
	return w.found
}

func (w *Watch) read() {
	defer close(w.done)
	// It fails once Stop closes the file.
	_ = w.raw.Read(func(fd uintptr) (done bool) {
		w.reading.Lock()
		defer w.reading.Unlock()
		if !w.resting {
			w.drain(int(fd))
		}
		return false
	})
}

// catchUp takes in what the kernel has said up to now. The caller holds reading.
func (w *Watch) catchUp() {
	// It fails where the file is closed: then all has been read.
	_ = w.raw.Control(func(fd uintptr) { w.drain(int(fd)) })
}

// drain reads until there is nothing more. The caller holds reading.
func (w *Watch) drain(fd int) {
	for {
		n, _, err := unix.Recvfrom(fd, w.buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.ENOBUFS):
			w.run.mu.Lock()
			w.blind, w.holders = true, make(map[routeKey]uint8)
			w.run.mu.Unlock()
		case err != nil:
			w.run.mu.Lock()
			w.violate("the watch broke: " + err.Error())
			w.run.mu.Unlock()
			return
		default:
			w.judge(w.buf[:n])
		}
	}
}

func (w *Watch) judge(b []byte) {
	messages, err := syscall.ParseNetlinkMessage(b)
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	if err != nil {
		w.violate("the kernel sent what is no netlink message: " + err.Error())
	}
	for _, m := range messages {
		w.take(m)
	}
}

// take judges one message. The caller holds run.mu.
func (w *Watch) take(m syscall.NetlinkMessage) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		w.takeLink(m)
		return
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
	default:
		return
	}
	w.run.events++
	key, protocol, ok := parseRoute(m)
	if !ok {
		return
	}
	own := int(protocol) == w.run.Protocol
	deleted := m.Header.Type == unix.RTM_DELROUTE
	if own {
		w.events = append(w.events, Event{Deleted: deleted, Prefix: key.prefix, Table: key.table, Device: w.deviceOf(key.table)})
	}
	if w.suspect(int(int32(m.Header.Pid))) {
		holder, held := w.holders[key]
		switch {
		case deleted && !own:
			w.violate(fmt.Sprintf("%v metric %d of protocol %d was deleted from table %d", key.prefix, key.metric, protocol, key.table))
		case !deleted && !own:
			w.violate(fmt.Sprintf("%v metric %d was written with protocol %d into table %d", key.prefix, key.metric, protocol, key.table))
		case !deleted && m.Header.Flags&unix.NLM_F_REPLACE != 0 && held && int(holder) != w.run.Protocol:
			w.violate(fmt.Sprintf("%v metric %d of protocol %d was overwritten in table %d", key.prefix, key.metric, holder, key.table))
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
func parseRoute(m syscall.NetlinkMessage) (routeKey, uint8, bool) {
	if len(m.Data) < unix.SizeofRtMsg {
		return routeKey{}, 0, false
	}
	family, bits, tos, table, protocol := m.Data[0], m.Data[1], m.Data[3], m.Data[4], m.Data[5]
	attrs, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil || tos != 0 || (family != unix.AF_INET && family != unix.AF_INET6) {
		return routeKey{}, 0, false
	}
	key := routeKey{table: uint32(table)}
	addr := netip.IPv4Unspecified()
	if family == unix.AF_INET6 {
		addr = netip.IPv6Unspecified()
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_DST:
			addr, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_TABLE:
			key.table = binary.NativeEndian.Uint32(a.Value)
		case unix.RTA_PRIORITY:
			key.metric = binary.NativeEndian.Uint32(a.Value)
		}
	}
	key.prefix = netip.PrefixFrom(addr, int(bits))
	return key, protocol, true
}

// Mark returns a point in the events of the daemon's routes, for Since.
func (n *Namespace) Mark() int {
	n.watch.reading.Lock()
	defer n.watch.reading.Unlock()
	n.watch.catchUp()
	n.lab.Run.mu.Lock()
	defer n.lab.Run.mu.Unlock()
	return len(n.watch.events)
}

// Since returns what happened to the daemon's routes since mark, up to now, oldest
// first. It fails the test where messages were lost.
func (n *Namespace) Since(mark int) []Event {
	n.lab.T.Helper()
	n.watch.reading.Lock()
	defer n.watch.reading.Unlock()
	n.watch.catchUp()
	n.lab.Run.mu.Lock()
	defer n.lab.Run.mu.Unlock()
	if n.watch.blind {
		n.lab.T.Errorf("the watch of %s lost messages: its receive buffer is too small", n.Role)
	}
	return append([]Event(nil), n.watch.events[mark:]...)
}

// Unwatched calls do, which is timed, while the watch of the namespace rests: what it
// reads and judges otherwise, as fast as it comes, it reads afterwards, so that the
// processors are those of what is timed. do must not ask for events.
func (n *Namespace) Unwatched(do func()) {
	set := func(resting bool) {
		n.watch.reading.Lock()
		defer n.watch.reading.Unlock()
		n.watch.resting = resting
		if !resting {
			n.watch.catchUp()
		}
	}
	set(true)
	defer set(false)
	do()
}
