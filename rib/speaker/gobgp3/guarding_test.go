package gobgp3

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Path attributes of a neighbour with AS 65002, whose AS numbers have two bytes.
var (
	rawOrigin  = []byte{0x40, 1, 1, 0}
	rawASPath  = []byte{0x40, 2, 4, 2, 1, 0xfd, 0xea}
	rawNexthop = []byte{0x40, 3, 4, 127, 0, 0, 3}
)

// rawMessage is a BGP message (RFC 4271 section 4.1).
func rawMessage(kind byte, body ...byte) []byte {
	m := slices.Concat(slices.Repeat([]byte{0xff}, 16), []byte{0, 0, kind}, body)
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	return m
}

// rawUpdate announces 10.n.0.0/16.
func rawUpdate(n byte, attributes ...[]byte) []byte {
	all := slices.Concat(attributes...)
	return rawMessage(2, slices.Concat([]byte{0, 0, 0, byte(len(all))}, all, []byte{16, 10, n})...)
}

// rawPeer waits for the speaker's session on l, opens it, and sends messages. It
// returns what tells that the other side ended the session since.
func rawPeer(t *testing.T, l net.Listener, messages ...[]byte) *atomic.Bool {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the speaker may have closed it
	open := rawMessage(1, 4, 0xfd, 0xea, 0, 90, 127, 0, 0, 3, 0)
	if _, err := conn.Write(append(open, rawMessage(4)...)); err != nil {
		t.Fatal(err)
	}
	up, ended := make(chan struct{}), new(atomic.Bool)
	go func() { // ends with the connection
		head := make([]byte, 19)
		for first := true; ; {
			if _, err := io.ReadFull(conn, head); err != nil {
				break
			}
			if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(head[16:]))-19); err != nil || head[18] == 3 {
				break
			}
			if head[18] == 4 && first {
				first = false
				close(up)
			}
		}
		ended.Store(true)
	}()
	select {
	case <-up:
	case <-time.After(deadline):
		t.Fatal("the raw session does not come up")
	}
	for _, m := range messages {
		if _, err := conn.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	return ended
}

// TestMalformedUpdates: what RFC 7606 (revised error handling) is about. Whether
// the session survives is GoBGP's; the malformed route is not taken, and the
// process and every other neighbour's routes are as they were.
func TestMalformedUpdates(t *testing.T) {
	for name, tc := range map[string]struct {
		bad   []byte
		taken bool
	}{
		"NEXT_HOP of three bytes":    {rawUpdate(8, rawOrigin, rawASPath, []byte{0x40, 3, 3, 127, 0, 0}), false},
		"NEXT_HOP of no bytes":       {rawUpdate(8, rawOrigin, rawASPath, []byte{0x40, 3, 0}), false},
		"no NEXT_HOP":                {rawUpdate(8, rawOrigin, rawASPath), false},
		"ORIGIN of another world":    {rawUpdate(8, []byte{0x40, 1, 1, 9}, rawASPath, rawNexthop), false},
		"ORIGIN twice":               {rawUpdate(8, rawOrigin, rawOrigin, rawASPath, rawNexthop), true},
		"communities of three bytes": {rawUpdate(8, rawOrigin, rawASPath, rawNexthop, []byte{0xc0, 8, 3, 1, 2, 3}), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
			p.announce(spec{prefix: "10.1.0.0/16"})
			l, err := net.Listen("tcp", "127.0.0.3:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{
				neighborConf(p.addr, 65001, p.port, "ipv4-unicast"),
				neighborConf("127.0.0.3", 65002, l.Addr().(*net.TCPAddr).Port, "ipv4-unicast"),
			}))})
			s.await(t, speaker.Default, "10.1.0.0/16", count(1))
			f := s.feed(t, speaker.Default)
			ended := rawPeer(t, l, tc.bad, rawUpdate(7, rawOrigin, rawASPath, rawNexthop))
			eventually(t, "the malformed update is dealt with", func() bool {
				return ended.Load() || len(f.Lookup(prefix("10.7.0.0/16"))) == 1
			})
			if taken := len(f.Lookup(prefix("10.8.0.0/16"))) != 0; taken && !tc.taken {
				t.Errorf("the malformed route is taken: %+v", f.Lookup(prefix("10.8.0.0/16")))
			}
			if len(f.Lookup(prefix("10.1.0.0/16"))) != 1 {
				t.Error("the other neighbour's route is gone")
			}
		})
	}
}
