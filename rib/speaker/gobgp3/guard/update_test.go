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

// heard is what GoBGP gets of some UPDATEs: the prefixes of each family that are
// announced and withdrawn at the end, and the kinds of attributes of the last
// announcement, as GoBGP's own parser reads them.
type heard struct {
	announced, withdrawn []string
	kinds                []int
	path                 string // the AS_PATH
	messages             int
}

func (x *pair) hear() heard {
	x.t.Helper()
	var h heard
	options := &bgp.MarshallingOption{AddPath: x.conn.agreed.Families}
	for _, m := range x.until() {
		h.messages++
		parsed, err := bgp.ParseBGPMessage(m, options)
		if err != nil {
			x.t.Fatalf("GoBGP cannot read %x: %v", m, err)
		}
		u := parsed.Body.(*bgp.BGPUpdate)
		for _, n := range u.WithdrawnRoutes {
			h.withdrawn = append(h.withdrawn, n.String())
		}
		for _, n := range u.NLRI {
			h.announced = append(h.announced, n.String())
		}
		var kinds []int
		for _, a := range u.PathAttributes {
			kinds = append(kinds, int(a.GetType()))
			switch a := a.(type) {
			case *bgp.PathAttributeMpReachNLRI:
				for _, n := range a.Value {
					h.announced = append(h.announced, n.String())
				}
			case *bgp.PathAttributeMpUnreachNLRI:
				for _, n := range a.Value {
					h.withdrawn = append(h.withdrawn, n.String())
				}
			case *bgp.PathAttributeAsPath:
				h.path = bgp.AsPathString(a)
			}
		}
		if len(kinds) > 0 {
			h.kinds = kinds
		}
	}
	return h
}

// reach6 is an MP_REACH_NLRI of IPv6 unicast.
func reach6(list ...string) []byte {
	v := append([]byte{0, 2, 1, 16}, netip.MustParseAddr("2001:db8::2").AsSlice()...)
	return attr(0x80, 14, append(append(v, 0), nlri(list...)...)...)
}

// vpn is a prefix of a VPN with one label and an RD 65000:1.
func vpn(p string) []byte {
	q := netip.MustParsePrefix(p)
	b := []byte{byte(q.Bits() + 88), 0, 0, 0x11, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1}
	return append(b, q.Addr().AsSlice()[:(q.Bits()+7)/8]...)
}

// reachVPN is an MP_REACH_NLRI of VPNv6.
func reachVPN(list ...string) []byte {
	v := append([]byte{0, 2, 128, 24, 0, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr("2001:db8::2").AsSlice()...)
	v = append(v, 0)
	for _, p := range list {
		v = append(v, vpn(p)...)
	}
	return attr(0x80, 14, v...)
}

func community(kind uint16, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), rest...)
}

var (
	rtB     = community(0x0002, 0xfd, 0xe8, 0, 0, 0, 20)
	ourMark = binary.BigEndian.AppendUint64(nil, uint64(rib.SendMark("a", "")))
	rtFour  = community(0x0202, 0, 1, 0, 0, 0, 20)
	rtIP    = community(0x0102, 192, 0, 2, 1, 0, 20)
	rtMute  = community(0x4002, 0xfd, 0xe8, 0, 0, 0, 20)
	site    = community(0x0003, 0xfd, 0xe8, 0, 0, 0, 7)
	colour  = community(0x030b, 0, 0, 0, 0, 0, 9)
	speed   = community(0x4004, 0xfd, 0xe8, 0x47, 0, 0, 0)
	mac     = community(0x0603, 1, 2, 3, 4, 5, 6)
	encap   = community(0x030c, 0, 0, 0, 0, 0, 8)
	rtValue = rib.RT(binary.BigEndian.Uint64(rtB))
)

// row is an UPDATE and what becomes of it.
type row struct {
	rules     Rules
	as        uint32 // the neighbour's; 0: 65002
	attrs     []byte
	nlri      []byte
	announced []string
	withdrawn []string
	kinds     []int // of the attributes of what is announced
	reason    Reason
}

