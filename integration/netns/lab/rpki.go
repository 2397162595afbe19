package lab

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// RPKICache is a cache of validated payloads that routers ask by RTR (RFC 8210, in its version 0 of
// RFC 6810, which all routers speak).
type RPKICache struct {
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	serial  uint32 // guarded by mu, as is all below
	has     []Payload
	history []said
	conns   map[net.Conn]bool
}

// Payload is an AS that may originate a prefix, and longer ones in it.
type Payload struct {
	Prefix    netip.Prefix
	MaxLength uint8
	AS        uint32
}

// said is what a serial number added, or took back.
type said struct {
	serial uint32
	Payload
	adds bool
}

// The types of messages, and the session (RFC 8210, 5).
const (
	rtrNotify = iota
	rtrSerialQuery
	rtrResetQuery
	rtrResponse
	rtrIPv4
	_
	rtrIPv6
	rtrEndOfData
	rtrSession = 179
)

// NewRPKICache starts a cache that listens in a namespace.
func NewRPKICache(n *Namespace, address string, has ...Payload) *RPKICache {
	n.lab.T.Helper()
	c := &RPKICache{serial: 1, has: has, conns: make(map[net.Conn]bool)}
	if err := n.Enter(func() (err error) {
		c.listener, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		n.lab.T.Fatal(err)
	}
	c.done.Go(c.serve)
	n.lab.T.Cleanup(c.close)
	return c
}

func (c *RPKICache) close() {
	_ = c.listener.Close() // its error is that of serve
	c.mu.Lock()
	for conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.done.Wait()
}

// Say makes these all that the cache has, and tells the routers that there is something new.
func (c *RPKICache) Say(all ...Payload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	for _, p := range c.has {
		if !slices.Contains(all, p) {
			c.history = append(c.history, said{c.serial, p, false})
		}
	}
	for _, p := range all {
		if !slices.Contains(c.has, p) {
			c.history = append(c.history, said{c.serial, p, true})
		}
	}
	c.has = all
	for conn := range c.conns {
		_, _ = conn.Write(binary.BigEndian.AppendUint32(rtrHeader(rtrNotify, 12), c.serial)) // one that is gone asks again
	}
}

func (c *RPKICache) serve() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // it is closed
		}
		c.mu.Lock()
		c.conns[conn] = true
		c.mu.Unlock()
		c.done.Go(func() { c.answer(conn) })
	}
}

// answer answers one router until it goes.
func (c *RPKICache) answer(conn net.Conn) {
	defer func() {
		c.mu.Lock()
		delete(c.conns, conn)
		c.mu.Unlock()
		_ = conn.Close()
	}()
	for header := make([]byte, 8); ; {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		rest := make([]byte, max(8, binary.BigEndian.Uint32(header[4:]))-8)
		if _, err := io.ReadFull(conn, rest); err != nil {
			return
		}
		c.mu.Lock()
		out := rtrHeader(rtrResponse, 8)
		switch header[1] {
		case rtrResetQuery:
			for _, p := range c.has {
				out = append(out, p.message(true)...)
			}
		case rtrSerialQuery:
			for _, s := range c.history {
				if s.serial > binary.BigEndian.Uint32(rest) {
					out = append(out, s.message(s.adds)...)
				}
			}
		default: // an error of the router's
			c.mu.Unlock()
			return
		}
		out = binary.BigEndian.AppendUint32(append(out, rtrHeader(rtrEndOfData, 12)...), c.serial)
		_, err := conn.Write(out)
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func rtrHeader(kind byte, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{0, kind, 0, rtrSession}, length)
}

// message adds a payload, or takes it back.
func (p Payload) message(adds bool) []byte {
	kind, length := byte(rtrIPv4), uint32(20)
	if p.Prefix.Addr().Is6() {
		kind, length = rtrIPv6, 32
	}
	out := rtrHeader(kind, length)
	out[3] = 0
	flag := byte(0)
	if adds {
		flag = 1
	}
	out = append(out, flag, byte(p.Prefix.Bits()), p.MaxLength, 0)
	out = append(out, p.Prefix.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint32(out, p.AS)
}
