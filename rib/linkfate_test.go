package rib

import (
	"net/netip"
	"testing"
)

// TestLinkFateCarries: a session is on the link of its addresses, as far as its socket lets it.
func TestLinkFateCarries(t *testing.T) {
	t.Parallel()
	plain := LinkFate{Name: "eth0", Addrs: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("2001:db8::1/64"),
	}}
	inVRF := plain
	inVRF.VRF = "red"
	for name, tc := range map[string]struct {
		link                 LinkFate
		local, remote, bound string
		want                 bool
	}{
		"its subnet":                      {plain, "192.0.2.1", "192.0.2.2", "", true},
		"of IPv6":                         {plain, "2001:db8::1", "2001:db8::2", "", true},
		"another address of the subnet":   {plain, "192.0.2.9", "192.0.2.2", "", false},
		"behind a router":                 {plain, "192.0.2.1", "203.0.113.1", "", false},
		"an address without a subnet":     {plain, "198.51.100.1", "203.0.113.1", "", true},
		"link-local":                      {plain, "fe80::1%eth0", "fe80::2%eth0", "eth0", true},
		"link-local on another one":       {plain, "fe80::1%eth1", "fe80::2%eth1", "eth1", false},
		"bound to it":                     {plain, "192.0.2.1", "192.0.2.2", "eth0", true},
		"bound to another":                {plain, "192.0.2.1", "192.0.2.2", "eth1", false},
		"in a VRF, bound to that":         {inVRF, "192.0.2.1", "192.0.2.2", "red", true},
		"in a VRF, bound to the link":     {inVRF, "192.0.2.1", "192.0.2.2", "eth0", true},
		"in a VRF, and the session not":   {inVRF, "192.0.2.1", "192.0.2.2", "", false},
		"in a VRF, and another one's":     {inVRF, "192.0.2.1", "192.0.2.2", "blue", false},
		"in no VRF, and a session of one": {plain, "192.0.2.1", "192.0.2.2", "red", false},
	} {
		if got := tc.link.Carries(netip.MustParseAddr(tc.local), netip.MustParseAddr(tc.remote), tc.bound); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
