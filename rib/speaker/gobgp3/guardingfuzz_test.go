package gobgp3

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

//go:linkname fuzzTables github.com/osrg/gobgp/v3/internal/pkg/table.NewTableManager
func fuzzTables(l log.Logger, families []bgp.RouteFamily) unsafe.Pointer

//go:linkname fuzzUpdate github.com/osrg/gobgp/v3/internal/pkg/table.(*TableManager).Update
func fuzzUpdate(tables unsafe.Pointer, p *bgpPath) []unsafe.Pointer

//go:linkname fuzzAdjRib github.com/osrg/gobgp/v3/internal/pkg/table.NewAdjRib
func fuzzAdjRib(l log.Logger, families []bgp.RouteFamily) unsafe.Pointer

//go:linkname fuzzAdjUpdate github.com/osrg/gobgp/v3/internal/pkg/table.(*AdjRib).Update
func fuzzAdjUpdate(rib unsafe.Pointer, paths []*bgpPath)

//go:linkname fuzzToGlobal github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).ToGlobal
func fuzzToGlobal(p *bgpPath, vrf *fuzzVRF) *bgpPath

//go:linkname fuzzCanImport github.com/osrg/gobgp/v3/internal/pkg/table.CanImportToVrf
func fuzzCanImport(vrf *fuzzVRF, p *bgpPath) bool

// fuzzVRF is table.Vrf.
type fuzzVRF struct {
	Name      string
	Id        uint32
	Rd        bgp.RouteDistinguisherInterface
	ImportRt  []bgp.ExtendedCommunityInterface
	ExportRt  []bgp.ExtendedCommunityInterface
	MplsLabel uint32
}

// guarded session of one kind.
type fuzzSession struct {
	rules        guard.Rules
	as           uint32
	ours, theirs []bgp.ParameterCapabilityInterface
}

// fuzzSessions are the kinds that an input chooses from.
func fuzzSessions() []fuzzSession {
	unicast := []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC}
	vpn := append(slices.Clone(unicast), bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN)
	every := slices.Sorted(maps.Keys(bgp.AddressFamilyNameMap))
	// An OPEN has no room for ADD-PATH of every family.
	some := append(slices.Clone(vpn), bgp.RF_IPv4_MPLS, bgp.RF_IPv6_MPLS, bgp.RF_EVPN, bgp.RF_FS_IPv4_UC)
	caps := func(families []bgp.RouteFamily, more ...bgp.ParameterCapabilityInterface) (out []bgp.ParameterCapabilityInterface) {
		for _, f := range families {
			out = append(out, bgp.NewCapMultiProtocol(f))
		}
		return append(out, more...)
	}
	paths := func(families []bgp.RouteFamily) bgp.ParameterCapabilityInterface {
		var t []*bgp.CapAddPathTuple
		for _, f := range families {
			t = append(t, bgp.NewCapAddPathTuple(f, bgp.BGP_ADD_PATH_BOTH))
		}
		return bgp.NewCapAddPath(t)
	}
	four := func(as uint32) bgp.ParameterCapabilityInterface { return bgp.NewCapFourOctetASNumber(as) }
	rules := guard.Rules{OwnASes: []uint32{65000}, RouterID: netip.MustParseAddr("192.0.2.1"), Loopback: true, Terms: rib.DefaultTerms()}
	customer, server, member := rules, rules, rules
	customer.VRF, server.Terms.EnforceFirstAS, member.Member = "red", false, true
	var list []fuzzSession
	for _, r := range []guard.Rules{rules, customer, server, member} {
		for _, as := range []uint32{65001, 65000} {
			list = append(list,
				fuzzSession{r, as, caps(unicast, four(65000)), caps(unicast, four(as))},
				fuzzSession{r, as, caps(unicast), caps(unicast)},
				fuzzSession{r, as, caps(vpn, four(65000), paths(vpn)), caps(vpn, four(as), paths(vpn))},
				fuzzSession{r, as, caps(every, four(65000)), caps(every, four(as))},
				fuzzSession{r, as, caps(every, paths(some)), caps(every, paths(some))})
		}
	}
	return list
}

// wire is a connection on which everything has been sent.
type wire struct {
	net.Conn
	io.Reader
}

func (w wire) Read(b []byte) (int, error)     { return w.Reader.Read(b) }
func (wire) Write(b []byte) (int, error)      { return len(b), nil }
func (wire) Close() error                     { return nil }
func (wire) SetReadDeadline(time.Time) error  { return nil }
func (wire) SetWriteDeadline(time.Time) error { return nil }

