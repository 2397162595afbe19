// Package peer is a small BGP speaker whose clock is exact: it knows when it
// wrote a route to its session, and when one arrived. It speaks iBGP, and
// listens to nothing but routes.
package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Types of messages, attributes and capabilities (RFC 4271, RFC 4760, RFC 4360).
const (
	msgOpen, msgUpdate, msgNotification, msgKeepalive = 1, 2, 3, 4

	attrOrigin, attrASPath, attrNexthop, attrMED, attrLocalPref                    = 1, 2, 3, 4, 5
	attrCommunities, attrMPReach, attrMPUnreach, attrExtCommunities, attrPrefixSID = 8, 14, 15, 16, 40

	headerSize = 19

	holdTime = 180 * time.Second
)

// Peer is one established session.
type Peer struct {
	conn  net.Conn
	as    uint16
	parts sync.WaitGroup
	done  chan struct{} // closed when the session has ended

	mu    sync.Mutex
	heard map[netip.Prefix]time.Time // guarded by mu; what was announced to us, and when first
	vpn   map[string]uint32          // guarded by mu; MED by route; nil: none
	ended error                      // guarded by mu
}

// Config is a session to be.
type Config struct {
	Local, Remote netip.Addr
	AS            uint16
	VPN           bool // VPN-IPv4 instead of IPv4
	EVPN          bool // EVPN, whatever VPN says
	Targets       bool // and route target membership (RFC 4684)
	All           bool // IPv4, IPv6, VPN-IPv4 and VPN-IPv6, whatever VPN says
	Graceful      bool // graceful restart (RFC 4724)
}

// Dial opens a session in the namespace that enter enters, and returns when it
// is established.
func Dial(enter func(func() error) error, c Config) (*Peer, error) {
	p := &Peer{as: c.AS, done: make(chan struct{}), heard: make(map[netip.Prefix]time.Time)}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.Local, 0)), Timeout: 5 * time.Second}
	err := enter(func() (err error) {
		p.conn, err = d.Dial("tcp", netip.AddrPortFrom(c.Remote, 179).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the BGP speaker: %w", err)
	}
	if err := p.open(c); err != nil {
		return nil, errors.Join(fmt.Errorf("open the BGP session: %w", err), p.conn.Close())
	}
	p.parts.Add(2)
	go p.read()
	go p.keepAlive()
	return p, nil
}

// Close ends the session.
func (p *Peer) Close() error {
	err := p.conn.Close()
	p.parts.Wait()
	return err
}

func (p *Peer) keepAlive() {
	defer p.parts.Done()
	tick := time.NewTicker(holdTime / 3)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			// Where it fails, so does reading, which says why.
			_ = p.send(msgKeepalive, nil)
		}
	}
}

func (p *Peer) open(c Config) error {
	body := []byte{4}
	body = binary.BigEndian.AppendUint16(body, c.AS)
	// Not 0, which would spare us the keepalives: GoBGP takes it for the time
	// that a write may last, and ends the session at its first one.
	body = binary.BigEndian.AppendUint16(body, uint16(holdTime/time.Second))
	body = append(body, c.Local.AsSlice()...)
	capabilities := []byte{65, 4, 0, 0, byte(c.AS >> 8), byte(c.AS)}
	for _, f := range c.families() {
		capabilities = append(capabilities, 1, 4, 0, f.afi, 0, f.safi)
	}
	capabilities = append(capabilities, c.graceful()...)
	body = append(body, byte(len(capabilities)+2), 2, byte(len(capabilities)))
	body = append(body, capabilities...)
	if err := p.send(msgOpen, body); err != nil {
		return err
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	for _, want := range []byte{msgOpen, msgKeepalive} {
		kind, body, err := p.receive(nil)
		if err != nil {
			return err
		}
		if kind != want {
			return fmt.Errorf("message %d came instead of %d: %x", kind, want, body)
		}
		if kind == msgOpen {
			if err := p.send(msgKeepalive, nil); err != nil {
				return err
			}
		}
	}
	return p.conn.SetReadDeadline(time.Time{})
}

func (p *Peer) send(kind byte, body []byte) error {
	_, err := p.conn.Write(message(kind, body))
	return err
}

// message is a whole one.
func message(kind byte, body []byte) []byte {
	m := make([]byte, 16, headerSize+len(body))
	for i := range m {
		m[i] = 0xff
	}
	m = binary.BigEndian.AppendUint16(m, uint16(headerSize+len(body)))
	return append(append(m, kind), body...)
}

func (p *Peer) receive(buf []byte) (kind byte, body []byte, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(p.conn, header[:]); err != nil {
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint16(header[16:])) - headerSize
	if size < 0 {
		return 0, nil, errors.New("a message is shorter than its header")
	}
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	_, err = io.ReadFull(p.conn, buf[:size])
	return header[18], buf[:size], err
}

func (p *Peer) read() {
	defer p.parts.Done()
	defer close(p.done)
	buf := make([]byte, 1<<16)
	for {
		kind, body, err := p.receive(buf)
		if err == nil && kind == msgNotification {
			err = fmt.Errorf("the other side ended the session: notification %x", body)
		}
		if err == nil && kind == msgUpdate {
			err = p.update(body, time.Now())
		}
		if err != nil {
			p.mu.Lock()
			p.ended = err
			p.mu.Unlock()
			return
		}
	}
}

var errShort = errors.New("an UPDATE is cut off")

// update notes the IPv4 prefixes of an UPDATE; IPv4 in MP_REACH_NLRI too.
func (p *Peer) update(b []byte, now time.Time) error {
	if len(b) < 2 {
		return errShort
	}
	withdrawn := int(binary.BigEndian.Uint16(b))
	if len(b) < 4+withdrawn {
		return errShort
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, prefix := range parse(b[2 : 2+withdrawn]) {
		delete(p.heard, prefix)
	}
	b = b[2+withdrawn:]
	size := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+size {
		return errShort
	}
	attrs, announced := b[2:2+size], parse(b[2+size:])
	var vpn vpnUpdate
	for len(attrs) >= 3 {
		head, length := 3, int(attrs[2])
		if attrs[0]&0x10 != 0 { // extended length
			if len(attrs) < 4 {
				return errShort
			}
			head, length = 4, int(binary.BigEndian.Uint16(attrs[2:]))
		}
		if len(attrs) < head+length {
			return errShort
		}
		value := attrs[head : head+length]
		if attrs[1] == attrMPReach && len(value) > 5 && value[1] == 1 && value[2] == 1 && len(value) >= 5+int(value[3]) {
			announced = append(announced, parse(value[5+int(value[3]):])...)
		}
		vpn.attribute(attrs[1], value)
		attrs = attrs[head+length:]
	}
	p.heed(vpn)
	for _, prefix := range announced {
		if _, known := p.heard[prefix]; !known {
			p.heard[prefix] = now
		}
	}
	return nil
}

func parse(b []byte) (out []netip.Prefix) {
	for len(b) > 0 {
		bits := int(b[0])
		size := (bits + 7) / 8
		if bits > 32 || len(b) < 1+size {
			return out
		}
		var a [4]byte
		copy(a[:], b[1:1+size])
		out = append(out, netip.PrefixFrom(netip.AddrFrom4(a), bits))
		b = b[1+size:]
	}
	return out
}

// Heard returns how many prefixes are announced to us now, and why the session
// ended, where it did.
func (p *Peer) Heard() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.heard), p.ended
}