// The rules of the tables: a customer in a VRF, a neighbour of the global table in
// another AS, in our own, and in our confederation.
var (
	customer = Rules{VRF: "a", OwnASes: []uint32{65000}, Terms: rib.DefaultTerms()}
	outside  = Rules{OwnASes: []uint32{65000, 30}, RouterID: netip.MustParseAddr("10.0.0.1"), Terms: rib.DefaultTerms()}
	inside   = with(outside, func(r *Rules) {
		r.ClusterIDs = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.9.9.9")}
	})
	member = with(outside, func(r *Rules) { r.Member = true })

	four, six = []string{"10.8.0.0/16"}, []string{"2001:db8:8::/48"}
	n4        = nlri(four...)
)

func with(r Rules, change func(*Rules)) Rules { change(&r); return r }

func own(p netip.Prefix) bool {
	return p == netip.MustParsePrefix("192.0.2.0/24") || p == netip.MustParsePrefix("2001:db8::1/128")
}

func list(kinds ...int) []int { return kinds }

// TestCustomers: what a neighbour in a VRF may say of its own.
func TestCustomers(t *testing.T) {
	t.Parallel()
	judge(t, map[string]row{
		"a route target":           {customer, 0, plainAttrs(attr(0xc0, 16, rtB...)), n4, four, nil, list(1, 2, 3), RouteTarget},
		"of four bytes":            {customer, 0, plainAttrs(attr(0xc0, 16, rtFour...)), n4, four, nil, list(1, 2, 3), RouteTarget},
		"of an address":            {customer, 0, plainAttrs(attr(0xc0, 16, rtIP...)), n4, four, nil, list(1, 2, 3), RouteTarget},
		"not transitive":           {customer, 0, plainAttrs(attr(0xc0, 16, rtMute...)), n4, four, nil, list(1, 2, 3), RouteTarget},
		"of IPv6":                  {customer, 0, plainAttrs(attr(0xc0, 25, append([]byte{0, 2}, make([]byte, 18)...)...)), n4, four, nil, list(1, 2, 3), RouteTarget},
		"beside what it may say":   {customer, 0, plainAttrs(attr(0xc0, 16, slices.Concat(site, rtB, colour, speed)...)), n4, four, nil, list(1, 2, 3, 16), RouteTarget},
		"a MAC address":            {customer, 0, plainAttrs(attr(0xc0, 16, mac...)), n4, four, nil, list(1, 2, 3), ExtendedCommunity},
		"an encapsulation":         {customer, 0, plainAttrs(attr(0xc0, 16, encap...)), n4, four, nil, list(1, 2, 3), ExtendedCommunity},
		"a route target, accepted": {with(customer, func(r *Rules) { r.Terms.AcceptRTs = []rib.RT{rtValue} }), 0, plainAttrs(attr(0xc0, 16, slices.Concat(rtB, rtFour)...)), n4, four, nil, list(1, 2, 3, 16), RouteTarget},
		"a mark of ours":           {with(customer, func(r *Rules) { r.Terms.AnyRT = true }), 0, plainAttrs(attr(0xc0, 16, slices.Concat(rtB, ourMark)...)), n4, four, nil, list(1, 2, 3, 16), RouteTarget},
		"a PE's mark of ours":      {outside, 0, plainAttrs(attr(0xc0, 16, ourMark...)), n4, four, nil, list(1, 2, 3), RouteTarget},
		"beside a PE's own":        {inside, 0, plainAttrs(attr(0xc0, 16, slices.Concat(ourMark, mac, rtB)...)), n4, four, nil, list(1, 2, 3, 16), RouteTarget},
		"any route target":         {with(customer, func(r *Rules) { r.Terms.AnyRT = true }), 0, plainAttrs(attr(0xc0, 16, slices.Concat(rtB, rtFour)...)), n4, four, nil, list(1, 2, 3, 16), reasons},
		"a customer's VPN route":   {customer, 0, plainAttrs(reachVPN("2001:db8:8::/48")), n4, four, nil, list(1, 2, 3), FamilyNotNegotiated},
		"a customer's ATTR_SET":    {customer, 0, plainAttrs(attr(0xc0, 128, slices.Concat([]byte{0, 0, 0, 1}, attr(0xc0, 16, rtB...))...)), n4, four, nil, list(1, 2, 3), TunnelAttribute},
		"a PE's ATTR_SET":          {outside, 0, plainAttrs(attr(0xc0, 128, 0, 0, 0, 1)), n4, four, nil, list(1, 2, 3, 128), reasons},
		"a customer's Prefix-SID":  {customer, 0, plainAttrs(attr(0xc0, 40, 1)), n4, four, nil, list(1, 2, 3), TunnelAttribute},
		"a customer's tunnel":      {customer, 0, plainAttrs(attr(0xc0, 23, 1)), n4, four, nil, list(1, 2, 3), TunnelAttribute},
	})
}

