package guard

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

func prefixOf(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// serviceMark is the mark of a service as it is on the wire.
func serviceMark(n uint32) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(rib.ServiceMark(n)))
}

func markOf(n uint32) uint32 { return uint32(rib.ServiceMark(n)) }

// reach4 announces VPN prefixes of IPv4 with label 3 and a nexthop of IPv6, as GoBGP writes it.
func reach4(list ...string) []byte {
	v := append([]byte{0, 1, 128, 24}, make([]byte, 8)...)
	v = append(v, 0xfd, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0)
	return attr(0x80, 14, append(v, labelled([3]byte{0, 0, 0x31}, list...)...)...)
}

// TestServices: routes with the mark of a service go out with its Prefix-SID, of their family, in
// place of the mark, and all else as it was; whatever has none goes out as it is. A route whose
// service is not known any more, or has no room, is withdrawn: without it others would take it for
// one by MPLS.
func TestServices(t *testing.T) {
	t.Parallel()
	sid6 := slices.Clone(prefixSID)
	sid6[len(sid6)-1] = 0
	var o offered
	g := &Guard{}
	g.Serve(Services{markOf(1): {prefixSID, sid6}, markOf(2): {sid6, prefixSID}})
	g.Serve(Services{markOf(3): {prefixSID, sid6}, markOf(1): {prefixSID, sid6}})
	g.Serve(Services{markOf(1): {prefixSID, sid6}, markOf(3): {prefixSID, sid6}}) // the same
	large := attr(0xc0, 32, make([]byte, 12)...)
	unknown := attr(0xc0, 41, 1)
	communities := func(list ...[]byte) []byte { return attr(0xc0, 16, slices.Concat(list...)...) }
	route := reach4("10.8.0.0/16")
	gone := attr(0x80, 15, append([]byte{0, 1, 128}, labelled([3]byte{0, 0, 0x31}, "10.8.0.0/16")...)...)
	many := communities(slices.Concat(slices.Repeat([][]byte{rtB}, 499), [][]byte{serviceMark(1)})...)
	for name, tc := range map[string]struct{ attrs, want []byte }{
		"its service":         {plainAttrs(communities(rtB, serviceMark(1), rtFour), route), plainAttrs(communities(rtB, rtFour), route, prefixSID)},
		"of IPv6":             {plainAttrs(communities(rtB, serviceMark(1)), reachVPN(six...)), plainAttrs(communities(rtB), reachVPN(six...), sid6)},
		"the mark alone":      {plainAttrs(communities(serviceMark(1)), route), plainAttrs(route, prefixSID)},
		"routes first":        {slices.Concat(route, plainAttrs(communities(serviceMark(3), rtB))), slices.Concat(route, plainAttrs(communities(rtB), prefixSID))},
		"between others":      {plainAttrs(route, communities(serviceMark(1), rtB), large, unknown), plainAttrs(route, communities(rtB), large, prefixSID, unknown)},
		"in place of another": {plainAttrs(route, communities(serviceMark(1), rtB), sid6), plainAttrs(route, communities(rtB), prefixSID)},
		"of before":           {plainAttrs(communities(rtB, serviceMark(2)), route), plainAttrs(communities(rtB), route, sid6)},
		"of none":             {plainAttrs(communities(rtB, serviceMark(9)), route), gone},
		"without room":        {plainAttrs(many, route), gone},
		"no mark":             {plainAttrs(communities(rtB), route), nil},
		"another mark":        {plainAttrs(communities(rtB, ourMark), route), nil},
		"no VPN":              {plainAttrs(communities(rtB, serviceMark(1)), reach6(six...)), nil},
		"a withdrawal":        {gone, nil},
		"nothing":             {nil, nil},
	} {
		from := announcement(nil, tc.attrs, nil)
		want := from
		if tc.want != nil {
			want = announcement(nil, tc.want, nil)
		}
		if got := g.offered.withServices(from); !bytes.Equal(got, want) {
			t.Errorf("%s: %x\nwant %x", name, got, want)
		}
		if got := o.withServices(from); !bytes.Equal(got, from) {
			t.Errorf("%s, where there are no services: %x", name, got)
		}
		for n := range from { // what is cut short is left alone
			if got := g.offered.withServices(from[:n]); !bytes.Equal(got, from[:n]) && n < headerSize {
				t.Errorf("%s: of %d bytes it makes %x", name, n, got)
			}
		}
	}
}

// TestServicesOnSession: the service goes out on a session of no VRF.
func TestServicesOnSession(t *testing.T) {
	t.Parallel()
	x := established(t, setup{rules: inside, as: 65000})
	x.guard.Serve(Services{markOf(1): {prefixSID, prefixSID}})
	m := announcement(nil, plainAttrs(attr(0xc0, 16, slices.Concat(rtB, serviceMark(1))...), reach4("10.8.0.0/16")), nil)
	x.write(m)
	want := announcement(nil, plainAttrs(attr(0xc0, 16, rtB...), reach4("10.8.0.0/16"), prefixSID), nil)
	eventually(t, "the neighbour has the route with its Prefix-SID", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return bytes.HasSuffix(x.sent, want)
	})
}

// FuzzServices: whatever GoBGP may write, a message stays one: its lengths hold, no mark is left, and
// what it announced is announced or withdrawn.
func FuzzServices(f *testing.F) {
	f.Add(announcement(nil, plainAttrs(attr(0xc0, 16, slices.Concat(rtB, serviceMark(1))...), reach4("10.8.0.0/16")), nil))
	f.Add(announcement(nil, plainAttrs(reachVPN(six...), attr(0xc0, 16, serviceMark(7)...)), nil))
	f.Add(announcement(nil, plainAttrs(attr(0x80, 14, 0, 1, 128, 24), attr(0xc0, 16, serviceMark(7)...)), nil))
	g := &Guard{}
	g.Serve(Services{markOf(1): {prefixSID, prefixSID}})
	f.Fuzz(func(t *testing.T, m []byte) {
		if len(m) > mostMessage {
			return
		}
		out := g.offered.withServices(m)
		if bytes.Equal(out, m) {
			return
		}
		if len(out) > mostMessage || len(out) != int(binary.BigEndian.Uint16(out[16:])) || !bytes.Equal(out[:16], m[:16]) || out[18] != bgp.BGP_MSG_UPDATE {
			t.Fatalf("%x became %x", m, out)
		}
		var u update
		if err := u.parse(out[headerSize:]); err != nil || u.broken {
			t.Fatalf("%x became %x, which is no UPDATE: %v", m, out, err)
		}
		if _, mark, _ := marked(out); mark != 0 {
			t.Fatalf("%x became %x, which has the mark yet", m, out)
		}
	})
}
