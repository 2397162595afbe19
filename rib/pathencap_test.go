package rib

import (
	"net/netip"
	"strings"
	"testing"
)

// vpnRoute is a path of another PE, by a VPN route.
func vpnRoute(label uint32, sid string, from, bits uint8) Path {
	v := &Via{Carrier: ByVPN, Nexthop: addr("10.255.0.2"), SIDFrom: from, SIDBits: bits}
	if sid != "" {
		v.SID = addr(sid)
	}
	return Path{Prefix: prefix("10.2.0.0/24"), RD: 1, Label: label, Attrs: &Attrs{Via: v, Tags: new(Tags)}}
}

// TestSID: what is transposed is put back where its sender took it from.
func TestSID(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		label      uint32
		sid        string
		from, bits uint8
		want       string
	}{
		{3, "fd00:2:0:1:100::", 0, 0, "fd00:2:0:1:100::"},
		{3, "fd00:2:0:1:100::", 64, 0, "fd00:2:0:1:100::"},
		{4096, "fd00:2:0:1::", 64, 16, "fd00:2:0:1:100::"}, // as FRR 8.4 sends it
		{0xabcde, "fd00:2:0:1::", 64, 20, "fd00:2:0:1:abcd:e000::"},
		{0xabcdf, "fd00:2:0:1::", 64, 16, "fd00:2:0:1:abcd::"}, // the rest of the label is none of it
		{0x80000, "fd00::", 127, 1, "fd00::1"},
		{0, "fd00:2:0:1:ffff::", 64, 16, "fd00:2:0:1::"}, // what should not be there
		{0x12340, "fd00::", 68, 12, "fd00::123:0:0:0"},
		{4096, "fd00:2::", 64, 21, "of which 21 bits are in the label"},
		{4096, "fd00:2::", 112, 17, "of which the bits 112 to 128 are in the label"},
		{4096, "fd00:2::", 255, 255, "of which 255 bits are in the label"},
		{1 << 20, "fd00:2::", 64, 16, "a label has 20 bits"},
		{3, "::", 0, 0, "to which no packet can be sent"},
		{3, "::1", 0, 0, "to which no packet can be sent"},
		{3, "ff02::1", 0, 0, "to which no packet can be sent"},
		{3, "fe80::1", 0, 0, "to which no packet can be sent"},
		{3, "10.0.0.1", 0, 0, "which is no IPv6 address"},
		{3, "::ffff:10.0.0.1", 0, 0, "which is no IPv6 address"},
	} {
		p := vpnRoute(tc.label, tc.sid, tc.from, tc.bits)
		e, why := p.Encap(EncapSRv6)
		if sid := e.Tunnel().SID; sid.IsValid() && sid.String() != tc.want || !sid.IsValid() && (why == "" || !strings.Contains(why, tc.want)) {
			t.Errorf("label %d and %s/%d+%d make %s (%s), want %s", tc.label, tc.sid, tc.from, tc.bits, sid, why, tc.want)
		}
	}
}

// TestUse: what a VRF with each encapsulation makes of each path.
func TestUse(t *testing.T) {
	t.Parallel()
	evpn := Path{Label: 100, Attrs: &Attrs{Via: &Via{Carrier: ByEVPN, EncapKind: EncapVXLAN, RouterMAC: MAC{2, 0, 0, 0, 2, 1}}}}
	for name, tc := range map[string]struct {
		kind EncapKind
		path Path
		want string // the encapsulation, or why not
	}{
		"plain":              {0, vpnRoute(80, "", 0, 0), ""},
		"plain with a SID":   {0, vpnRoute(3, "fd00:2::1", 0, 0), ""},
		"label":              {EncapMPLS, vpnRoute(80, "", 0, 0), "mpls 80"},
		"label and SID":      {EncapMPLS, vpnRoute(80, "fd00:2::1", 0, 0), "mpls 80"},
		"SID in the label":   {EncapMPLS, vpnRoute(80, "fd00:2::1", 64, 16), "no label of its own"},
		"SID":                {EncapMPLS, vpnRoute(3, "fd00:2::1", 0, 0), "no label of its own"},
		"last label":         {EncapMPLS, vpnRoute(MaxLabel, "", 0, 0), "mpls 1048575"},
		"first label":        {EncapMPLS, vpnRoute(16, "", 0, 0), "mpls 16"},
		"no label":           {EncapMPLS, vpnRoute(0, "", 0, 0), "without an MPLS label"},
		"implicit null":      {EncapMPLS, vpnRoute(3, "", 0, 0), "names no VRF"},
		"EVPN":               {EncapMPLS, evpn, "it came by EVPN, and this VRF's encap is mpls"},
		"SRv6":               {EncapSRv6, vpnRoute(3, "fd00:2::1", 0, 0), "srv6 fd00:2::1"},
		"SRv6, a label":      {EncapSRv6, vpnRoute(80, "", 0, 0), "it came as a VPN route with an MPLS label and no SRv6 SID, and this VRF's encap is srv6"},
		"SRv6, EVPN":         {EncapSRv6, evpn, "it came by EVPN, and this VRF's encap is srv6"},
		"VXLAN, a label":     {EncapVXLAN, vpnRoute(80, "", 0, 0), "with an MPLS label, and this VRF's encap is vxlan"},
		"VXLAN, a SID":       {EncapVXLAN, vpnRoute(3, "fd00:2::1", 0, 0), "with an SRv6 SID, and this VRF's encap is vxlan"},
		"VXLAN":              {EncapVXLAN, evpn, "vxlan 100"},
		"no encap, EVPN":     {0, evpn, "this VRF has no encap"},
		"of the VRF's own":   {EncapMPLS, Path{Attrs: &Attrs{Via: &Via{}}}, ""},
		"a customer's label": {EncapSRv6, Path{Label: 80, Attrs: &Attrs{Via: &Via{}}}, ""},
	} {
		c := Carriage{Kind: tc.kind}
		e, why := c.Use(&tc.path)
		if got := e.String() + why; (e == (Encap{})) != (why != "" || tc.want == "") || !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
			t.Errorf("%s: %q and %q, want %q", name, e, why, tc.want)
		}
	}
	reduced := Carriage{Kind: EncapSRv6, SRv6: SRv6{Reduced: true}}
	p := vpnRoute(3, "fd00:2::1", 0, 0)
	if e, _ := reduced.Use(&p); !e.Tunnel().Reduced {
		t.Error("it is not reduced")
	}
}

