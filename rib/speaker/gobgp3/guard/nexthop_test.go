package guard

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// bytesOf are addresses one behind the other, for a VPN with a distinguisher before each.
func bytesOf(vpn bool, list ...string) (b []byte) {
	for _, text := range list {
		if vpn {
			b = append(b, make([]byte, sizeOfRD)...)
		}
		b = append(b, netip.MustParseAddr(text).AsSlice()...)
	}
	return b
}

// reachBy is an MP_REACH_NLRI with a nexthop of any length.
func reachBy(afi, safi byte, hop, prefixes []byte) []byte {
	return attr(0x80, 14, slices.Concat([]byte{0, afi, safi, byte(len(hop))}, hop, []byte{0}, prefixes)...)
}

// hopOf is the nexthop of the MP_REACH_NLRI in a message that GoBGP gets.
func hopOf(t *testing.T, m []byte) []byte {
	t.Helper()
	var u update
	if err := u.parse(m[headerSize:]); err != nil {
		t.Fatal(err)
	}
	for _, a := range u.attrs {
		if a.kind == kindReach {
			return a.value[4 : 4+int(a.value[3])]
		}
	}
	t.Fatal("no MP_REACH_NLRI")
	return nil
}

// TestUnspecifiedNexthop: of :: and a link-local address, as BIRD sends them for want of a
// global one, GoBGP gets the second, in every family and also where a list is divided; all
// else it gets as it came.
func TestUnspecifiedNexthop(t *testing.T) {
	t.Parallel()
	six, four := nlri("2001:db8:1::/48"), nlri("10.1.0.0/16")
	for name, tc := range map[string]struct {
		afi, safi byte
		hop, nlri []byte
		want      []byte
	}{
		"IPv6":                      {2, 1, bytesOf(false, "::", "fe80::1"), six, bytesOf(false, "fe80::1")},
		"IPv4 by IPv6":              {1, 1, bytesOf(false, "::", "fe80::1"), four, bytesOf(false, "fe80::1")},
		"VPNv6":                     {2, 128, bytesOf(true, "::", "fe80::1"), vpn("2001:db8:1::/48"), bytesOf(true, "fe80::1")},
		"a global one":              {2, 1, bytesOf(false, "2001:db8::1", "fe80::1"), six, bytesOf(false, "2001:db8::1", "fe80::1")},
		"twice the same":            {2, 1, bytesOf(false, "fe80::1", "fe80::1"), six, bytesOf(false, "fe80::1", "fe80::1")},
		":: and a global one":       {2, 1, bytesOf(false, "::", "2001:db8::1"), six, bytesOf(false, "::", "2001:db8::1")},
		":: alone":                  {2, 1, bytesOf(false, "::"), six, bytesOf(false, "::")},
		"of a VPN with 32 bytes":    {2, 128, bytesOf(false, "2001:db8::1", "fe80::1"), vpn("2001:db8:1::/48"), bytesOf(false, "2001:db8::1", "fe80::1")},
		"link-local, then anything": {2, 1, bytesOf(false, "fe80::1", "::"), six, bytesOf(false, "fe80::1", "::")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}})
			x.send(announcement(nil, plainAttrs(reachBy(tc.afi, tc.safi, tc.hop, tc.nlri)), nil))
			if got := hopOf(t, x.read()); !slices.Equal(got, tc.want) {
				t.Errorf("GoBGP gets %x, want %x", got, tc.want)
			}
			if n := len(x.guard.Reports()[0].Counts); n != 0 {
				t.Errorf("%d interventions are counted", n)
			}
		})
	}
	t.Run("divided", func(t *testing.T) {
		t.Parallel()
		var list []byte
		for i := range 200 {
			list = append(list, 48, 0x20, 0x01, 0x0d, 0xb8, 1, byte(i))
		}
		x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}})
		x.send(announcement(nil, plainAttrs(reachBy(2, 1, bytesOf(false, "::", "fe80::1"), list)), nil))
		messages := x.until()
		if len(messages) != 4 {
			t.Errorf("%d messages", len(messages))
		}
		for _, m := range messages {
			if got := hopOf(t, m); !slices.Equal(got, bytesOf(false, "fe80::1")) {
				t.Errorf("GoBGP gets %x", got)
			}
		}
	})
}