// Ended is closed when the session has ended; Heard says why.
func (p *Peer) Ended() <-chan struct{} { return p.done }

// When returns when a prefix was announced to us; zero: it is not.
func (p *Peer) When(prefix netip.Prefix) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[prefix]
}

// Announce sends one IPv4 route.
func (p *Peer) Announce(prefix netip.Prefix, nexthop netip.Addr) error {
	attrs := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, 0, 0x40, attrNexthop, 4}
	attrs = append(attrs, nexthop.AsSlice()...)
	attrs = append(attrs, 0x40, attrLocalPref, 4, 0, 0, 0, 100)
	body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs)))
	return p.send(msgUpdate, appendPrefix(append(body, attrs...), prefix))
}

// Withdraw takes one IPv4 route back.
func (p *Peer) Withdraw(prefix netip.Prefix) error {
	nlri := appendPrefix(nil, prefix)
	body := binary.BigEndian.AppendUint16(nil, uint16(len(nlri)))
	return p.send(msgUpdate, append(append(body, nlri...), 0, 0))
}

func appendPrefix(b []byte, p netip.Prefix) []byte {
	return append(append(b, byte(p.Bits())), p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
}

// AnnounceVPN sends VPN-IPv4 routes of one VRF: its RD and its one route target
// are both as:number.
func (p *Peer) AnnounceVPN(as, number uint16, prefixes []netip.Prefix, nexthop netip.Addr) error {
	rd := []byte{0, 0, byte(as >> 8), byte(as), 0, 0, byte(number >> 8), byte(number)}
	reach := []byte{0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0}
	reach = append(append(reach, nexthop.AsSlice()...), 0)
	for _, prefix := range prefixes {
		reach = append(reach, byte(24+64+prefix.Bits()), 0, 1, 1) // label 16, bottom of the stack
		reach = append(append(reach, rd...), prefix.Addr().AsSlice()[:(prefix.Bits()+7)/8]...)
	}
	attrs := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, 0, 0x40, attrLocalPref, 4, 0, 0, 0, 100}
	attrs = append(attrs, 0xc0, attrExtCommunities, 8, 0, 2, byte(as>>8), byte(as), 0, 0, byte(number>>8), byte(number))
	attrs = binary.BigEndian.AppendUint16(append(attrs, 0x90, attrMPReach), uint16(len(reach)))
	attrs = append(attrs, reach...)
	body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs)))
	return p.send(msgUpdate, append(body, attrs...))
}

// EndOfRIB says that all IPv4, or VPN-IPv4, routes are sent (RFC 4724).
func (p *Peer) EndOfRIB(vpn bool) error {
	if vpn {
		return p.send(msgUpdate, []byte{0, 0, 0, 6, 0x80, 15, 3, 0, 1, 128})
	}
	return p.send(msgUpdate, []byte{0, 0, 0, 0})
}