// TestAttributes: attributes that a neighbour may not send, or not so.
func TestAttributes(t *testing.T) {
	t.Parallel()
	judge(t, map[string]row{
		"plain":                    {outside, 0, plainAttrs(), n4, four, nil, list(1, 2, 3), reasons},
		"a route target of a PE":   {outside, 0, plainAttrs(attr(0xc0, 16, rtB...)), n4, four, nil, list(1, 2, 3, 16), reasons},
		"no nexthop, IPv6":         {outside, 0, plainAttrs(attr(0x80, 14, append([]byte{0, 2, 1, 0, 0}, nlri(six...)...)...)), nil, nil, six, nil, Malformed},
		"long":                     {outside, 0, plainAttrs(attr(0xc0, 99, make([]byte, 2700)...)), n4, four, nil, list(1, 2, 3, 99), reasons},
		"too long with AS4_PATH":   {with(outside, func(r *Rules) { r.Terms.EnforceFirstAS = false }), 0, slices.Concat(origin, attr(0x40, 2, bytes.Repeat(append([]byte{2, 255}, bytes.Repeat([]byte{0, 1, 0, 1}, 255)...), 2)...), nexthop), n4, nil, four, nil, TooLong},
		"too long to be sent on":   {outside, 0, plainAttrs(attr(0xc0, 99, make([]byte, 2800)...)), n4, nil, four, nil, TooLong},
		"too long, IPv6":           {outside, 0, plainAttrs(attr(0xc0, 99, make([]byte, 2800)...), reach6(six...)), nil, nil, six, nil, TooLong},
		"long, and removed":        {outside, 0, plainAttrs(attr(0x80, 10, make([]byte, 2800)...)), n4, four, nil, list(1, 2, 3), Reflection},
		"BGP-LS":                   {outside, 0, plainAttrs(attr(0x80, 29, 1)), n4, four, nil, list(1, 2, 3), TunnelAttribute},
		"LOCAL_PREF":               {outside, 0, plainAttrs(attr(0x40, 5, 0, 0, 3, 0xe8)), n4, four, nil, list(1, 2, 3), LocalPref},
		"LOCAL_PREF, malformed":    {outside, 0, plainAttrs(attr(0x40, 5, 0)), n4, four, nil, list(1, 2, 3), LocalPref},
		"LOCAL_PREF of iBGP":       {inside, 65000, slices.Concat(origin, attr(0x40, 2), nexthop, attr(0x40, 5, 0, 0, 3, 0xe8)), n4, four, nil, list(1, 2, 3, 5), reasons},
		"ORIGINATOR_ID":            {outside, 0, plainAttrs(attr(0x80, 9, 10, 0, 0, 1)), n4, four, nil, list(1, 2, 3), Reflection},
		"CLUSTER_LIST":             {outside, 0, plainAttrs(attr(0x80, 10, 1, 2, 3)), n4, four, nil, list(1, 2, 3), Reflection},
		"AGGREGATOR with AS 0":     {outside, 0, plainAttrs(attr(0xc0, 7, 0, 0, 0, 0, 1, 1, 1, 1)), n4, four, nil, list(1, 2, 3), Discarded},
		"AGGREGATOR of six bytes":  {outside, 0, plainAttrs(attr(0xc0, 7, 0, 1, 1, 1, 1, 1)), n4, four, nil, list(1, 2, 3), Discarded},
		"AS4_PATH first":           {outside, 0, slices.Concat(attr(0xc0, 17, 2, 1, 0, 1, 0, 1), plainAttrs()), n4, four, nil, list(1, 2, 3), AS4OnFourByte},
		"AS4_AGGREGATOR":           {outside, 0, plainAttrs(attr(0xc0, 18, 0, 1, 0, 1, 1, 1, 1, 1)), n4, four, nil, list(1, 2, 3), AS4OnFourByte},
		"twice":                    {outside, 0, plainAttrs(attr(0x80, 4, 0, 0, 0, 1), attr(0x80, 4, 0, 0, 0, 2)), n4, four, nil, list(1, 2, 3, 4), Repeated},
		"no ORIGIN":                {outside, 0, slices.Concat(sequence(65002), nexthop), n4, nil, four, nil, Malformed},
		"no NEXT_HOP":              {outside, 0, slices.Concat(origin, sequence(65002)), n4, nil, four, nil, Malformed},
		"an attribute cut short":   {outside, 0, plainAttrs([]byte{0xc0, 8, 200, 1}), n4, nil, four, nil, Malformed},
		"unused bits of the flags": {outside, 0, plainAttrs(attr(0xc3, 8, 0, 1, 0, 1)), n4, four, nil, list(1, 2, 3, 8), reasons},
		"another family":           {outside, 0, plainAttrs(attr(0x80, 14, 0, 25, 70, 4, 127, 0, 0, 3, 0, 1, 8)), n4, four, nil, list(1, 2, 3), FamilyNotNegotiated},
		"another family alone":     {outside, 0, plainAttrs(attr(0x80, 14, 0, 25, 70, 4, 127, 0, 0, 3, 0, 1, 8)), nil, nil, nil, nil, FamilyNotNegotiated},
		"attributes of no route":   {member, 0, plainAttrs(attr(0xc0, 8, 1)), nil, nil, nil, nil, reasons},
		"an unknown attribute":     {outside, 0, plainAttrs(attr(0xc0, 200, 1, 2)), n4, four, nil, list(1, 2, 3, 200), reasons},
	})
}

