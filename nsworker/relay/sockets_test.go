package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// server stands for the BGP server: it sends its greeting with whom it sees,
// then echoes.
type server struct {
	addr   netip.AddrPort
	mu     sync.Mutex
	seen   []string                // the addresses that connected, in order
	open   map[string]*net.TCPConn // the last of each
	refuse map[string]bool         // closed at once, as GoBGP does while idle
}

func startServer(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		addr: netip.MustParseAddrPort(l.Addr().String()),
		open: make(map[string]*net.TCPConn), refuse: make(map[string]bool),
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.open {
			c.Close()
		}
		s.mu.Unlock()
		wg.Wait()
	})
	return s
}

func (s *server) serve(c *net.TCPConn) {
	defer c.Close()
	alias := c.RemoteAddr().(*net.TCPAddr).IP.String()
	s.mu.Lock()
	s.seen = append(s.seen, alias)
	s.open[alias] = c
	refuse := s.refuse[alias]
	s.mu.Unlock()
	if refuse {
		return
	}
	fmt.Fprintf(c, "%s\n", alias)
	io.Copy(c, c)
}

func (s *server) setRefuse(alias string, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[alias] = yes
}

func (s *server) connections(alias string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.seen {
		if a == alias {
			n++
		}
	}
	return n
}

func (s *server) conn(alias string) *net.TCPConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[alias]
}

// listen opens a listening socket in a namespace. One at the same address that was closed just now may
// be open still: a process that another test starts has all descriptors until it is another program.
func listen(t testing.TB, n *lab.Namespace, addr string, control func(fd int) error) *net.TCPListener {
	t.Helper()
	var l net.Listener
	lab.WaitFor(t, "a socket that listens on "+addr+" in "+n.Role, lab.Patience, func() string {
		err := n.Enter(func() (err error) {
			l, err = (&net.ListenConfig{Control: controlled(control)}).Listen(context.Background(), "tcp", zoned(addr))
			return err
		})
		switch {
		case errors.Is(err, unix.EADDRINUSE):
			return err.Error()
		case err != nil:
			t.Fatalf("listen on %s in %s: %v", addr, n.Role, err)
		}
		return ""
	})
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// dial connects from a namespace; it holds a thread while it does.
func dial(n *lab.Namespace, from, to string, control func(fd int) error) (*net.TCPConn, error) {
	var c net.Conn
	err := n.Enter(func() (err error) {
		d := net.Dialer{Timeout: 3 * time.Second, Control: controlled(control)}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		c, err = d.Dial("tcp", zoned(to))
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// zoned puts the index for the zone eth0: the net package has one cache of names
// for all namespaces.
func zoned(addr string) string {
	if !strings.Contains(addr, "%eth0") {
		return addr
	}
	link, err := net.InterfaceByName("eth0")
	if err != nil {
		return addr // its use fails, and says so
	}
	return strings.Replace(addr, "%eth0", fmt.Sprintf("%%%d", link.Index), 1)
}

func controlled(f func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		if f == nil {
			return nil
		}
		var failed error
		return errors.Join(c.Control(func(fd uintptr) { failed = f(int(fd)) }), failed)
	}
}

// accept waits for a connection.
func accept(t testing.TB, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	if err := l.SetDeadline(time.Now().Add(lab.Patience)); err != nil {
		t.Fatal(err)
	}
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatalf("no connection came: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// expect reads exactly want.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(lab.Patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q and %v, want %q", got[:n], err, want)
	}
}

// echoes proves that bytes flow both ways between a peer and the server.
func echoes(t testing.TB, c net.Conn, alias string) {
	t.Helper()
	expect(t, c, alias+"\n")
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	expect(t, c, "hello")
}

// session dials from a namespace until the server's greeting comes, and proves
// that bytes flow. A connection is refused while the neighbour changes or still
// has another, as by any BGP speaker.
func session(t testing.TB, n *lab.Namespace, from, to string, control func(int) error, alias string) *net.TCPConn {
	t.Helper()
	var c *net.TCPConn
	lab.WaitFor(t, "a session with "+to, lab.Patience, func() string {
		var err error
		if c, err = dial(n, from, to, control); err != nil {
			return err.Error()
		}
		if err := greeted(c, alias); err != nil {
			c.Close()
			return err.Error()
		}
		return ""
	})
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	expect(t, c, "hello")
	return c
}

// greeted waits for the server's greeting.
func greeted(c net.Conn, alias string) error {
	if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return err
	}
	got := make([]byte, len(alias)+1)
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != alias+"\n" {
		return fmt.Errorf("the greeting is %q", got)
	}
	return nil
}

// ends waits for the end of a connection and returns how it ended.
func ends(t testing.TB, c *net.TCPConn) error {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(lab.Patience)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the connection stays open")
	}
	return err
}

// md5 returns a control that sets a key for a peer.
func md5(peer netip.Addr, key string) func(int) error {
	return func(fd int) error {
		sig := unix.TCPMD5Sig{Keylen: uint16(len(key))}
		copy(sig.Key[:], key)
		if peer.Is4() {
			sig.Addr.Family = unix.AF_INET
			copy(sig.Addr.Data[2:], peer.AsSlice())
		} else {
			sig.Addr.Family = unix.AF_INET6
			copy(sig.Addr.Data[6:], peer.AsSlice())
		}
		return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig)
	}
}
