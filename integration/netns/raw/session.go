// Package raw is a BGP speaker for tests that says whatever a test wants: it opens a
// session with any OPEN, or with none, and sends any bytes. It believes nothing that it
// hears, and knows only whether the session still is, and how the other side ended it.
package raw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Types of messages (RFC 4271, 4.1; RFC 2918).
const (
	TypeOpen         = 1
	TypeUpdate       = 2
	TypeNotification = 3
	TypeKeepalive    = 4
	TypeRefresh      = 5

	headerSize = 19
)

// patience is how long the other side may take to answer.
const patience = 20 * time.Second

// Enter runs a function in a network namespace.
type Enter func(func() error) error

// Session is a connection to a BGP speaker, whatever was said on it.
type Session struct {
	conn net.Conn
	done chan struct{} // closed when the other side has ended it
	up   chan struct{} // closed when it has said a KEEPALIVE
	// keeping: each KEEPALIVE is answered by one, so that the session does not expire.
	keeping atomic.Bool

	mu    sync.Mutex
	ended string // guarded by mu; how
}

// Dial connects to port 179 and waits for the other side's OPEN: until it comes, that
// side does not listen to this one.
func Dial(enter Enter, local, remote netip.Addr) (*Session, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), Timeout: 2 * time.Second}
	var conn net.Conn
	err := enter(func() (err error) {
		conn, err = d.Dial("tcp", netip.AddrPortFrom(remote, 179).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the BGP speaker: %w", err)
	}
	return begin(conn)
}

// Listen listens on port 179 of an address.
func Listen(enter Enter, local netip.Addr) (l net.Listener, err error) {
	err = enter(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(local, 179).String())
		return err
	})
	return l, err
}

// Accept is Dial for a session that the other side opens.
func Accept(l net.Listener) (*Session, error) {
	conn, err := l.Accept()
	if err != nil {
		return nil, fmt.Errorf("wait for the BGP speaker's connection: %w", err)
	}
	return begin(conn)
}

func begin(conn net.Conn) (*Session, error) {
	s := &Session{conn: conn, done: make(chan struct{}), up: make(chan struct{})}
	err := conn.SetReadDeadline(time.Now().Add(patience))
	if err == nil {
		var kind byte
		if kind, _, err = s.receive(); err == nil && kind != TypeOpen {
			err = fmt.Errorf("message %d came instead of an OPEN", kind)
		}
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for an OPEN: %w", err), conn.Close())
	}
	go s.read()
	return s, nil
}

// Establish sends an OPEN and a KEEPALIVE, and waits until the other side has agreed.
func (s *Session) Establish(open []byte) error {
	if err := s.Send(open, Keepalive); err != nil {
		return err
	}
	select {
	case <-s.up:
		s.keeping.Store(true)
		return nil
	case <-s.done:
		return fmt.Errorf("the other side ended the session: %s", s.Ended())
	case <-time.After(patience):
		return errors.New("the other side does not answer the OPEN")
	}
}

// Send sends messages, or what is none.
func (s *Session) Send(messages ...[]byte) error {
	for _, m := range messages {
		if err := s.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := s.conn.Write(m); err != nil {
			return fmt.Errorf("write to the session: %w", err)
		}
	}
	return nil
}

// Ended says how the other side ended the session: "1/3" by a NOTIFICATION of these
// codes, "closed" without one. It is "" while the session is there.
func (s *Session) Ended() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// WaitEnd waits until the other side ends the session, and returns what Ended says:
// "" where it does not.
func (s *Session) WaitEnd(limit time.Duration) string {
	select {
	case <-s.done:
	case <-time.After(limit):
	}
	return s.Ended()
}

// Close closes the connection without a word.
func (s *Session) Close() {
	_ = s.conn.Close() // the other side may have done so
	<-s.done
}

// Crash ends the connection by a reset, as the kernel does for a speaker that dies.
func (s *Session) Crash() error {
	tcp, ok := s.conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("the connection is %T, and none of TCP", s.conn)
	}
	err := errors.Join(tcp.SetLinger(0), tcp.Close())
	<-s.done
	return err
}

func (s *Session) read() {
	defer close(s.done)
	up := sync.OnceFunc(func() { close(s.up) })
	for {
		kind, body, err := s.receive()
		s.mu.Lock()
		switch {
		case err != nil:
			s.ended = "closed"
		case kind == TypeNotification && len(body) >= 2:
			s.ended = fmt.Sprintf("%d/%d", body[0], body[1])
		}
		ended := s.ended != ""
		s.mu.Unlock()
		if ended {
			return
		}
		if kind == TypeKeepalive {
			up()
			if s.keeping.Load() {
				_ = s.Send(Keepalive) // where that fails, so does the next read
			}
		}
	}
}

func (s *Session) receive() (kind byte, body []byte, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(s.conn, header[:]); err != nil {
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint16(header[16:])) - headerSize
	if size < 0 {
		return 0, nil, errors.New("a message is shorter than its header")
	}
	body = make([]byte, size)
	_, err = io.ReadFull(s.conn, body)
	return header[18], body, err
}