// TestPaths: paths that must not be, by their AS numbers and routers.
func TestPaths(t *testing.T) {
	t.Parallel()
	judge(t, map[string]row{
		"our ORIGINATOR_ID":            {inside, 65000, slices.Concat(origin, attr(0x40, 2), nexthop, attr(0x80, 9, 10, 0, 0, 1)), n4, nil, four, nil, OwnOriginator},
		"another ORIGINATOR_ID":        {inside, 65000, slices.Concat(origin, attr(0x40, 2), nexthop, attr(0x80, 9, 10, 0, 0, 2)), n4, four, nil, list(1, 2, 3, 9), reasons},
		"our cluster":                  {inside, 65000, slices.Concat(origin, attr(0x40, 2), nexthop, attr(0x80, 10, 1, 1, 1, 1, 10, 9, 9, 9)), n4, nil, four, nil, OwnCluster},
		"our AS":                       {outside, 0, slices.Concat(origin, sequence(65002, 65000), nexthop), n4, nil, four, nil, OwnAS},
		"our AS in a set":              {outside, 0, slices.Concat(origin, attr(0x40, 2, 2, 1, 0, 0, 0xfd, 0xea, 1, 1, 0, 0, 0xfd, 0xe8), nexthop), n4, nil, four, nil, OwnAS},
		"our confederation":            {outside, 0, slices.Concat(origin, sequence(65002, 30), nexthop), n4, nil, four, nil, OwnAS},
		"our AS, allowed":              {with(outside, func(r *Rules) { r.AllowOwnAS = 1 }), 0, slices.Concat(origin, sequence(65002, 65000), nexthop), n4, four, nil, list(1, 2, 3), reasons},
		"our AS once too often":        {with(outside, func(r *Rules) { r.AllowOwnAS = 1 }), 0, slices.Concat(origin, sequence(65002, 65000, 65000), nexthop), n4, nil, four, nil, OwnAS},
		"our AS, IPv6":                 {outside, 0, slices.Concat(origin, sequence(65002, 65000), reach6(six...)), nil, nil, six, nil, OwnAS},
		"AS 0":                         {outside, 0, slices.Concat(origin, sequence(65002, 0), nexthop), n4, nil, four, nil, ASZero},
		"another first AS":             {outside, 0, slices.Concat(origin, sequence(65003, 65002), nexthop), n4, nil, four, nil, FirstAS},
		"a set first":                  {outside, 0, slices.Concat(origin, attr(0x40, 2, 1, 1, 0, 0, 0xfd, 0xea), nexthop), n4, nil, four, nil, FirstAS},
		"no AS":                        {outside, 0, slices.Concat(origin, attr(0x40, 2), nexthop), n4, nil, four, nil, FirstAS},
		"a route server":               {with(outside, func(r *Rules) { r.Terms.EnforceFirstAS = false }), 0, slices.Concat(origin, sequence(65003), nexthop), n4, four, nil, list(1, 2, 3), reasons},
		"a confederation's segment":    {outside, 0, slices.Concat(origin, attr(0x40, 2, 3, 1, 0, 0, 0xfd, 0xea), nexthop), n4, nil, four, nil, Malformed},
		"of a member":                  {member, 0, slices.Concat(origin, attr(0x40, 2, 3, 1, 0, 0, 0xfd, 0xea), nexthop), n4, four, nil, list(1, 2, 3), reasons},
		"a member's empty path":        {member, 0, slices.Concat(origin, attr(0x40, 2), nexthop), n4, nil, four, nil, EmptyConfederation},
		"a segment of none":            {outside, 0, slices.Concat(origin, attr(0x40, 2, 2, 0), nexthop), n4, nil, four, nil, Malformed},
		"IPv4 mapped, in a loop":       {outside, 0, slices.Concat(origin, sequence(65002, 65000), reach6("::ffff:10.0.0.0/104")), nil, nil, nil, nil, OwnAS},
		"a neighbour of AS 4200000000": {outside, 4200000000, slices.Concat(origin, sequence(4200000000), nexthop), n4, four, nil, list(1, 2, 3), reasons},
	})
}

