package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// farewell is how long the second side of a connection may go on after the
	// first has ended it: for a NOTIFICATION that is under way.
	farewell = 2 * time.Second
	// greeting is how long the BGP server may take to send its OPEN. One that
	// takes longer is busy, and not one that refuses.
	greeting = 5 * time.Second
	// A BGP server that refuses is asked again after knockFirst, then after twice
	// as long each time up to knockMost, for knockLimit in all. GoBGP closes what
	// comes while its neighbour is idle, with a line in its log: for 5 s after a
	// failure, for idle-hold-time-after-reset (30 s) after a session.
	knockFirst = 500 * time.Millisecond
	knockMost  = 2 * time.Second
	knockLimit = 45 * time.Second
)

// side is one of the two ends that are joined.
type side bool

const (
	thePeer   side = false
	theServer side = true
)

func (s side) other() side { return !s }

func (s side) String() string {
	if s == theServer {
		return "the BGP server"
	}
	return "the peer"
}

// knock opens the neighbour's connection to the BGP server, and asks again for
// a while where that does not take it. The peer's connection is held meanwhile:
// closing it at once would make the peer wait for its own retry timer.
func knock(ctx context.Context, r *Relay, n neighbor, peer *net.TCPConn) (*net.TCPConn, error) {
	limit := time.NewTimer(knockLimit)
	defer limit.Stop()
	for delay := knockFirst; ; delay = min(2*delay, knockMost) {
		server, err := dialServer(ctx, r, n)
		if err == nil {
			return server, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !alive(peer) {
			return nil, &reason{fmt.Sprintf("it closed the connection before there was a session; has it us as a neighbour, by our AS and %s?", ourAddress(n)), err}
		}
		again := time.NewTimer(delay)
		select {
		case <-ctx.Done():
		case <-limit.C:
			again.Stop()
			return nil, err
		case <-again.C:
		}
		again.Stop()
	}
}

// dialServer connects to the BGP server from the alias, and waits until it
// shows that it takes the connection by sending something.
func dialServer(ctx context.Context, r *Relay, n neighbor) (*net.TCPConn, error) {
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(n.Alias, 0)),
		Timeout:   greeting,
		Control: func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				// GoBGP takes TTL security for its side too, if it is told to.
				failed = setTTL(int(fd), false, 255, 0)
				if failed == nil && n.Secret != "" {
					failed = setMD5(int(fd), r.server.Addr(), n.Secret)
				}
			})
			return errors.Join(err, failed)
		},
	}
	c, err := d.DialContext(ctx, "tcp4", r.server.String())
	if err != nil {
		return nil, fmt.Errorf("the BGP server does not answer on %v: %w", r.server, err)
	}
	server := c.(*net.TCPConn)
	if err := greeted(ctx, server); err != nil {
		server.Close() // the error that counts is the first
		return nil, &reason{"BGP takes no connection of it: it waits after a failure, or another client of the API took it out or disabled it", err}
	}
	return server, nil
}

// greeted waits for the first byte, and leaves it there.
func greeted(ctx context.Context, c *net.TCPConn) error {
	if err := c.SetReadDeadline(time.Now().Add(greeting)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	raw, err := c.SyscallConn()
	if err != nil {
		stop()
		return err
	}
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, _, failed = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK)
		return !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR)
	})
	if !stop() {
		return ctx.Err()
	}
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		// Still open: it is only slow.
	case err != nil:
		return err
	case failed != nil:
		return failed
	case n == 0:
		return io.EOF
	}
	return c.SetReadDeadline(time.Time{})
}

// alive tells whether the connection is established, without reading from it.
func alive(c *net.TCPConn) bool {
	const established = 1 // TCP_ESTABLISHED
	info, err := tcpInfo(c)
	return err == nil && info.State == established
}

// silent tells whether nothing has ever come over the connection.
func silent(c *net.TCPConn) bool {
	info, err := tcpInfo(c)
	return err == nil && info.Bytes_received == 0
}

// tcpInfo returns what the kernel knows of a connection.
func tcpInfo(c *net.TCPConn) (info *unix.TCPInfo, err error) {
	err = control(c, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	return info, err
}

// join carries bytes both ways until one side ends, then ends the other, and
// says why. It owns both connections. The kernel moves the bytes (splice), with
// a pipe's bounded buffer for each direction.
func join(ctx context.Context, peer, server *net.TCPConn) string {
	type end struct {
		src side
		err error
	}
	ends := make(chan end, 2)
	carry := func(dst, src *net.TCPConn, from side) {
		_, err := io.Copy(dst, src)
		ends <- end{from, err}
	}
	go carry(server, peer, thePeer)
	go carry(peer, server, theServer)

	stop := context.AfterFunc(ctx, func() {
		peer.Close()
		server.Close()
	})
	defer stop()
	first := <-ends
	// Not closed outright: unread bytes would make that a reset, which can
	// overtake a NOTIFICATION. The deadline ends what the other side leaves
	// open. Failures here say that a connection is gone already.
	limit := time.Now().Add(farewell)
	_ = peer.SetDeadline(limit)
	_ = server.SetDeadline(limit)
	if first.src == thePeer {
		_ = server.CloseWrite()
	} else {
		_ = peer.CloseWrite()
	}
	<-ends
	peer.Close()
	server.Close()
	if ctx.Err() != nil {
		return "the relay was stopped"
	}
	return endWords(first.src, first.err)
}
