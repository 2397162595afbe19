package guard

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// labelled is a list of VPN prefixes with other labels.
func labelled(label [3]byte, list ...string) (b []byte) {
	for _, p := range list {
		at := len(b) + 1
		b = append(b, vpn(p)...)
		copy(b[at:], label[:])
	}
	return b
}

// reachLabelled announces VPN prefixes of IPv6 with a label.
func reachLabelled(label [3]byte, list ...string) []byte {
	v := append([]byte{0, 2, 128, 24}, make([]byte, 8)...)
	v = append(v, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0)
	return attr(0x80, 14, append(v, labelled(label, list...)...)...)
}

func unreachLabelled(label [3]byte, list ...string) []byte {
	return attr(0x80, 15, append([]byte{0, 2, 128}, labelled(label, list...)...)...)
}

// prefixSID is the attribute of FRR 8.4: fd00:2:0:1:: with 16 bits in the label, from bit 64 on.
var prefixSID = attr(0xc0, 40,
	5, 0, 34, 0,
	1, 0, 30, 0, 0xfd, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0,
	1, 0, 6, 40, 24, 16, 0, 16, 64)

// TestLabels: a VPN prefix whose label has no bottom is taken by GoBGP for another prefix: announced,
// it is refused by name, and a route from before goes; withdrawn, where the label means nothing, it
// is withdrawn. Beside a Prefix-SID the bytes are bits of a SID, whatever they are, as long as the
// attribute is there.
func TestLabels(t *testing.T) {
	t.Parallel()
	const route, other = "65000:1:2001:db8:8::/48", "65000:1:2001:db8:9::/48"
	bare, whole := [3]byte{0, 6, 0x40}, [3]byte{0, 6, 0x41}
	broken := attr(0xc0, 40, 5, 0, 6, 0, 1, 0, 2, 0, 0) // a SID of two bytes: GoBGP panics
	for name, tc := range map[string]struct {
		attrs                []byte
		announced, withdrawn []string
		refused              bool
	}{
		"a bottom":                 {plainAttrs(reachLabelled(whole, six[0])), []string{route}, nil, false},
		"no bottom":                {plainAttrs(reachLabelled(bare, six[0])), nil, []string{route}, true},
		"one of two":               {plainAttrs(reachTwo(whole, bare)), nil, []string{route, other}, true},
		"a withdrawal's label":     {plainAttrs(reachLabelled(withdrawnLabel, six[0])), nil, []string{route}, true},
		"a label of zeroes":        {plainAttrs(reachLabelled([3]byte{}, six[0])), nil, []string{route}, true},
		"with a SID":               {plainAttrs(reachLabelled(bare, six[0]), prefixSID), []string{route}, nil, false},
		"bits like a withdrawal's": {plainAttrs(reachLabelled(withdrawnLabel, six[0]), prefixSID), []string{route}, nil, false},
		"with a SID that is cut":   {plainAttrs(reachLabelled(bare, six[0]), broken), nil, []string{route}, true},
		"withdrawn":                {unreachLabelled(bare, six[0], "2001:db8:9::/48"), nil, []string{route, other}, false},
		"withdrawn as it is":       {unreachLabelled(withdrawnLabel, six[0]), nil, []string{route}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: inside, as: 65000, rehearsal: parses})
			x.send(announcement(nil, tc.attrs, nil))
			h := x.hear()
			if !slices.Equal(h.announced, tc.announced) || !slices.Equal(h.withdrawn, tc.withdrawn) {
				t.Errorf("GoBGP gets announced %v, withdrawn %v; want %v, %v", h.announced, h.withdrawn, tc.announced, tc.withdrawn)
			}
			if (x.count(Malformed) > 0) != tc.refused {
				t.Errorf("counted: %v", x.guard.Reports()[0].Counts)
			}
			if !tc.refused || name == "with a SID that is cut" {
				return
			}
			list := x.guard.Refused("", prefixOf(six[0]))
			if len(list) != 1 || !strings.Contains(list[0].Detail, "not the bottom of its stack") {
				t.Errorf("it is said of it: %+v", list)
			}
		})
	}
}

// reachTwo announces two prefixes with a label each.
func reachTwo(a, b [3]byte) []byte {
	v := append([]byte{0, 2, 128, 24}, make([]byte, 8)...)
	v = append(v, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0)
	v = append(v, labelled(a, six[0])...)
	return attr(0x80, 14, append(v, labelled(b, "2001:db8:9::/48")...)...)
}

// parses is a rehearsal that goes as far as GoBGP's reader.
func parses(message []byte, s *Session) error {
	m, err := bgp.ParseBGPMessage(message, &bgp.MarshallingOption{AddPath: s.Families})
	if err != nil {
		return err
	}
	_, err = m.Serialize()
	return err
}

// TestPrefixSIDPasses: the attribute passes, byte by byte, on a session with a VPN family, and
// nowhere else; in a VRF it does not, whatever its families.
func TestPrefixSIDPasses(t *testing.T) {
	t.Parallel()
	vpns := fourByte(65000, all...)
	plain := fourByte(65000, bgp.RF_IPv4_UC, bgp.RF_IPv6_UC)
	labelledUnicast := fourByte(65000, bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_MPLS)
	evpn := fourByte(65000, bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_EVPN)
	for name, tc := range map[string]struct {
		rules Rules
		caps  []bgp.ParameterCapabilityInterface
		there bool
	}{
		"VPN": {inside, vpns, true}, "labelled unicast": {inside, labelledUnicast, true}, "EVPN": {inside, evpn, true},
		"unicast": {inside, plain, false}, "a customer": {customer, plain, false}, "a customer with VPN families": {customer, vpns, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: tc.rules, as: 65000, rehearsal: parses, ours: tc.caps, theirs: tc.caps})
			x.send(announcement(nil, plainAttrs(prefixSID), n4))
			out := slices.Concat(x.until()...)
			if got := bytes.Contains(out, prefixSID); got != tc.there {
				t.Errorf("GoBGP gets %x", out)
			}
			if (x.count(TunnelAttribute) > 0) == tc.there {
				t.Errorf("counted: %v", x.guard.Reports()[0].Counts)
			}
		})
	}
}