// TestPrefixes: prefixes that are refused one by one.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	judge(t, map[string]row{
		"a martian":          {outside, 0, plainAttrs(), nlri("127.0.0.1/32", "10.8.0.0/16", "240.0.0.0/4"), four, []string{"127.0.0.1/32", "240.0.0.0/4"}, list(1, 2, 3), Martian},
		"a martian of IPv6":  {outside, 0, plainAttrs(reach6("fe80::/64", six[0])), nil, six, []string{"fe80::/64"}, list(1, 2, 3, 14), Martian},
		"a martian of a VPN": {outside, 0, plainAttrs(reachVPN("ff02::/16", six[0])), nil, []string{"65000:1:" + six[0]}, []string{"65000:1:ff02::/16"}, list(1, 2, 3, 14), Martian},
		"a default route":    {outside, 0, plainAttrs(reach6("::/0")), nlri("0.0.0.0/0"), []string{"0.0.0.0/0", "::/0"}, nil, list(1, 2, 3, 14), reasons},
		"a martian, accepted": {with(outside, func(r *Rules) { r.Terms.AcceptMartians = []netip.Prefix{netip.MustParsePrefix("240.0.0.0/4")} }), 0, plainAttrs(), nlri("240.1.0.0/16", "224.0.0.0/8"),
			[]string{"240.1.0.0/16"}, []string{"224.0.0.0/8"}, list(1, 2, 3), Martian},
		"a martian of iBGP":                     {inside, 65000, slices.Concat(origin, attr(0x40, 2), nexthop), nlri("127.0.0.0/8"), []string{"127.0.0.0/8"}, nil, list(1, 2, 3), reasons},
		"IPv4 mapped":                           {outside, 0, plainAttrs(reach6("::ffff:10.0.0.0/104", six[0])), nil, six, nil, list(1, 2, 3, 14), Mapped},
		"IPv4 mapped, of iBGP":                  {inside, 65000, slices.Concat(origin, attr(0x40, 2), reach6("::ffff:0:0/96")), nil, nil, nil, nil, Mapped},
		"IPv4 mapped, of a VPN":                 {inside, 65000, slices.Concat(origin, attr(0x40, 2), reachVPN("::ffff:10.0.0.0/104")), nil, nil, nil, nil, Mapped},
		"IPv4 mapped, withdrawn":                {outside, 0, attr(0x80, 15, append([]byte{0, 2, 1}, nlri("::ffff:10.0.0.0/104")...)...), nil, nil, nil, nil, Mapped},
		"IPv4 mapped, beside others, withdrawn": {outside, 0, attr(0x80, 15, append([]byte{0, 2, 1}, nlri("::ffff:10.0.0.0/104", six[0])...)...), nil, nil, six, nil, Mapped},
		"the VRF's own subnet":                  {with(customer, func(r *Rules) { r.Own = own }), 0, plainAttrs(), nlri("192.0.2.0/24", "192.0.2.128/25"), []string{"192.0.2.128/25"}, []string{"192.0.2.0/24"}, list(1, 2, 3), OwnPrefix},
		"the VRF's own address":                 {with(customer, func(r *Rules) { r.Own = own }), 0, plainAttrs(reach6("2001:db8::1/128")), nil, nil, []string{"2001:db8::1/128"}, nil, OwnPrefix},
		"an own subnet, of iBGP":                {with(inside, func(r *Rules) { r.Own = own }), 65000, slices.Concat(origin, attr(0x40, 2), nexthop), nlri("192.0.2.0/24"), []string{"192.0.2.0/24"}, nil, list(1, 2, 3), reasons},
		"an own subnet, of a VPN":               {with(outside, func(r *Rules) { r.Own = own }), 0, plainAttrs(reachVPN("2001:db8::1/128")), nil, []string{"65000:1:2001:db8::1/128"}, nil, list(1, 2, 3, 14), reasons},
		"IPv4 and IPv6 at once":                 {outside, 0, plainAttrs(reach6(six...)), n4, []string{four[0], six[0]}, nil, list(1, 2, 3, 14), reasons},
	})
}

