package kernel

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// entryWatch hears of the neighbour and forwarding entries on the VXLAN devices of a namespace,
// while Conns have endpoints there. A namespace may have thousands of other such events a
// second: it has a socket of its own, on which a filter lets through those of the devices alone.
// Its zero value watches nothing. It is safe for concurrent use.
type entryWatch struct {
	changing sync.Mutex // held while the socket is made, or closed

	mu      sync.Mutex // guards the rest
	devices map[int][]*endpointBook
	sock    *sock
	ended   chan struct{} // by the goroutine of sock
	closed  bool
}

// follow has b hear of exactly some devices of ns, from now on.
func (w *entryWatch) follow(ns *namespace, b *endpointBook, devices []int) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.mu.Lock()
	changed := w.put(b, devices)
	none, s, closed, program := len(w.devices) == 0, w.sock, w.closed, indexFilter(w.devices)
	w.mu.Unlock()
	switch {
	case closed:
	case none:
		w.stop()
	case s == nil:
		if err := w.start(ns, program); err != nil {
			w.mu.Lock()
			w.put(b, nil)
			w.mu.Unlock()
			return err
		}
	case changed:
		filterEntries(s, program)
	}
	return nil
}

// put gives b exactly some devices, and tells whether those of all have changed; mu is held.
func (w *entryWatch) put(b *endpointBook, devices []int) (changed bool) {
	for index, books := range w.devices {
		if !slices.Contains(books, b) || slices.Contains(devices, index) {
			continue
		}
		books = slices.DeleteFunc(slices.Clone(books), func(o *endpointBook) bool { return o == b })
		if w.devices[index] = books; len(books) == 0 {
			delete(w.devices, index)
			changed = true
		}
	}
	for _, index := range devices {
		books := w.devices[index]
		if slices.Contains(books, b) {
			continue
		}
		if w.devices == nil {
			w.devices = make(map[int][]*endpointBook)
		}
		w.devices[index] = append(slices.Clone(books), b)
		changed = changed || len(books) == 0
	}
	return changed
}

// start makes the socket; changing is held.
func (w *entryWatch) start(ns *namespace, program []bpf.Instruction) error {
	s, err := dial(ns, replyBuffer, anyPort)
	if err != nil {
		return err
	}
	filterEntries(s, program) // before there is anything to filter
	if err := s.join(unix.RTNLGRP_NEIGH); err != nil {
		_ = s.close() // the error that counts is the first
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sock, w.ended = s, make(chan struct{})
	go w.run(s, w.ended)
	return nil
}

// stop closes the socket, and waits for its goroutine; changing is held.
func (w *entryWatch) stop() {
	w.mu.Lock()
	s, ended := w.sock, w.ended
	w.sock = nil
	w.mu.Unlock()
	if s != nil {
		_ = s.close() // nothing can be lost
		<-ended
	}
}

// close ends the watch for good. It may be called more than once.
func (w *entryWatch) close() {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.stop()
}

// run takes in events until its socket is closed.
func (w *entryWatch) run(s *sock, ended chan struct{}) {
	defer close(ended)
	for {
		err := s.receive(w.take)
		var malformed *malformedError
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, errTruncated) || errors.As(err, &malformed) {
			if err = s.drain(); err == nil {
				w.all(func(b *endpointBook) { b.inbox.resync(rib.ResyncOverflow, nil) })
			}
		}
		w.mu.Lock()
		over := w.sock != s
		if err != nil && !over {
			w.sock = nil // whoever follows a device next makes another
		}
		w.mu.Unlock()
		switch {
		case over:
			return
		case err != nil:
			_ = s.close() // the error that counts is the first
			why := fmt.Errorf("the events of neighbour entries cannot be read: %w", err)
			w.all(func(b *endpointBook) { b.inbox.broken(why) })
			return
		}
	}
}

// all calls each with every book that has a device.
func (w *entryWatch) all(each func(*endpointBook)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, books := range w.devices {
		for _, b := range books {
			each(b)
		}
	}
}

// take works through one datagram of events.
func (w *entryWatch) take(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return &malformedError{err}
		}
		b = rest
		e, ok, err := decodeEntry(m)
		if err != nil {
			return &malformedError{err}
		}
		if !ok {
			continue
		}
		for _, book := range w.devices[e.ifindex] {
			book.hear(entryEvent{e, m.typ == unix.RTM_DELNEIGH})
		}
	}
	return nil
}

// filterMost is how many devices a filter tells apart: the kernel takes 4096 instructions
// (BPF_MAXINSNS).
const filterMost = 2000

// indexFilter is a filter program that lets through the messages about neighbours on some
// devices; nil: there are too many for one.
func indexFilter(devices map[int][]*endpointBook) []bpf.Instruction {
	if len(devices) > filterMost {
		return nil
	}
	const ndmIfindex = unix.NLMSG_HDRLEN + 4 // struct ndmsg
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: ndmIfindex, Size: 4}}
	for index := range devices {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: loaded32(uint32(index)), SkipTrue: 1},
			bpf.RetConstant{Val: 1<<32 - 1})
	}
	return append(program, bpf.RetConstant{Val: 0})
}

// filterEntries puts a program on s in place of the one before. Where the kernel takes none, as
// net.core.optmem_max may have it, the events of other devices cost time and nothing else.
func filterEntries(s *sock, program []bpf.Instruction) {
	raw, err := bpf.Assemble(program)
	if err == nil && len(raw) > 0 {
		err = s.c.SetBPF(raw)
	}
	if err != nil || len(raw) == 0 {
		_ = s.c.RemoveBPF() // there may be none
	}
}
