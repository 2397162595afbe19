package gobgp3

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// service is an L3 service as bytes, with its sub-TLVs.
func serviceBytes(subs ...[]byte) []byte {
	v := slices.Concat(append([][]byte{{0}}, subs...)...)
	return append([]byte{5, 0, byte(len(v))}, v...)
}

// information is a SID information sub-TLV, with its sub-sub-TLVs.
func information(sid string, behaviour uint16, subs ...[]byte) []byte {
	v := append([]byte{0}, netip.MustParseAddr(sid).AsSlice()...)
	v = append(v, 0, byte(behaviour>>8), byte(behaviour), 0)
	v = append(v, slices.Concat(subs...)...)
	return append([]byte{1, 0, byte(len(v))}, v...)
}

func structure(v ...byte) []byte { return append([]byte{1, 0, byte(len(v))}, v...) }

// vpnUpdate is an UPDATE that announces a VPN route as bytes, with a Prefix-SID of these TLVs; none:
// without.
func vpnUpdate(t testing.TB, pfx string, label [3]byte, tlvs ...[]byte) []byte {
	t.Helper()
	p := prefix(pfx)
	addr, afi := p.Addr().AsSlice()[:(p.Bits()+7)/8], byte(1)
	if p.Addr().Is6() {
		afi = 2
	}
	reach := append([]byte{0, afi, 128, 24, 0, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr("fd00:255::2").AsSlice()...)
	reach = append(reach, 0, byte(88+p.Bits()), label[0], label[1], label[2], 0, 0, 0xfd, 0xe9, 0, 0, 0, 9)
	reach = append(reach, addr...)
	attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0xc0, 16, 8, 0, 2, 0xfd, 0xe8, 0, 0, 0, 1}
	attrs = append(append(attrs, 0x80, 14, byte(len(reach))), reach...)
	if sid := slices.Concat(tlvs...); len(tlvs) > 0 {
		attrs = append(append(attrs, 0xc0, 40, byte(len(sid))), sid...)
	}
	m := append(bytes.Repeat([]byte{0xff}, 16), 0, byte(23+len(attrs)), 2, 0, 0, 0, byte(len(attrs)))
	return append(m, attrs...)
}

// decodeWire decodes the path of an UPDATE as it comes from the wire, and as GoBGP's API renders it.
func decodeWire(t testing.TB, by rib.Extras, update []byte) (list [2]rib.Path) {
	t.Helper()
	d := newDecoder(readConf(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, nil), by), newPeerNames(nil))
	m, err := bgp.ParseBGPMessage(slices.Clone(update))
	if err != nil {
		t.Fatal(err)
	}
	source := &bgpPeer{AS: 65000, LocalAS: 65000, ID: []byte{192, 0, 2, 9}, Address: []byte{192, 0, 2, 9}}
	paths := processMessage(m, source, time.Now())
	if len(paths) != 1 {
		t.Fatalf("GoBGP makes %d paths of it", len(paths))
	}
	to, label, err := d.destination(paths[0].origin().nlri)
	if err != nil {
		t.Fatal(err)
	}
	if list[0], _, err = d.path(paths[0], 1, to, label); err != nil {
		t.Fatal(err)
	}
	attrs, err := apiutil.MarshalPathAttributes(paths[0].attributes())
	if err != nil {
		t.Fatal(err)
	}
	nlri, err := apiutil.MarshalNLRI(paths[0].origin().nlri)
	if err != nil {
		t.Fatal(err)
	}
	rendered := from(t, spec{prefix: to.Prefix.String(), rd: 9})
	rendered.Nlri, rendered.Pattrs = nlri, attrs
	if list[1], err = d.whole(rendered); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDecodeSID: what a VPN route says of its SID, from the wire and from GoBGP's API alike; and