// judge sends each UPDATE on a session of its own.
func judge(t *testing.T, rows map[string]row) {
	t.Helper()
	for name, tc := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: tc.rules, as: tc.as})
			x.send(announcement(nil, tc.attrs, tc.nlri))
			h := x.hear()
			if !slices.Equal(h.announced, tc.announced) || !slices.Equal(h.withdrawn, tc.withdrawn) || !slices.Equal(h.kinds, tc.kinds) && len(tc.kinds) > 0 && len(tc.announced) > 0 {
				t.Errorf("GoBGP gets announced %v, withdrawn %v, attributes %v; want %v, %v, %v", h.announced, h.withdrawn, h.kinds, tc.announced, tc.withdrawn, tc.kinds)
			}
			counts := x.guard.Reports()[0].Counts
			if tc.reason == reasons && len(counts) != 0 || tc.reason != reasons && counts[tc.reason] == 0 {
				t.Errorf("counted: %v", counts)
			}
			for _, p := range tc.withdrawn {
				q, err := netip.ParsePrefix(p)
				if err != nil || tc.reason == Mapped {
					continue // of a VPN; or withdrawn by the neighbour itself
				}
				if r := x.guard.Refused(tc.rules.VRF, q); len(r) != 1 || r[0].Reason != tc.reason {
					t.Errorf("of %s is remembered: %+v", p, r)
				}
			}
		})
	}
}