// FuzzGuard holds that GoBGP survives whatever the guard lets through: its parser and
// validation, the merge of AS4_PATH, its tables, the import into a VRF and the export
// out of one, its API's rendering, and the way to another neighbour. The first byte of
// an input chooses the kind of the session, the second whether the rest is the body of
// an UPDATE or what the neighbour sends, and whether it is sent twice.
func FuzzGuard(f *testing.F) {
	kinds := fuzzSessions()
	for i, body := range append(updates(f), oddUpdates()...) {
		f.Add(append([]byte{byte(i % len(kinds)), 0}, body...))
	}
	for i, body := range append(familyUpdates(), evpnUpdates()...) {
		every := i%(len(kinds)/5)*5 + 3 + i%2 // the kinds that have all families
		f.Add(append([]byte{byte(every), 2}, body...))
	}
	f.Add(append([]byte{0, 0}, fullUpdate()...))
	f.Add(append([]byte{0, 1}, rawMessage(9)...))
	f.Add(append([]byte{0, 1}, rawMessage(1, 4, 0xfd, 0xea, 0, 90, 127, 0, 0, 3, 0)...))
	f.Add(append([]byte{0, 1}, rawMessage(5, 0, 1, 0, 1)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 2 {
			return
		}
		kind := kinds[int(in[0])%len(kinds)]
		sent := in[2:]
		if in[1]&1 == 0 {
			if len(sent) > bgp.BGP_MAX_MESSAGE_LENGTH-19 {
				return
			}
			sent = rawMessage(bgp.BGP_MSG_UPDATE, sent...)
		}
		if in[1]&2 != 0 { // what it knows of the first it does not rehearse in the second
			sent = slices.Concat(sent, sent)
		}
		for _, m := range guardedMessages(t, kind, sent) {
			survives(t, kind, m)
		}
	})
}

// guardedMessages are what GoBGP would read behind OPEN and KEEPALIVE.
func guardedMessages(t testing.TB, kind fuzzSession, sent []byte) (out [][]byte) {
	open := func(as uint32, caps []bgp.ParameterCapabilityInterface) []byte {
		params := []bgp.OptionParameterInterface{}
		for _, c := range caps { // one parameter each: a parameter has a length of one byte
			params = append(params, bgp.NewOptionParameterCapability([]bgp.ParameterCapabilityInterface{c}))
		}
		b, err := bgp.NewBGPOpenMessage(uint16(as), 90, "192.0.2.2", params).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	g := guard.New(rehearse, slog.New(slog.DiscardHandler))
	stream := slices.Concat(open(kind.as, kind.theirs), rawMessage(bgp.BGP_MSG_KEEPALIVE), sent)
	conn := g.Wrap("192.0.2.2", wire{Reader: bytes.NewReader(stream)}, &kind.rules, guard.Queues{})
	if _, err := conn.Write(open(65000, kind.ours)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 19)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(conn, head); err != nil {
			return out
		}
		size := int(binary.BigEndian.Uint16(head[16:]))
		if size < 19 { // GoBGP ends the session here
			return out
		}
		body := make([]byte, size-19)
		if _, err := io.ReadFull(conn, body); err != nil {
			return out
		}
		if n >= 2 {
			out = append(out, append(slices.Clone(head), body...))
		}
	}
}

// survives has GoBGP deal with a message. What panics fails the test; and what GoBGP
// would answer with a NOTIFICATION the guard should have answered.
func survives(t testing.TB, kind fuzzSession, message []byte) {
	families := make(map[bgp.RouteFamily]bgp.BGPAddPathMode)
	var list []bgp.RouteFamily
	for _, c := range kind.ours {
		switch c := c.(type) {
		case *bgp.CapMultiProtocol:
			families[c.CapValue] = bgp.BGP_ADD_PATH_NONE
			list = append(list, c.CapValue)
		case *bgp.CapAddPath:
			for _, one := range c.Tuples {
				families[one.RouteFamily] = bgp.BGP_ADD_PATH_BOTH
			}
		}
	}
	m, err := bgp.ParseBGPMessage(message, &bgp.MarshallingOption{AddPath: families})
	if err != nil {
		t.Fatalf("GoBGP cannot read %x: %v", message, err)
	}
	if m.Header.Type != bgp.BGP_MSG_UPDATE {
		return
	}
	u := m.Body.(*bgp.BGPUpdate)
	if ok, err := bgp.ValidateUpdateMsg(u, families, kind.as != 65000, kind.rules.Member, kind.rules.Loopback); !ok {
		t.Fatalf("GoBGP refuses %x: %v", message, err)
	}
	if kind.as != 65000 && !kind.rules.Member { // a neighbour's LOCAL_PREF never counts, and 0 is of RFC 8326
		for _, a := range u.PathAttributes {
			if a, is := a.(*bgp.PathAttributeLocalPref); is && a.Value != 0 {
				t.Fatalf("LOCAL_PREF %d of an eBGP neighbour in %x", a.Value, message)
			}
		}
	}
	if err := mergeAS4Path(silent{}, u); err != nil {
		t.Fatal(err)
	}
	if err := mergeAS4Aggregator(u); err != nil {
		t.Fatal(err)
	}
	received := processMessage(m, &understudy.info, time.Unix(1, 0))
	fuzzAdjUpdate(fuzzAdjRib(silent{}, list), received)
	tables := fuzzTables(silent{}, []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN, bgp.RF_EVPN})
	for _, p := range received {
		if p.info != nil && p.info.source != nil { // no End-of-RIB
			throughTables(t, tables, kind, p)
		}
	}
}

