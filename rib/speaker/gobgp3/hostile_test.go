package gobgp3

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// hostile is a neighbour that says what a test has it say, byte by byte. It listens,
// takes one session at a time, and keeps it up.
type hostile struct {
	t    testing.TB
	addr string
	as   uint16
	port int
	l    net.Listener
	deaf bool // it does not understand UPDATEs; set before BGP runs

	mu   sync.Mutex
	conn net.Conn          // guarded by mu; of the session that is up
	open []byte            // guarded by mu; the OPEN of the next session
	got  []*bgp.BGPMessage // guarded by mu; NOTIFICATIONs
	news []*bgp.BGPUpdate  // guarded by mu; UPDATEs of this session that were not looked at
	ups  int               // guarded by mu; how many sessions came up
	hers *bgp.BGPOpen      // guarded by mu; the OPEN of the last session's other end
	gone sync.WaitGroup
}

func newHostile(t testing.TB, addr string, as uint16, caps ...bgp.ParameterCapabilityInterface) *hostile {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &hostile{t: t, addr: addr, as: as, port: l.Addr().(*net.TCPAddr).Port, l: l}
	p.offer(caps...)
	p.gone.Add(1)
	go p.serve()
	t.Cleanup(func() { _ = l.Close(); p.cut(); p.gone.Wait() })
	return p
}

func (p *hostile) conf(families ...string) obj {
	return neighborConf(p.addr, int(p.as), p.port, families...)
}

// offer sets the capabilities of the next session's OPEN.
func (p *hostile) offer(caps ...bgp.ParameterCapabilityInterface) {
	open := bgp.NewBGPOpenMessage(p.as, 90, p.addr, []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability(caps)})
	b, err := open.Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = b
}

// cut ends the session as a crash does.
func (p *hostile) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.(*net.TCPConn).SetLinger(0)
		_ = p.conn.Close()
		p.conn = nil
	}
}

// again ends a neighbour's session as a crash does, and waits for the next one.
func (r *running) again(t testing.TB, p *hostile) {
	t.Helper()
	before := p.sessions()
	r.noIdling(t, p.addr)
	p.cut()
	eventually(t, p.addr+" is back", func() bool { return p.sessions() > before && p.isUp() })
}

// noIdling has GoBGP try the next session with a neighbour as soon as the one that is up
// ends: it idles for five seconds before (holdtimeIdle), whatever a configuration says.
func (r *running) noIdling(t testing.TB, addr string) {
	t.Helper()
	var l learner
	var time field[float64]
	learn(&l, follow(reflect.TypeFor[server.BgpServer](), "neighborMap", "fsm"), "idleHoldTime", &time)
	if l.err != nil {
		t.Fatal(l.err)
	}
	if err := r.keeper.inLoop(func() error {
		p, has := r.keeper.peerOf(addr)
		if !has {
			return fmt.Errorf("GoBGP has no neighbour %s", addr)
		}
		p.change(func(*oc.Neighbor) { *time.in(p.fsm) = 0 })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (p *hostile) serve() {
	defer p.gone.Done()
	for {
		conn, err := p.l.Accept()
		if err != nil {
			return
		}
		p.session(conn)
		_ = conn.Close()
	}
}

// session reads until the end of the connection.
func (p *hostile) session(conn net.Conn) {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	if _, err := conn.Write(open); err != nil {
		return
	}
	for up := false; ; {
		m, err := p.read(conn)
		if err != nil {
			p.mu.Lock()
			if p.conn == conn {
				p.conn = nil
			}
			p.mu.Unlock()
			return
		}
		if m.Header.Type == bgp.BGP_MSG_OPEN {
			p.mu.Lock()
			p.hers = m.Body.(*bgp.BGPOpen)
			p.mu.Unlock()
		}
		switch {
		case m.Header.Type == bgp.BGP_MSG_OPEN || m.Header.Type == bgp.BGP_MSG_KEEPALIVE && up:
			keepalive, _ := bgp.NewBGPKeepAliveMessage().Serialize()
			_, _ = conn.Write(keepalive)
		case m.Header.Type == bgp.BGP_MSG_KEEPALIVE:
			up = true
			p.mu.Lock()
			p.conn, p.ups, p.news = conn, p.ups+1, nil
			p.mu.Unlock()
		case m.Header.Type == bgp.BGP_MSG_NOTIFICATION:
			p.mu.Lock()
			p.got = append(p.got, m)
			p.mu.Unlock()
		case m.Header.Type == bgp.BGP_MSG_UPDATE:
			p.mu.Lock()
			p.news = append(p.news, m.Body.(*bgp.BGPUpdate))
			p.mu.Unlock()
		}
	}
}

// read reads a message; of one that is deaf, an UPDATE is an empty one.
func (p *hostile) read(r io.Reader) (*bgp.BGPMessage, error) {
	b, err := readBytes(r)
	if err != nil {
		return nil, err
	}
	if p.deaf && b[bgp.BGP_HEADER_LENGTH-1] == bgp.BGP_MSG_UPDATE {
		return bgp.NewBGPUpdateMessage(nil, nil, nil), nil
	}
	return bgp.ParseBGPMessage(b)
}

func readBytes(r io.Reader) ([]byte, error) {
	head := make([]byte, bgp.BGP_HEADER_LENGTH)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head[16:])-bgp.BGP_HEADER_LENGTH)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{head, body}, nil), nil
}