// what is wrong with it. Where nothing is carried by SRv6, nobody reads it.
func TestDecodeSID(t *testing.T) {
	const four, six = "10.6.0.0/16", "2001:db8:6::/48"
	bottom := [3]byte{0, 0, 0x31}
	layer2 := serviceBytes(information("fd00:2:0:1:300::", 21))
	layer2[0] = 6
	whole := structure(40, 24, 16, 0, 0, 0)
	for name, tc := range map[string]struct {
		update     []byte
		label      uint32
		sid        string // "": none
		from, bits uint8
		fault      rib.SIDFault
		encap      string // of a VRF that is carried by SRv6; "": none
	}{
		"FRR 8.4, transposed": {
			vpnUpdate(t, four, [3]byte{1, 0, 0}, serviceBytes(information("fd00:2:0:1::", 0xffff, structure(40, 24, 16, 0, 16, 64)))),
			4096, "fd00:2:0:1::", 64, 16, 0, "fd00:2:0:1:100::",
		},
		"untransposed":        {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 19, whole))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"of IPv6":             {vpnUpdate(t, six, bottom, serviceBytes(information("fd00:2:0:1:100::", 18, whole))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"of both":             {vpnUpdate(t, six, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, whole))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"compressed":          {vpnUpdate(t, six, bottom, serviceBytes(information("fd00:2:0:1:100::", 64, whole))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"unknown":             {vpnUpdate(t, six, bottom, serviceBytes(information("fd00:2:0:1:100::", 4711, whole))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"without a structure": {vpnUpdate(t, six, bottom, serviceBytes(information("fd00:2:0:1:100::", 20))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"a label like a withdrawal's": {
			vpnUpdate(t, four, [3]byte{0x80, 0, 0}, serviceBytes(information("fd00:2:0:1::", 19, structure(40, 24, 16, 0, 16, 64)))),
			0x80000, "fd00:2:0:1::", 64, 16, 0, "fd00:2:0:1:8000::",
		},
		"the other family's":  {vpnUpdate(t, six, bottom, serviceBytes(information("fd00:2:0:1:100::", 19, whole))), 3, "", 0, 0, rib.OtherBehaviour, ""},
		"and the other way":   {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 16, whole))), 3, "", 0, 0, rib.OtherBehaviour, ""},
		"of layer 2":          {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 21, whole))), 3, "", 0, 0, rib.OtherBehaviour, ""},
		"of the way":          {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 1, whole))), 3, "", 0, 0, rib.OtherBehaviour, ""},
		"parts too long":      {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(40, 80, 16, 0, 0, 0)))), 3, "", 0, 0, rib.SIDTooLong, ""},
		"bits too many":       {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(40, 24, 16, 0, 21, 64)))), 3, "fd00:2:0:1:100::", 64, 21, 0, ""},
		"bits behind the end": {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(40, 24, 16, 0, 16, 120)))), 3, "fd00:2:0:1:100::", 120, 16, 0, ""},
		"bits of no part":     {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(40, 24, 16, 0, 16, 65)))), 3, "", 0, 0, rib.OtherBits, ""},
		"bits of no parts":    {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(0, 0, 0, 0, 7, 0)))), 3, "", 0, 0, rib.OtherBits, ""},
		"no parts, no bits":   {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(0, 0, 0, 0, 0, 0)))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"no bits, from there": {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20, structure(40, 24, 16, 0, 0, 90)))), 3, "fd00:2:0:1:100::", 90, 0, 0, "fd00:2:0:1:100::"},
		"several SIDs": {
			vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20), information("fd00:2:0:1:200::", 20))), 3, "", 0, 0, rib.SeveralSIDs, "",
		},
		"no SID":             {vpnUpdate(t, four, bottom, serviceBytes()), 3, "", 0, 0, rib.NoSID, ""},
		"the second service": {vpnUpdate(t, four, bottom, serviceBytes(information("fd00:2:0:1:100::", 20)), serviceBytes(information("fd00:2:0:1:200::", 20))), 3, "fd00:2:0:1:100::", 0, 0, 0, "fd00:2:0:1:100::"},
		"none":               {vpnUpdate(t, four, [3]byte{0, 6, 0x41}), 100, "", 0, 0, 0, ""},
	} {
		for i, p := range decodeWire(t, carriedBy(redSRv6), tc.update) {
			how := fmt.Sprintf("%s, %s", name, []string{"from the wire", "from the API"}[i])
			a := p.Attrs
			sid := ""
			if a.SID.IsValid() {
				sid = a.SID.String()
			}
			if p.Label != tc.label || sid != tc.sid || a.SIDFrom != tc.from || a.SIDBits != tc.bits || a.SIDFault != tc.fault || a.Carrier != rib.ByVPN {
				t.Errorf("%s: label %d, %+v", how, p.Label, a.Via)
			}
			c := rib.Carriage{Kind: rib.EncapSRv6}
			e, why := c.Use(&p)
			if tc.encap == "" && (why == "" || e != (rib.Encap{})) || tc.encap != "" && e != rib.BySRv6(netip.MustParseAddr(tc.encap), false) {
				t.Errorf("%s: it is used as %v: %q", how, e.Tunnel(), why)
			}
			if tc.fault != 0 && why != tc.fault.String() {
				t.Errorf("%s: it is said of it: %q", how, why)
			}
		}
		for _, p := range decodeWire(t, carriedBy(redMPLS), tc.update) {
			if p.Attrs.SID.IsValid() || p.Attrs.SIDFault != 0 || p.Attrs.SIDBits != 0 {
				t.Errorf("%s: where nothing is carried by SRv6 it is %+v", name, p.Attrs.Via)
			}
		}
	}
	// A service of layer 2 alone is none of ours, and is no reason to lose the path from the API.
	p := decodeWire(t, carriedBy(redSRv6), vpnUpdate(t, four, bottom, layer2))
	if p[0].Attrs.SID.IsValid() || p[1].Attrs.SID.IsValid() || p[0].Attrs.SIDFault != 0 {
		t.Errorf("a service of layer 2 is %+v", p[0].Attrs.Via)
	}
}

