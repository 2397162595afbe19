package guard

import (
	"bytes"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

func updateOf(t *testing.T, withdrawn []*bgp.IPAddrPrefix, attrs []bgp.PathAttributeInterface, nlri []*bgp.IPAddrPrefix) []byte {
	t.Helper()
	b, err := bgp.NewBGPUpdateMessage(withdrawn, attrs, nlri).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unreach(prefixes ...bgp.AddrPrefixInterface) []bgp.PathAttributeInterface {
	return []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI(prefixes)}
}

func TestAsUnicast(t *testing.T) {
	t.Parallel()
	rd, err := bgp.ParseRouteDistinguisher("65000:1")
	if err != nil {
		t.Fatal(err)
	}
	vpn4 := func(bits uint8, a string) bgp.AddrPrefixInterface {
		return bgp.NewLabeledVPNIPAddrPrefix(bits, a, *bgp.NewMPLSLabelStack(0), rd)
	}
	vpn6 := func(bits uint8, a string) bgp.AddrPrefixInterface {
		return bgp.NewLabeledVPNIPv6AddrPrefix(bits, a, *bgp.NewMPLSLabelStack(0), rd)
	}
	var many []bgp.AddrPrefixInterface
	for range 200 {
		many = append(many, bgp.NewIPv6AddrPrefix(64, "2001:db8::"))
	}
	for name, x := range map[string]struct{ from, want []byte }{
		"IPv4": {
			updateOf(t, nil, unreach(vpn4(16, "10.1.0.0"), vpn4(32, "10.2.0.1"), vpn4(0, "0.0.0.0"), vpn4(23, "10.3.2.0")), nil),
			updateOf(t, []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(16, "10.1.0.0"), bgp.NewIPAddrPrefix(32, "10.2.0.1"), bgp.NewIPAddrPrefix(0, "0.0.0.0"), bgp.NewIPAddrPrefix(23, "10.3.2.0")}, nil, nil),
		},
		"unicast": {updateOf(t, nil, unreach(bgp.NewIPv6AddrPrefix(48, "2001:db8:1::")), nil), nil},
		"long":    {updateOf(t, nil, unreach(many...), nil), nil},
		"a route": {updateOf(t, nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0)}, []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(16, "10.1.0.0")}), nil},
		"plain":   {updateOf(t, []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(16, "10.1.0.0")}, nil, nil), nil},
		"EOR":     {updateOf(t, nil, nil, nil), nil},
		"alive":   {keepalive(), nil},
		"empty":   {nil, nil},
	} {
		if x.want == nil {
			x.want = x.from
		}
		if got := asUnicast(x.from); !bytes.Equal(got, x.want) {
			t.Errorf("%s: %x\nwant %x", name, got, x.want)
		}
	}
	// IPv6 by what it says: the flags of the attribute may differ.
	got := asUnicast(updateOf(t, nil, unreach(vpn6(48, "2001:db8:1::"), vpn6(128, "2001:db8::1")), nil))
	m, err := bgp.ParseBGPMessage(got)
	if err != nil {
		t.Fatal(err)
	}
	attrs := m.Body.(*bgp.BGPUpdate).PathAttributes
	if len(attrs) != 1 || attrs[0].String() != unreach(bgp.NewIPv6AddrPrefix(48, "2001:db8:1::"), bgp.NewIPv6AddrPrefix(128, "2001:db8::1"))[0].String() {
		t.Errorf("IPv6: %v", attrs)
	}
	// What is cut short is left alone, whatever it is.
	whole := updateOf(t, nil, unreach(vpn4(24, "10.1.0.0")), nil)
	for n := range whole {
		_ = asUnicast(whole[:n])
	}
}
