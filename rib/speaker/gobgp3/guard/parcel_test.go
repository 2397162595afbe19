package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// routeOf is a VPN route of IPv4: label, RD 65000:n, and prefix.
func routeOf(label uint32, n byte, third byte) []byte {
	return []byte{88 + 24, byte(label >> 12), byte(label >> 4), byte(label<<4) | 1, 0, 0, 0xfd, 0xe8, 0, 0, 0, n, 10, 0, third}
}

var toVPN = []byte{0, 1, bgp.SAFI_MPLS_VPN, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, 0}

func announceVPN(med byte, routes ...[]byte) []byte {
	reach := attr(0x80, 14, slices.Concat(toVPN, slices.Concat(routes...))...)
	return announcement(nil, slices.Concat(origin, sequence(65000), attr(0x80, 4, 0, 0, 0, med), reach, attr(0xc0, 16, 0, 2, 0xfd, 0xe8, 0, 0, 0, 1)), nil)
}

func withdrawVPN(routes ...[]byte) []byte {
	return announcement(nil, attr(0x80, 15, slices.Concat([]byte{0, 1, bgp.SAFI_MPLS_VPN}, slices.Concat(routes...))...), nil)
}

// agreedOn is a session with families, of which those of addPath are sent with path identifiers.
func agreedOn(t testing.TB, addPath ...bgp.RouteFamily) *agreement {
	t.Helper()
	caps := fourByte(65000, append(slices.Clone(all), bgp.RF_EVPN, bgp.RF_FS_IPv4_UC)...)
	ours, theirs := caps, caps
	if len(addPath) > 0 {
		var send, receive []*bgp.CapAddPathTuple
		for _, f := range addPath {
			send, receive = append(send, bgp.NewCapAddPathTuple(f, bgp.BGP_ADD_PATH_SEND)), append(receive, bgp.NewCapAddPathTuple(f, bgp.BGP_ADD_PATH_RECEIVE))
		}
		ours, theirs = append(slices.Clone(caps), bgp.NewCapAddPath(send)), append(slices.Clone(caps), bgp.NewCapAddPath(receive))
	}
	a, err := agree(openOf(65000, ours...), openOf(65002, theirs...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// written has what a parcel wrote.
type written struct {
	list     [][]byte
	messages int
	err      error
}

func (w *written) send(m []byte, messages int) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.list, w.messages = append(w.list, slices.Clone(m)), w.messages+messages
	return len(m), nil
}

// parcelTo is one whose messages come one right after the other, and wait until it is flushed.
func parcelTo(w *written) *parcel {
	p := newParcel(w.send)
	p.timer.Stop()
	p.timer = time.AfterFunc(time.Hour, func() {})
	p.timer.Stop()
	return p
}

// now has the next message come right after the last one, however busy the machine is.
func (p *parcel) now() { p.wrote = time.Now().Add(time.Hour) }

// TestTogether: messages that differ in nothing but their routes go out as one.
func TestTogether(t *testing.T) {
	t.Parallel()
	a, keep := agreedOn(t), message(bgp.BGP_MSG_KEEPALIVE)
	endOfRIB := announcement(nil, attr(0x80, 15, 0, 1, bgp.SAFI_MPLS_VPN), nil)
	x, y, z := routeOf(16, 1, 1), routeOf(16, 1, 2), routeOf(17, 2, 3)
	four := func(list ...string) []byte { return announcement(nil, plainAttrs(), nlri(list...)) }
	six := func(n byte) []byte {
		return announcement(nil, slices.Concat(origin, sequence(65000), attr(0x80, 14, slices.Concat([]byte{0, 2, 1, 16}, make([]byte, 16), []byte{0, 16, 0x20, n})...)), nil)
	}
	evpn := func(n byte) []byte {
		r := slices.Concat([]byte{5, 34}, []byte{0, 0, 0xfd, 0xe8, 0, 0, 0, 1}, make([]byte, 14), []byte{24, 10, 0, n, 0}, make([]byte, 4), []byte{0, 1, 1})
		return announcement(nil, slices.Concat(origin, attr(0x80, 14, slices.Concat([]byte{0, 25, 70, 4, 192, 0, 2, 1, 0}, r)...)), nil)
	}
	rule := announcement(nil, plainAttrs(attr(0x80, 14, 0, 1, bgp.SAFI_FLOW_SPEC_UNICAST, 0, 0, 3, 1, 8, 10)), nil)
	both := func(a, b []byte) []byte { // of EVPN or IPv6: the second one's routes behind the first one's
		as, routes, _ := divide(a, agreedOn(t))
		_, more, _ := divide(b, agreedOn(t))
		return as.with(nil, slices.Concat(routes, more))
	}
	for name, tc := range map[string]struct{ in, want [][]byte }{
		"VPN routes":                     {[][]byte{announceVPN(1, x), announceVPN(1, y), announceVPN(1, z)}, [][]byte{announceVPN(1, x, y, z)}},
		"other attributes":               {[][]byte{announceVPN(1, x), announceVPN(2, y), announceVPN(2, z)}, [][]byte{announceVPN(1, x), announceVPN(2, y, z)}},
		"withdrawals":                    {[][]byte{withdrawVPN(x), withdrawVPN(y)}, [][]byte{withdrawVPN(x, y)}},
		"withdrawn and announced":        {[][]byte{withdrawVPN(x), announceVPN(1, x)}, [][]byte{withdrawVPN(x), announceVPN(1, x)}},
		"a route again":                  {[][]byte{announceVPN(1, x), announceVPN(1, y), announceVPN(1, x)}, [][]byte{announceVPN(1, x, y), announceVPN(1, x)}},
		"a route again, another label":   {[][]byte{announceVPN(1, x), announceVPN(1, routeOf(99, 1, 1))}, [][]byte{announceVPN(1, x), announceVPN(1, routeOf(99, 1, 1))}},
		"an End-of-RIB":                  {[][]byte{announceVPN(1, x), endOfRIB, announceVPN(1, y)}, [][]byte{announceVPN(1, x), endOfRIB, announceVPN(1, y)}},
		"a KEEPALIVE":                    {[][]byte{announceVPN(1, x), keep, announceVPN(1, y)}, [][]byte{announceVPN(1, x), keep, announceVPN(1, y)}},
		"IPv4":                           {[][]byte{four("10.0.0.0/24"), four("10.0.1.0/24", "10.0.2.0/24")}, [][]byte{four("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24")}},
		"IPv4 withdrawn":                 {[][]byte{announcement(nlri("10.0.0.0/24"), nil, nil), announcement(nlri("10.0.1.0/25"), nil, nil)}, [][]byte{announcement(nlri("10.0.0.0/24", "10.0.1.0/25"), nil, nil)}},
		"IPv6":                           {[][]byte{six(1), six(2)}, [][]byte{both(six(1), six(2))}},
		"EVPN":                           {[][]byte{evpn(1), evpn(2)}, [][]byte{both(evpn(1), evpn(2))}},
		"a family that is not read here": {[][]byte{rule, rule}, [][]byte{rule, rule}},
		"End-of-RIB of IPv4":             {[][]byte{announcement(nil, nil, nil), announcement(nil, nil, nil)}, [][]byte{announcement(nil, nil, nil), announcement(nil, nil, nil)}},
	} {
		var w written
		p := parcelTo(&w)
		for _, m := range tc.in {
			p.now()
			agreed := a
			if m[18] != bgp.BGP_MSG_UPDATE {
				agreed = nil
			}
			if n, err := p.put(m, agreed); n != len(m) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := p.flush(); err != nil || w.messages != len(tc.in) {
			t.Errorf("%s: %d of %d messages went out: %v", name, w.messages, len(tc.in), err)
		}
		if !slices.EqualFunc(w.list, tc.want, slices.Equal) {
			t.Errorf("%s:\n%x\nwanted\n%x", name, w.list, tc.want)
		}
	}
}

// TestRoomOfAParcel: no message is longer than one may be, and a full one does not wait.
func TestRoomOfAParcel(t *testing.T) {
	t.Parallel()
	var w written
	p, a := parcelTo(&w), agreedOn(t)
	const routes = 1000
	for i := range routes {
		p.now()
		if _, err := p.put(announceVPN(1, routeOf(16, byte(i>>8), byte(i))), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	each := (mostMessage - 100) / len(routeOf(0, 0, 0))
	if most := routes/each + 1; len(w.list) > most {
		t.Errorf("%d messages for %d routes; at most %d are needed", len(w.list), routes, most)
	}
	for _, m := range w.list {
		if len(m) > mostMessage || int(binary.BigEndian.Uint16(m[16:])) != len(m) {
			t.Errorf("a message of %d bytes that says %d", len(m), binary.BigEndian.Uint16(m[16:]))
		}
	}
}

// TestAlone: a route that comes alone goes out before Write returns, and one of several after a
// moment, though nothing follows.
func TestAlone(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	m, next := announceVPN(1, routeOf(16, 1, 1)), announceVPN(1, routeOf(16, 1, 2))
	has := func(m []byte) bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return slices.Contains(splitMessages(x.sent), string(m))
	}
	x.conn.sending.parcel.wrote = time.Time{}
	x.write(m)
	x.conn.sending.parcel.mu.Lock()
	waits := x.conn.sending.parcel.waiting
	x.conn.sending.parcel.mu.Unlock()
	if waits != 0 {
		t.Error("a single route waits for others")
	}
	eventually(t, "the route", func() bool { return has(m) })
	x.conn.sending.parcel.mu.Lock()
	x.conn.sending.parcel.now()
	x.conn.sending.parcel.mu.Unlock()
	x.write(next)
	eventually(t, "the next route", func() bool { return has(next) })
}

func splitMessages(b []byte) (list []string) {
	for len(b) >= headerSize && len(b) >= int(binary.BigEndian.Uint16(b[16:])) {
		n := int(binary.BigEndian.Uint16(b[16:]))
		list, b = append(list, string(b[:n])), b[n:]
	}
	return list
}

// TestErrorAfterwards: GoBGP learns with its next message of one that could not be written when its
// time came.
func TestErrorAfterwards(t *testing.T) {
	t.Parallel()
	w := written{}
	p, a := parcelTo(&w), agreedOn(t)
	p.now()
	if _, err := p.put(announceVPN(1, routeOf(16, 1, 1)), a); err != nil {
		t.Fatal(err)
	}
	w.err = errors.New("gone")
	p.late()
	for range 2 {
		if n, err := p.put(message(bgp.BGP_MSG_KEEPALIVE), nil); n != 0 || !errors.Is(err, w.err) {
			t.Errorf("%d bytes of a KEEPALIVE were written behind a message that was lost: %v", n, err)
		}
	}
}

// told are what an UPDATE says of single routes, by what names each, in its order.
func told(t testing.TB, m []byte, options *bgp.MarshallingOption, to map[string][]string) {
	t.Helper()
	parsed, err := bgp.ParseBGPMessage(m, options)
	if err != nil {
		t.Fatalf("%v: %x", err, m)
	}
	mark := func(what string) { // what was said of each route before it is still before it
		to[""] = append(to[""], what)
		for key := range to {
			to[key] = append(to[key], what)
		}
	}
	u, is := parsed.Body.(*bgp.BGPUpdate)
	if !is {
		mark(fmt.Sprint(parsed.Header.Type))
		return
	}
	if end, f := u.IsEndOfRib(); end {
		mark("End-of-RIB of " + f.String())
		return
	}
	say := func(n bgp.AddrPrefixInterface, what string) {
		label := ""
		if v, is := n.(*bgp.LabeledVPNIPAddrPrefix); is {
			label = v.Labels.String()
		}
		key := fmt.Sprint(bgp.AfiSafiToRouteFamily(n.AFI(), n.SAFI()), n, n.PathIdentifier())
		to[key] = append(to[key], what+label)
	}
	for _, n := range u.WithdrawnRoutes {
		say(n, "withdrawn")
	}
	attrs := ""
	for _, a := range u.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpUnreachNLRI:
			for _, n := range a.Value {
				say(n, "withdrawn")
			}
		case *bgp.PathAttributeMpReachNLRI:
			attrs += a.Nexthop.String()
		default:
			attrs += a.String()
		}
	}
	for _, a := range u.PathAttributes {
		if a, is := a.(*bgp.PathAttributeMpReachNLRI); is {
			for _, n := range a.Value {
				say(n, attrs)
			}
		}
	}
	for _, n := range u.NLRI {
		say(n, attrs)
	}
}

// FuzzTogether: of each route the neighbour is told the same in the same order, and where an
// End-of-RIB or another message is among them, what was before it is still before it.
func FuzzTogether(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, false)
	f.Add(uint64(2), []byte{0, 16, 32, 48, 0, 1, 17, 33, 1, 0, 6, 22, 38, 6, 3, 19}, true)
	f.Add(uint64(3), []byte{8, 24, 9, 25, 8, 24, 4, 8}, false)
	f.Fuzz(func(t *testing.T, seed uint64, script []byte, addPath bool) {
		a, options := agreedOn(t), &bgp.MarshallingOption{AddPath: map[bgp.RouteFamily]bgp.BGPAddPathMode{}}
		if addPath {
			a = agreedOn(t, all...)
			for _, f := range all {
				options.AddPath[f] = bgp.BGP_ADD_PATH_BOTH
			}
		}
		random := rand.New(rand.NewPCG(seed, 1))
		var w written
		p := parcelTo(&w)
		want, have := make(map[string][]string), make(map[string][]string)
		for _, op := range script {
			m := fuzzed(t, op, random, options)
			told(t, m, options, want)
			agreed := a
			if m[18] != bgp.BGP_MSG_UPDATE {
				agreed = nil
			}
			if random.IntN(8) > 0 {
				p.now()
			} else {
				p.wrote = time.Time{}
			}
			if n, err := p.put(m, agreed); n != len(m) || err != nil {
				t.Fatal(n, err)
			}
			if random.IntN(16) == 0 {
				p.late()
			}
			if agreed == nil && p.waiting > 0 {
				t.Fatal("a route waits while another message went out")
			}
		}
		p.late()
		for _, m := range w.list {
			if len(m) > mostMessage {
				t.Fatalf("a message of %d bytes", len(m))
			}
			told(t, m, options, have)
		}
		if len(have) != len(want) || w.messages != len(script) {
			t.Fatalf("of %d routes and %d messages %d and %d went out", len(want), len(script), len(have), w.messages)
		}
		for key, list := range want {
			if !slices.Equal(have[key], list) {
				t.Errorf("%s: %q, wanted %q", key, have[key], list)
			}
		}
	})
}

// fuzzed is a message of GoBGP's.
func fuzzed(t testing.TB, op byte, random *rand.Rand, options *bgp.MarshallingOption) []byte {
	t.Helper()
	n, id := op>>4, uint32(random.IntN(3))
	six := op&1 > 0
	prefix4, prefix6 := bgp.NewIPAddrPrefix(24, fmt.Sprintf("10.0.%d.0", n)), bgp.NewIPv6AddrPrefix(48, fmt.Sprintf("2001:db8:%x::", n))
	rd := bgp.NewRouteDistinguisherTwoOctetAS(65000, uint32(random.IntN(2)))
	label := *bgp.NewMPLSLabelStack(uint32(16 + random.IntN(2)))
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeMultiExitDisc(uint32(random.IntN(2)))}
	reach := func(hop string, nlri bgp.AddrPrefixInterface) []bgp.PathAttributeInterface {
		nlri.SetPathLocalIdentifier(id)
		return append(attrs, bgp.NewPathAttributeMpReachNLRI(hop, []bgp.AddrPrefixInterface{nlri}), bgp.NewPathAttributeCommunities([]uint32{7}))
	}
	unreach := func(nlri bgp.AddrPrefixInterface) []bgp.PathAttributeInterface {
		nlri.SetPathLocalIdentifier(id)
		return []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI([]bgp.AddrPrefixInterface{nlri})}
	}
	var m *bgp.BGPMessage
	switch op & 15 {
	case 0, 1:
		prefix4.SetPathLocalIdentifier(id)
		m = bgp.NewBGPUpdateMessage(nil, append(attrs, bgp.NewPathAttributeNextHop("192.0.2.1")), []*bgp.IPAddrPrefix{prefix4})
	case 2:
		prefix4.SetPathLocalIdentifier(id)
		m = bgp.NewBGPUpdateMessage([]*bgp.IPAddrPrefix{prefix4}, nil, nil)
	case 3:
		m = bgp.NewBGPUpdateMessage(nil, unreach(prefix6), nil)
	case 4:
		m = bgp.NewEndOfRib(bgp.RF_IPv4_VPN)
	case 5:
		m = bgp.NewBGPKeepAliveMessage()
	case 6, 7, 8, 9:
		var nlri bgp.AddrPrefixInterface = bgp.NewLabeledVPNIPAddrPrefix(24, fmt.Sprintf("10.0.%d.0", n), label, rd)
		if six {
			nlri = bgp.NewLabeledVPNIPv6AddrPrefix(48, fmt.Sprintf("2001:db8:%x::", n), label, rd)
		}
		m = bgp.NewBGPUpdateMessage(nil, reach("192.0.2.1", nlri), nil)
	case 10, 11:
		m = bgp.NewBGPUpdateMessage(nil, unreach(bgp.NewLabeledVPNIPAddrPrefix(24, fmt.Sprintf("10.0.%d.0", n), label, rd)), nil)
	case 12, 13:
		esi := bgp.EthernetSegmentIdentifier{Type: bgp.ESI_ARBITRARY, Value: make([]byte, 9)}
		id = 0
		m = bgp.NewBGPUpdateMessage(nil, reach("192.0.2.1", bgp.NewEVPNIPPrefixRoute(rd, esi, 0, 24, fmt.Sprintf("10.0.%d.0", n), "0.0.0.0", uint32(random.IntN(2)))), nil)
	default:
		m = bgp.NewBGPUpdateMessage(nil, reach("2001:db8::1", prefix6), nil)
	}
	b, err := m.Serialize(options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
