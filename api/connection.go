package api

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials"

	"github.com/vrfredist/vrfredist/api/access"
)

// connection is a client's connection. It is the AuthInfo by which each call finds it
// again, and counts until it is closed.
type connection struct {
	net.Conn
	credentials.CommonAuthInfo
	door    *Door
	caller  access.Caller
	key     string // of its account
	refusal error  // of every call; nil: calls are judged one by one
	since   time.Time
	left    sync.Once

	in       *bufio.Reader // gRPC has no buffer of its own: it reads no byte behind the frame that it handles
	received frames        // of in
	sent     frames

	busy    int                // guarded by accounts.mu; calls that were let in
	streams map[uint32]*stream // guarded by accounts.mu
	last    uint32             // guarded by accounts.mu; the stream that was begun last
	flooded bool               // guarded by accounts.mu
	gone    bool               // guarded by accounts.mu
}

// stream is an HTTP/2 stream that the client has begun. It is forgotten when it has come
// to its end on the wire and no handler works for it.
type stream struct {
	admitted bool
	running  bool
	ended    bool
	small    int // DATA frames in a row below smallFrame

	most  int           // bytes of its request, at most
	head  []byte        // of its first message, with the message's length: five bytes
	large chan struct{} // closed when the length is over most
}

// length is the length of the first message; 0: it is not known yet.
func (s *stream) length() int {
	if len(s.head) < 5 {
		return 0
	}
	return int(binary.BigEndian.Uint32(s.head[1:]))
}

// A frame costs memory beside its bytes, some 350 bytes for a frame of a single byte,
// and a window has room for 65,535 such frames. So a client that sends many small
// frames, of which nothing is consumed, is given up.
const (
	smallFrame = 256 // bytes
	mostSmall  = 512
)

// mostSettings is more than any gRPC client puts into one SETTINGS frame, in bytes: there
// are ten settings of 6 bytes. A frame has room for 2,730, and waits in a queue whole.
const mostSettings = 256

// preface is the length of the bytes before a client's first frame (RFC 9113, section 3.4).
const preface = len(http2.ClientPreface)

// readBuffer is the size of a connection's buffer, in bytes.
const readBuffer = 4 << 10

var errFlood = errors.New("the client sends frames that none of gRPC sends, or small ones without end")

func newConnection(d *Door, conn net.Conn, caller access.Caller) *connection {
	return &connection{
		Conn: conn, door: d, caller: caller, key: caller.Key(), since: time.Now(),
		in: bufio.NewReaderSize(conn, readBuffer), received: frames{skip: preface}, streams: make(map[uint32]*stream),
	}
}

// AuthType implements credentials.AuthInfo.
func (c *connection) AuthType() string { return "vrfredist" }

// String names the caller.
func (c *connection) String() string { return c.caller.String() }

// grant is the caller's under the rules in force now.
func (c *connection) grant() access.Grant { return c.door.rules.Load().policy.Grant(c.caller) }

func (c *connection) admin() bool { return c.grant().Admin() }

// Read implements net.Conn. After an error nobody uses the connection any more,
// and gRPC does not always close it: where it fails before its first call, gRPC closes
// the connection below.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	if n > 0 && !c.follow(&c.received, b[:n], c.begun, c.content) {
		err = errFlood
		_ = c.Conn.Close() // the client is given up: an error is no news
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.leave()
	}
	return n, err
}

// Write implements net.Conn.
func (c *connection) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.follow(&c.sent, b[:n], c.answered, func(frame, []byte) {})
	if err != nil {
		c.leave()
	}
	return n, err
}

// follow takes in bytes that went over the wire, and tells whether the client may go on.
func (c *connection) follow(w *frames, b []byte, heed func(frame), body func(frame, []byte)) bool {
	c.door.accounts.mu.Lock()
	defer c.door.accounts.mu.Unlock()
	w.walk(b, heed, body)
	return !c.flooded
}

// begun takes in a frame of the client's. accounts.mu is held.
func (c *connection) begun(f frame) {
	s := c.streams[f.stream]
	switch {
	case f.kind == http2.FrameHeaders && f.stream > c.last && !c.gone:
		c.last = f.stream
		c.streams[f.stream] = new(stream)
	case f.kind == http2.FrameRSTStream:
		c.end(f.stream)
	case f.kind == http2.FrameData && f.flags.Has(http2.FlagDataPadded):
		c.flooded = true // no client of gRPC pads
	case f.kind == http2.FrameSettings && f.length > mostSettings:
		c.flooded = true
	case f.kind == http2.FrameData && s != nil && f.length < smallFrame && !f.ends():
		s.small++
		c.flooded = c.flooded || s.small > mostSmall
	}
}

// content takes in the body of a frame of the client's: of each stream the first bytes,
// which hold the request's length. accounts.mu is held.
func (c *connection) content(f frame, b []byte) {
	s := c.streams[f.stream]
	if f.kind != http2.FrameData || s == nil || !s.admitted || s.length() > 0 {
		return
	}
	s.head = append(s.head, b[:min(len(b), 5-len(s.head))]...)
	if s.length() > s.most {
		close(s.large)
	}
}

// answered takes in a frame of ours. accounts.mu is held.
func (c *connection) answered(f frame) {
	switch s := c.streams[f.stream]; {
	case f.ends():
		c.end(f.stream)
	case f.kind == http2.FrameWindowUpdate && s != nil:
		s.small = 0
	}
}

// end takes in that a stream has come to its end on the wire. accounts.mu is held.
func (c *connection) end(id uint32) {
	if s := c.streams[id]; s != nil {
		s.ended = true
		c.settle(id)
	}
}

// settle forgets a stream that has ended and has no handler. accounts.mu is held.
func (c *connection) settle(id uint32) {
	s := c.streams[id]
	if s == nil || s.running || !s.ended {
		return
	}
	delete(c.streams, id)
	if !s.admitted {
		return
	}
	if c.busy--; c.busy == 0 {
		c.since = time.Now()
	}
	c.door.accounts.of(c.key).streams--
	c.door.accounts.give(c, streamCost)
	c.door.accounts.settle(c.key)
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.leave()
	return c.Conn.Close()
}

func (c *connection) leave() { c.left.Do(func() { c.door.guests.forget(c) }) }