// TestViasAreShared: the routes of a PE have one Via as long as they have one SID, whatever bits of it
// are in their labels.
func TestViasAreShared(t *testing.T) {
	d := newDecoder(readConf(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, nil)}, nil), carriedBy(redSRv6)), newPeerNames(nil))
	source := &bgpPeer{AS: 65000, LocalAS: 65000, ID: []byte{192, 0, 2, 9}, Address: []byte{192, 0, 2, 9}}
	vias := make(map[*rib.Via]int)
	for i := range 100 {
		m, err := bgp.ParseBGPMessage(vpnUpdate(t, fmt.Sprintf("10.%d.0.0/16", i), [3]byte{byte(i), 0, 0x11}, serviceBytes(information("fd00:2:0:1::", 0xffff, structure(40, 24, 16, 0, 16, 64)))))
		if err != nil {
			t.Fatal(err)
		}
		p := processMessage(m, source, time.Now())[0]
		to, label, err := d.destination(p.origin().nlri)
		if err != nil {
			t.Fatal(err)
		}
		path, _, err := d.path(p, 1, to, label)
		if err != nil {
			t.Fatal(err)
		}
		vias[path.Attrs.Via]++
	}
	if len(vias) != 1 {
		t.Errorf("100 routes with one SID have %d Vias", len(vias))
	}
}