// TestPairs: the guard knows the link-local address beside a global one, by neighbour, as
// long as the neighbour names it.
func TestPairs(t *testing.T) {
	t.Parallel()
	x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms()}})
	send := func(hop ...string) {
		x.send(announcement(nil, plainAttrs(reachBy(2, 1, bytesOf(false, hop...), nlri("2001:db8:1::/48"))), nil))
		x.read()
	}
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	is := func(global netip.Addr, want string) {
		t.Helper()
		got := x.guard.LinkLocal("192.0.2.2", global)
		if want == "" && got.IsValid() || want != "" && got.String() != want {
			t.Errorf("beside %s is %s, want %q", global, got, want)
		}
	}
	is(a, "")
	send("2001:db8::1", "fe80::1")
	send("2001:db8::2", "fe80::2") // somebody else on the link
	is(a, "fe80::1")
	is(b, "fe80::2")
	send("2001:db8::1", "fe80::9") // it has another one now
	send("2001:db8::2")
	is(a, "fe80::9")
	is(b, "")
	if got := x.guard.LinkLocal("192.0.2.3", a); got.IsValid() {
		t.Errorf("another neighbour's is %s", got)
	}
	var p pairs
	for i := range 2 * mostPairs {
		p.note(append([]byte{32}, bytesOf(false, netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)}).String(), "fe80::1")...))
	}
	if len(p.beside) == 0 || len(p.beside) > mostPairs {
		t.Errorf("%d pairs are remembered", len(p.beside))
	}
	x.write(message(bgp.BGP_MSG_KEEPALIVE)) // the session stands
}

// TestOwnSix: of what GoBGP sends, IPv6 unicast routes with our own IPv4 address as their
// nexthop get the IPv6 one, and nothing else changes.
func TestOwnSix(t *testing.T) {
	t.Parallel()
	own, addr := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	prefix := nlri("2001:db8:1::/48")
	reach := func(safi byte, hop string) []byte {
		return announcement(nil, slices.Concat(origin, sequence(65000), reachBy(2, safi, bytesOf(false, hop), prefix)), nil)
	}
	for name, tc := range map[string]struct{ in, want []byte }{
		"our own":         {reach(1, "::ffff:192.0.2.1"), reach(1, "2001:db8::1")},
		"another's":       {reach(1, "::ffff:192.0.2.2"), nil},
		"an IPv6 one":     {reach(1, "2001:db8::7"), nil},
		"labelled":        {reach(4, "::ffff:192.0.2.1"), nil}, // RFC 4798
		"IPv4":            {announcement(nil, plainAttrs(), nlri("10.0.0.0/8")), nil},
		"a withdrawal":    {announcement(nil, attr(0x80, 15, append([]byte{0, 2, 1}, prefix...)...), nil), nil},
		"End-of-RIB":      {announcement(nil, nil, nil), nil},
		"a KEEPALIVE":     {message(bgp.BGP_MSG_KEEPALIVE), nil},
		"cut off":         {reach(1, "::ffff:192.0.2.1")[:40], nil},
		"with long attrs": {announcement(nil, slices.Concat(attr(0xd0, 32, make([]byte, 300)...), reachBy(2, 1, bytesOf(false, "::ffff:192.0.2.1"), prefix)), nil), announcement(nil, slices.Concat(attr(0xd0, 32, make([]byte, 300)...), reachBy(2, 1, bytesOf(false, "2001:db8::1"), prefix)), nil)},
	} {
		before := slices.Clone(tc.in)
		want := tc.want
		if want == nil {
			want = tc.in
		}
		if got := withNexthop(tc.in, own, func() netip.Addr { return addr }); !slices.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
		if got := withNexthop(tc.in, own, func() netip.Addr { return netip.Addr{} }); !slices.Equal(got, tc.in) || !slices.Equal(tc.in, before) {
			t.Errorf("%s: without an address it becomes %x", name, got)
		}
	}
	asked := 0
	x := established(t, setup{rules: Rules{Terms: rib.DefaultTerms(), Local: own, Six: func(local netip.Addr, bound string) netip.Addr {
		if asked++; local != own || bound != "" {
			t.Errorf("asked for the link of %s, bound to %q", local, bound)
		}
		return addr
	}}})
	x.write(reach(1, "::ffff:192.0.2.1"))
	x.write(reach(1, "::ffff:192.0.2.1"))
	eventually(t, "the neighbour gets both with our IPv6 address", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return bytes.Count(x.sent, addr.AsSlice()) == 2 && asked == 1
	})
}