// throughTables takes a path into the tables, out to a neighbour, and out of a VRF.
func throughTables(t testing.TB, tables unsafe.Pointer, kind fuzzSession, p *bgpPath) {
	rd, err := bgp.ParseRouteDistinguisher("65000:1")
	if err != nil {
		t.Fatal(err)
	}
	target, err := bgp.ParseRouteTarget("65000:1")
	if err != nil {
		t.Fatal(err)
	}
	vrf := &fuzzVRF{Name: "red", Rd: rd, ImportRt: []bgp.ExtendedCommunityInterface{target}, ExportRt: []bgp.ExtendedCommunityInterface{target}}
	if kind.rules.VRF != "" {
		p = fuzzToGlobal(p, vrf)
	}
	fuzzUpdate(tables, p)
	if isEVPN(p.info.nlri) {
		// A route that is a candidate has the key under which it is looked for.
		if to, vni, err := decodeEVPN(p.info.nlri.(*bgp.EVPNNLRI)); err == nil && evpnNLRI(nativeRD(to.RD), to.Prefix, vni).String() != p.info.nlri.String() {
			t.Errorf("%s is decoded to %v", p.info.nlri, to)
		}
		_ = noCandidate(p.info.nlri)
	}
	if p.IsWithdraw {
		return
	}
	fuzzCanImport(vrf, p)
	for _, out := range []*bgpPath{p, pathToLocal(p)} {
		if err := rehearsePath(out, true); err != nil {
			t.Fatal(err)
		}
	}
}

// oddUpdates are bodies of UPDATEs that ended GoBGP, or came near.
func oddUpdates() (out [][]byte) {
	path := attribute(bgp.BGP_ATTR_TYPE_AS_PATH, []byte{2, 1, 0, 0, 0xfd, 0xe9})
	body := func(nlri []byte, attrs ...[]byte) {
		all := slices.Concat(attrs...)
		out = append(out, slices.Concat([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(all))), all, nlri))
	}
	one := []byte{16, 10, 8}
	body(one, attribute(bgp.BGP_ATTR_TYPE_AS4_PATH, []byte{2, 1, 0, 1, 0, 1}), rawOrigin, path, rawNexthop)
	for _, sid := range [][]byte{
		{5, 0, 5, 0, 9, 0, 1, 0}, {5, 0, 5, 0, 1, 0, 2, 0, 0}, {5, 0, 1, 0}, {5, 0, 0}, {1, 0, 7, 0, 0, 0, 0, 0, 0, 9},
		{5, 0, 34, 0, 1, 0, 30, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x13, 0, 1, 0, 6, 32, 16, 16, 0, 0, 0},
		{6, 0, 34, 0, 1, 0, 30, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x13, 0, 1, 0, 60, 32, 16, 16, 0, 0, 0},
	} {
		body(one, rawOrigin, path, rawNexthop, attribute(bgp.BGP_ATTR_TYPE_PREFIX_SID, sid))
	}
	for _, more := range [][]byte{nil, attribute(bgp.BGP_ATTR_TYPE_LOCAL_PREF, []byte{0, 0, 0, 200})} {
		body(one, rawOrigin, path, rawNexthop, more, attribute(bgp.BGP_ATTR_TYPE_COMMUNITIES, []byte{0xff, 0xff, 0, 0}))
	}
	for kind := range bgp.BGPAttrType(45) {
		for _, n := range []int{0, 3, 19} {
			body(one, rawOrigin, path, rawNexthop, attribute(kind, make([]byte, n)))
		}
	}
	return out
}