// TestPrefixSIDBytes: the attribute of our routes, byte by byte, as FRR takes it; and what is read of
// it again.
func TestPrefixSIDBytes(t *testing.T) {
	const head = "c028250500220001001e00"
	s := redSRv6.SRv6
	for name, tc := range map[string]struct {
		change func(*rib.SRv6)
		six    bool
		label  uint32
		want   string
	}{
		"both families":  {func(*rib.SRv6) {}, false, 3, head + "fd000001000000010100000000000000" + "00001400" + "0100062818100000" + "00"},
		"two SIDs, IPv4": {func(s *rib.SRv6) { s.SID6 = netip.MustParseAddr("fd00:1:0:1:101::") }, false, 3, head + "fd000001000000010100000000000000" + "00001300" + "0100062818100000" + "00"},
		"two SIDs, IPv6": {func(s *rib.SRv6) { s.SID6 = netip.MustParseAddr("fd00:1:0:1:101::") }, true, 3, head + "fd000001000000010101000000000000" + "00001200" + "0100062818100000" + "00"},
		"transposed":     {func(s *rib.SRv6) { s.Transpose = true }, true, 4096, head + "fd000001000000010000000000000000" + "00001400" + "0100062818100010" + "40"},
		"two SIDs are not transposed": {func(s *rib.SRv6) { s.Transpose, s.SID6 = true, netip.MustParseAddr("fd00:1:0:1:101::") }, false, 3,
			head + "fd000001000000010100000000000000" + "00001300" + "0100062818100000" + "00"},
		"a function of 20 bits": {func(s *rib.SRv6) {
			s.Transpose, s.FunctionBits, s.SID = true, 20, netip.MustParseAddr("fd00:1:0:1:1234:5000::")
		}, false, 0x12345,
			head + "fd000001000000010000000000000000" + "00001400" + "0100062818140014" + "40"},
		"one of 24 stays": {func(s *rib.SRv6) { s.Transpose, s.FunctionBits = true, 24 }, false, 3, head + "fd000001000000010100000000000000" + "00001400" + "0100062818180000" + "00"},
	} {
		is := s
		tc.change(&is)
		got, err := prefixSID(&is, tc.six).Serialize()
		if err != nil || hex.EncodeToString(got) != tc.want {
			t.Errorf("%s: %x, want %s: %v", name, got, tc.want, err)
		}
		by := rib.Carried{Kind: rib.EncapSRv6, SRv6: is}
		if label := labelOf(&by); label != tc.label {
			t.Errorf("%s: the label %d, want %d", name, label, tc.label)
		}
		read := new(bgp.PathAttributePrefixSID)
		if err := read.DecodeFromBytes(got); err != nil {
			t.Fatal(err)
		}
		via := &rib.Via{Carrier: rib.ByVPN}
		takeService(via, read, tc.six)
		want := is.SID
		if tc.six && is.SID6.IsValid() {
			want = is.SID6
		}
		e, why := (&rib.Carriage{Kind: rib.EncapSRv6}).Use(&rib.Path{Label: tc.label, Attrs: &rib.Attrs{Via: via}})
		if e != rib.BySRv6(want, false) {
			t.Errorf("%s: another PE has of it %v: %q", name, e.Tunnel(), why)
		}
	}
}

// FuzzService: whatever a Prefix-SID has in it that GoBGP survives, taking it in does too.
func FuzzService(f *testing.F) {
	f.Add(serviceBytes(information("fd00:2:0:1::", 0xffff, structure(40, 24, 16, 0, 16, 64))), true)
	f.Add(serviceBytes(information("fd00:2:0:1::", 20), information("fd00:2:0:1::", 20)), false)
	f.Add([]byte{5, 0, 5, 0, 2, 0, 1, 0}, false)
	f.Fuzz(func(t *testing.T, tlvs []byte, six bool) {
		read := new(bgp.PathAttributePrefixSID)
		if func() (failed bool) {
			defer func() { failed = recover() != nil || failed }() // the guard rehearses what comes
			return read.DecodeFromBytes(append([]byte{0xd0, 40, byte(len(tlvs) >> 8), byte(len(tlvs))}, tlvs...)) != nil
		}() {
			return
		}
		via := &rib.Via{Carrier: rib.ByVPN}
		takeService(via, read, six)
		if via.SID.IsValid() == (via.SIDFault != rib.NoSIDFault) && len(read.TLVs) > 0 && via.SID.IsValid() {
			t.Errorf("%x: %+v", tlvs, via)
		}
		p := rib.Path{Attrs: &rib.Attrs{Via: via}}
		for _, kind := range []rib.EncapKind{rib.EncapSRv6, rib.EncapMPLS} {
			if e, why := (&rib.Carriage{Kind: kind}).Use(&p); (e == rib.Encap{}) == (why == "") {
				t.Errorf("%x: %v, and %q", tlvs, e, why)
			}
		}
		var a, b []byte
		a, b = appendService(a, read, six), appendService(b, read, six)
		if !bytes.Equal(a, b) {
			t.Errorf("%x: two keys", tlvs)
		}
		_ = speaker.DestinationOf(&p)
	})
}