// sessions is how many sessions came up.
func (p *hostile) sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ups
}

// isUp tells whether one is up.
func (p *hostile) isUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn != nil
}

func (p *hostile) notifications() []*bgp.BGPNotification {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*bgp.BGPNotification
	for _, m := range p.got {
		out = append(out, m.Body.(*bgp.BGPNotification))
	}
	return out
}

// send sends messages in the session that is up, and tells whether they went.
func (p *hostile) send(messages ...*bgp.BGPMessage) bool {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if conn == nil {
		return false
	}
	for _, m := range messages {
		b, err := m.Serialize()
		if err != nil {
			panic(err)
		}
		if conn.SetWriteDeadline(time.Now().Add(deadline)) != nil {
			return false
		}
		if _, err := conn.Write(b); err != nil {
			return false
		}
	}
	return true
}

// nth is the n-th of many prefixes.
func nth(v6 bool, n int) bgp.AddrPrefixInterface {
	if v6 {
		return bgp.NewIPv6AddrPrefix(48, "2001:db8:"+strconv.FormatInt(int64(n), 16)+"::")
	}
	return bgp.NewIPAddrPrefix(24, net.IPv4(10+byte(n>>16), byte(n>>8), byte(n), 0).String())
}

// some are UPDATEs that announce, or withdraw, the prefixes from the from-th on.
func (p *hostile) some(v6, withdraw bool, from, n int) []*bgp.BGPMessage {
	const each = 400
	var out []*bgp.BGPMessage
	attrs := []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0),
		bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{p.as})}),
	}
	for n > 0 {
		m := min(n, each)
		var plain []*bgp.IPAddrPrefix
		var list []bgp.AddrPrefixInterface
		for i := range m {
			list = append(list, nth(v6, from+i))
			if !v6 {
				plain = append(plain, list[i].(*bgp.IPAddrPrefix))
			}
		}
		switch {
		case v6 && withdraw:
			out = append(out, bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI(list)}, nil))
		case v6:
			out = append(out, bgp.NewBGPUpdateMessage(nil, append(attrs, bgp.NewPathAttributeMpReachNLRI("2001:db8::7", list)), nil))
		case withdraw:
			out = append(out, bgp.NewBGPUpdateMessage(plain, nil, nil))
		default:
			out = append(out, bgp.NewBGPUpdateMessage(nil, append(attrs, bgp.NewPathAttributeNextHop(p.addr)), plain))
		}
		from, n = from+m, n-m
	}
	return out
}

// both are the capabilities of a neighbour for unicast of both families, with AS
// numbers of two bytes.
func both(more ...bgp.ParameterCapabilityInterface) []bgp.ParameterCapabilityInterface {
	return append([]bgp.ParameterCapabilityInterface{
		bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC), bgp.NewCapMultiProtocol(bgp.RF_IPv6_UC), bgp.NewCapRouteRefresh(),
	}, more...)
}