// fullUpdate is the body of the longest message there is: where its route is sent on, what
// is added to its attributes has no room.
func fullUpdate() []byte {
	prefix := []byte{8, 10}
	attrs := slices.Concat(rawOrigin, attribute(bgp.BGP_ATTR_TYPE_AS_PATH, []byte{2, 1, 0, 0, 0xfd, 0xe9}), rawNexthop)
	unknown := []byte{0xd0, 99} // optional, transitive, with a length of two bytes
	n := bgp.BGP_MAX_MESSAGE_LENGTH - 19 - 4 - len(attrs) - len(unknown) - 2 - len(prefix)
	attrs = slices.Concat(attrs, binary.BigEndian.AppendUint16(unknown, uint16(n)), make([]byte, n))
	return slices.Concat([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(attrs))), attrs, prefix)
}

// familyUpdates are bodies of UPDATEs of each family, with routes that are cut short.
func familyUpdates() (out [][]byte) {
	path := attribute(bgp.BGP_ATTR_TYPE_AS_PATH, []byte{2, 1, 0, 0, 0xfd, 0xe9})
	body := func(attrs ...[]byte) {
		all := slices.Concat(attrs...)
		out = append(out, slices.Concat([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(all))), all))
	}
	for _, family := range slices.Sorted(maps.Keys(bgp.AddressFamilyNameMap)) {
		afi, safi := bgp.RouteFamilyToAfiSafi(family)
		for _, n := range []byte{0, 8, 33} {
			for _, kind := range []byte{1, 2, 5} {
				nlri := append([]byte{kind, n}, make([]byte, n)...)
				head := append(binary.BigEndian.AppendUint16(nil, afi), safi)
				body(rawOrigin, path, attribute(bgp.BGP_ATTR_TYPE_MP_REACH_NLRI, slices.Concat(head, []byte{4, 127, 0, 0, 3, 0}, nlri)))
				body(attribute(bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI, slices.Concat(head, nlri)))
			}
		}
	}
	return out
}

// evpnUpdates are bodies of UPDATEs with routes of EVPN, whole and with one byte otherwise.
func evpnUpdates() (out [][]byte) {
	path := attribute(bgp.BGP_ATTR_TYPE_AS_PATH, []byte{2, 1, 0, 0, 0xfd, 0xe9})
	body := func(attrs ...[]byte) {
		all := slices.Concat(attrs...)
		out = append(out, slices.Concat([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(all))), all))
	}
	communities := attribute(bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES, []byte{0, 2, 0xfd, 0xe8, 0, 0, 0, 1, 6, 3, 2, 0, 0, 0, 2, 1, 3, 12, 0, 0, 0, 0, 0, 8})
	rd := nativeRD(rib.RD(65000<<32 | 1))
	for _, n := range []*bgp.EVPNNLRI{
		evpnNLRI(rd, netip.MustParsePrefix("10.1.0.0/16"), 100), evpnNLRI(rd, netip.MustParsePrefix("2001:db8::/32"), 1<<24-1),
		evpnNLRI(rd, netip.MustParsePrefix("::ffff:10.1.0.0/112"), 100),
	} {
		wire, err := n.Serialize()
		if err != nil {
			panic(err)
		}
		for at := -1; at < len(wire); at++ {
			nlri := slices.Clone(wire)
			if at >= 0 {
				nlri[at] ^= 0x21
			}
			reach := slices.Concat([]byte{0, 25, 70, 4, 10, 255, 0, 2, 0}, nlri)
			body(rawOrigin, path, communities, attribute(bgp.BGP_ATTR_TYPE_MP_REACH_NLRI, reach))
			body(attribute(bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI, slices.Concat([]byte{0, 25, 70}, nlri)))
		}
	}
	return out
}

// TestFuzzGuard: what FuzzGuard relies on. Each kind of session comes up, so that a
// withdrawal passes, and the mirror is GoBGP's type.
func TestFuzzGuard(t *testing.T) {
	for i, kind := range fuzzSessions() {
		m := rawMessage(bgp.BGP_MSG_UPDATE, 0, 3, 16, 10, 8, 0, 0)
		if kind.theirs[len(kind.theirs)-1].Code() == bgp.BGP_CAP_ADD_PATH {
			m = rawMessage(bgp.BGP_MSG_UPDATE, 0, 7, 0, 0, 0, 1, 16, 10, 8, 0, 0)
		}
		if got := guardedMessages(t, kind, m); len(got) != 1 || !bytes.Equal(got[0], m) {
			t.Errorf("session %d: a withdrawal becomes %x", i, got)
		}
	}
	vrfs := follow(reflect.TypeFor[server.BgpServer](), "globalRib", "Vrfs")
	if err := same(vrfs, reflect.TypeFor[fuzzVRF]()); vrfs == nil || err != nil {
		t.Error(err)
	}
}
