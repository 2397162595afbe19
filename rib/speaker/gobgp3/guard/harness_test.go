package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

const deadline = 20 * time.Second

// message is a BGP message (RFC 4271, 4.1).
func message(kind byte, body ...byte) []byte {
	m := slices.Concat(slices.Repeat([]byte{0xff}, 16), []byte{0, 0, kind}, body)
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	return m
}

// announcement is an UPDATE of its parts.
func announcement(withdrawn, attrs, nlri []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	b = append(b, withdrawn...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
	return message(bgp.BGP_MSG_UPDATE, slices.Concat(b, attrs, nlri)...)
}

func attr(flags, kind byte, value ...byte) []byte { return appendAttribute(nil, flags, kind, value) }

func nlri(list ...string) (b []byte) {
	for _, s := range list {
		p := netip.MustParsePrefix(s)
		b = append(b, byte(p.Bits()))
		b = append(b, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
	}
	return b
}

// sequence is an AS_PATH of one sequence.
func sequence(as ...uint32) []byte {
	v := []byte{2, byte(len(as))}
	for _, n := range as {
		v = binary.BigEndian.AppendUint32(v, n)
	}
	return attr(0x40, 2, v...)
}

var (
	origin  = attr(0x40, 1, 0)
	nexthop = attr(0x40, 3, 192, 0, 2, 2)
)

// plainAttrs are those of a path of AS 65002.
func plainAttrs(more ...[]byte) []byte {
	return slices.Concat(slices.Concat(origin, sequence(65002), nexthop), slices.Concat(more...))
}

// openOf is an OPEN with capabilities.
func openOf(as uint32, caps ...bgp.ParameterCapabilityInterface) []byte {
	var params []bgp.OptionParameterInterface
	if len(caps) > 0 {
		params = append(params, bgp.NewOptionParameterCapability(caps))
	}
	two := uint16(min(as, 0xffff))
	if as > 0xffff {
		two = bgp.AS_TRANS
	}
	b, err := bgp.NewBGPOpenMessage(two, 90, "192.0.2.2", params).Serialize()
	if err != nil {
		panic(err)
	}
	return b
}

func families(list ...bgp.RouteFamily) (caps []bgp.ParameterCapabilityInterface) {
	for _, f := range list {
		caps = append(caps, bgp.NewCapMultiProtocol(f))
	}
	return caps
}

func fourByte(as uint32, list ...bgp.RouteFamily) []bgp.ParameterCapabilityInterface {
	return append(families(list...), bgp.NewCapFourOctetASNumber(as))
}

// passes is a rehearsal that everything survives.
func passes([]byte, *Session) error { return nil }

// pair is a guarded connection between a neighbour and what stands for GoBGP.
type pair struct {
	t     testing.TB
	guard *Guard
	conn  *Conn
	peer  *net.TCPConn

	mu   sync.Mutex
	sent []byte // guarded by mu; what the neighbour got
}

// setup is a session before any OPEN.
type setup struct {
	rules     Rules
	rehearsal Rehearsal
	as        uint32                             // the neighbour's
	ours      []bgp.ParameterCapabilityInterface // of our OPEN; nil: IPv4 and IPv6 unicast and VPN
	theirs    []bgp.ParameterCapabilityInterface
}

var all = []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN}

func newSession(t testing.TB, s setup) *pair {
	t.Helper()
	if s.rehearsal == nil {
		s.rehearsal = passes
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	g := New(s.rehearsal, slog.New(slog.DiscardHandler))
	x := &pair{t: t, guard: g, conn: g.Wrap("192.0.2.2", tcp, &s.rules, Queues{}), peer: peer.(*net.TCPConn)}
	t.Cleanup(func() { _, _ = peer.Close(), x.conn.Close() })
	go func() { // ends with the connection
		b := make([]byte, 4096)
		for {
			n, err := peer.Read(b)
			x.mu.Lock()
			x.sent = append(x.sent, b[:n]...)
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// established opens a session of both sides.
func established(t testing.TB, s setup) *pair {
	t.Helper()
	if s.as == 0 {
		s.as = 65002
	}
	if s.ours == nil {
		s.ours = fourByte(65000, all...)
	}
	if s.theirs == nil {
		s.theirs = fourByte(s.as, all...)
	}
	x := newSession(t, s)
	x.write(openOf(65000, s.ours...))
	x.send(openOf(s.as, s.theirs...), message(bgp.BGP_MSG_KEEPALIVE))
	if kind := x.read()[18]; kind != bgp.BGP_MSG_OPEN {
		t.Fatalf("GoBGP gets a message of type %d instead of the OPEN", kind)
	}
	if kind := x.read()[18]; kind != bgp.BGP_MSG_KEEPALIVE {
		t.Fatalf("GoBGP gets a message of type %d instead of the KEEPALIVE", kind)
	}
	return x
}

// send is what the neighbour writes.
func (x *pair) send(messages ...[]byte) {
	x.t.Helper()
	if _, err := x.peer.Write(slices.Concat(messages...)); err != nil {
		x.t.Fatal(err)
	}
}

// write is what GoBGP writes.
func (x *pair) write(m []byte) {
	x.t.Helper()
	if _, err := x.conn.Write(m); err != nil {
		x.t.Fatal(err)
	}
}

// next is the next message that GoBGP reads, as it does: the header, then the rest.
func (x *pair) next() ([]byte, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(x.conn, head); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[16:]))
	if size < headerSize {
		return head, nil
	}
	body := make([]byte, size-headerSize)
	if _, err := io.ReadFull(x.conn, body); err != nil {
		return nil, err
	}
	return append(head, body...), nil
}

func (x *pair) read() []byte {
	x.t.Helper()
	m, err := x.next()
	if err != nil {
		x.t.Fatal(err)
	}
	return m
}

// until reads what comes before the mark, a KEEPALIVE that the neighbour sends last.
func (x *pair) until() (list [][]byte) {
	x.t.Helper()
	x.send(message(bgp.BGP_MSG_KEEPALIVE))
	for {
		m := x.read()
		if m[18] == bgp.BGP_MSG_KEEPALIVE {
			return list
		}
		list = append(list, m)
	}
}

// notified waits for the NOTIFICATION that the neighbour gets.
func (x *pair) notified() (code, sub byte) {
	x.t.Helper()
	eventually(x.t, "a NOTIFICATION", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		for b := x.sent; len(b) >= headerSize; b = b[binary.BigEndian.Uint16(b[16:]):] {
			if b[18] == bgp.BGP_MSG_NOTIFICATION && len(b) >= 21 {
				code, sub = b[19], b[20]
				return true
			}
		}
		return false
	})
	return code, sub
}

// ended reads until GoBGP is told that the session has ended, and says how.
func (x *pair) ended() (poisoned bool) {
	x.t.Helper()
	for {
		m, err := x.next()
		if errors.Is(err, io.EOF) {
			return poisoned
		}
		if err != nil {
			x.t.Fatal(err)
		}
		poisoned = binary.BigEndian.Uint16(m[16:]) < headerSize
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(deadline); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// count is how often the guard had a reason.
func (x *pair) count(r Reason) uint64 { return x.guard.Reports()[0].Counts[r] }