// FuzzSID: whatever a PE sends, there is a SID or a reason; and what was transposed comes out as it went in.
func FuzzSID(f *testing.F) {
	f.Add(uint32(4096), []byte("\xfd\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), uint8(64), uint8(16))
	f.Fuzz(func(t *testing.T, label uint32, sid []byte, from, bits uint8) {
		a, _ := netip.AddrFromSlice(sid)
		p := vpnRoute(label, "", from, bits)
		p.Attrs.SID = a
		e, why := p.Encap(EncapSRv6)
		whole := e.Tunnel().SID
		if whole.IsValid() == (why != "") {
			t.Fatalf("SID %s and the reason %q", whole, why)
		}
		if !whole.IsValid() {
			return
		}
		was, is := a.As16(), whole.As16()
		for k := range 128 {
			bit := func(b [16]byte) byte { return b[k/8] >> (7 - k%8) & 1 }
			want := bit(was)
			if i := k - int(from); i >= 0 && i < int(bits) {
				want = byte(label >> (19 - i) & 1)
			}
			if bit(is) != want {
				t.Fatalf("bit %d of %s is %d, of %s and label %d", k, whole, bit(is), a, label)
			}
		}
	})
}

// TestEncapText: what is shown of an encapsulation, with the way, and to who may not know of the core.
func TestEncapText(t *testing.T) {
	t.Parallel()
	pe := addr("10.255.0.2")
	for _, tc := range []struct {
		to                EncapTo
		way, want, tenant string
	}{
		{EncapTo{ByMPLS(LabelStack(16002, 80)), pe}, "via 192.0.2.9 dev core", "mpls 16002/80 via 192.0.2.9 dev core, PE 10.255.0.2", "mpls"},
		{EncapTo{BySRv6(addr("fd00:2::1"), true), pe}, "dev sr-red", "srv6 fd00:2::1 dev sr-red, PE 10.255.0.2", "srv6"},
		{EncapTo{ByVXLAN(100, MAC{2, 0, 0, 0, 2, 1}), pe}, "via fe80::1 dev vx100", "vxlan 100 to 10.255.0.2, 02:00:00:00:02:01", "vxlan 100"},
		{EncapTo{Encap: EncapOf(EncapMPLS)}, "", "mpls", "mpls"},
		{EncapTo{PE: pe}, "", "", ""},
	} {
		if got, tenant := tc.to.By(tc.way), tc.to.withoutPE().String(); got != tc.want || tenant != tc.tenant {
			t.Errorf("it is %q, to a tenant %q, want %q and %q", got, tenant, tc.want, tc.tenant)
		}
	}
}

// TestCarriedFeed: a feed for a table that only encapsulates has what other PEs sent, and nothing else.
func TestCarriedFeed(t *testing.T) {
	t.Parallel()
	f := NewCarriedFeed()
	pes, customers, leaked := vpnRoute(80, "", 0, 0), vpnRoute(0, "", 0, 0), vpnRoute(90, "", 0, 0)
	customers.ID, customers.Attrs.Carrier, customers.Attrs.Source = 2, NotCarried, "red"
	leaked.ID, leaked.Attrs.Source = 3, "blue"
	f.Set(pes.Prefix, 1, []Path{customers, pes, leaked})
	if got := f.Lookup(pes.Prefix); len(got) != 1 || got[0].Label != 80 {
		t.Errorf("it has %v", got)
	}
	f.Set(pes.Prefix, 1, []Path{customers})
	if got := f.Take(nil, 10); len(f.Lookup(pes.Prefix)) != 0 || len(got) != 0 {
		t.Errorf("it has %v", got)
	}
}
