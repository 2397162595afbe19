package faults_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// rawPeer is the neighbour 10.0.0.3, AS 65300, of a network, which says what a test has
// it say, byte by byte.
const rawPeer = `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-as = 65300
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`

// rawSession is a session of the raw peer that is up.
type rawSession struct {
	conn     *net.TCPConn
	done     chan struct{} // closed when nothing is read any more
	notified atomic.Uint32 // code and subcode of a NOTIFICATION that came
}

// gracefulCapability is that of RFC 4724 for IPv4 unicast.
func gracefulCapability(seconds uint16, preserved bool) []byte {
	c := binary.BigEndian.AppendUint16([]byte{64, 6}, 0x8000|seconds)
	if preserved {
		return append(c, 0, 1, 1, 0x80)
	}
	return append(c, 0, 1, 1, 0)
}

// speak brings a session of the raw peer up, with these capabilities.
func (w *network) speak(capabilities ...byte) *rawSession {
	w.T.Helper()
	s := &rawSession{done: make(chan struct{})}
	open := []byte{4, 0xff, 0x14, 0, 90, 10, 0, 0, 3, 0}
	if n := len(capabilities); n > 0 {
		open[9] = byte(n + 2)
		open = append(append(open, 2, byte(n)), capabilities...)
	}
	lab.WaitFor(w.T, "a session of the raw peer", limit(), func() string {
		conn, err := w.dialRaw()
		if err != nil {
			return err.Error()
		}
		if err := s.open(conn, open); err != nil {
			return errors.Join(err, conn.Close()).Error()
		}
		s.conn = conn
		return ""
	})
	go s.read()
	w.T.Cleanup(func() { _ = s.conn.Close(); <-s.done })
	return s
}

func (w *network) dialRaw() (conn *net.TCPConn, err error) {
	err = w.up.Enter(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 3)}, Timeout: time.Second}
		c, err := d.Dial("tcp", "10.0.0.1:179")
		if err == nil {
			conn = c.(*net.TCPConn)
		}
		return err
	})
	return conn, err
}

// open exchanges OPENs and KEEPALIVEs.
func (s *rawSession) open(conn *net.TCPConn, body []byte) error {
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(append(raw.Message(1, body...), raw.Message(4)...)); err != nil {
		return err
	}
	for {
		kind, _, err := readMessage(conn)
		switch {
		case err != nil:
			return err
		case kind == 3:
			return errors.New("the daemon refused the session")
		case kind == 4:
			return conn.SetDeadline(time.Time{})
		}
	}
}

// read reads until the end, and keeps the session up.
func (s *rawSession) read() {
	defer close(s.done)
	for {
		kind, body, err := readMessage(s.conn)
		if err != nil {
			return
		}
		switch kind {
		case 3:
			s.notified.Store(uint32(body[0])<<8 | uint32(body[1]))
		case 4:
			if _, err := s.conn.Write(raw.Message(4)); err != nil {
				return
			}
		}
	}
}

func readMessage(r io.Reader) (kind byte, body []byte, err error) {
	head := make([]byte, 19)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint16(head[16:])-19)
	_, err = io.ReadFull(r, body)
	return head[18], body, err
}

// crash ends the session as a peer that dies does.
func (s *rawSession) crash(t testing.TB) {
	t.Helper()
	if err := errors.Join(s.conn.SetLinger(0), s.conn.Close()); err != nil {
		t.Fatal(err)
	}
	<-s.done
}

// rawUpdates announce, or withdraw, the /24 prefixes from number from on.
func rawUpdates(withdraw bool, from, n int) (out []byte) {
	attributes := []byte{
		0x40, 1, 1, 0, // ORIGIN
		0x40, 2, 4, 2, 1, 0xff, 0x14, // AS_PATH
		0x40, 3, 4, 10, 0, 1, 2, // NEXT_HOP
	}
	for end := from + n; from < end; {
		var prefixes []byte
		for ; from < end && len(prefixes) < 4000; from++ {
			prefixes = append(prefixes, 24, byte(20+from>>16), byte(from>>8), byte(from))
		}
		if withdraw {
			body := binary.BigEndian.AppendUint16(nil, uint16(len(prefixes)))
			out = append(out, raw.Message(2, append(append(body, prefixes...), 0, 0)...)...)
			continue
		}
		body := append([]byte{0, 0, 0, byte(len(attributes))}, attributes...)
		out = append(out, raw.Message(2, append(body, prefixes...)...)...)
	}
	return out
}

// say sends to a daemon that may end the session meanwhile.
func (s *rawSession) say(b []byte) error {
	_, err := s.conn.Write(b)
	return err
}
