package gobgp3

import "testing"

// TestTargetsThatLeave: a VPN route whose route targets come to be others is taken back
// from the neighbours of the VRFs that it led into, and told again when they are back. One
// that leads there all the time, and one that is withdrawn, are as GoBGP has them.
func TestTargetsThatLeave(t *testing.T) {
	pe := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	customer := newPeer(t, "127.0.0.3", 65002, "ipv4-unicast", "ipv6-unicast")
	neighbour := newPeer(t, "127.0.0.4", 65003, "ipv4-unicast", "ipv6-unicast")
	vrf := func(name, rd string) obj { return vrfConf(name, rd, []string{rd}, []string{rd}) }
	unicast := []string{"ipv4-unicast", "ipv6-unicast"}
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrf("red", "65000:1"), vrf("blue", "65000:2")}, []any{
		neighborConf(pe.addr, 65001, pe.port, allFamilies...),
		inVRF(neighborConf(customer.addr, 65002, customer.port, unicast...), "red"),
		inVRF(neighborConf(neighbour.addr, 65003, neighbour.port, unicast...), "blue"),
	}))})
	for _, prefix := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		route := spec{prefix: prefix, rd: 1}
		hear := func(rts []uint32, red, blue bool) {
			t.Helper()
			route.rts = rts
			pe.announce(route)
			eventually(t, prefix+" is where it leads to", func() bool {
				return (len(customer.has(prefix, 0)) == 1) == red && (len(neighbour.has(prefix, 0)) == 1) == blue
			})
		}
		hear([]uint32{1, 2}, true, true)
		since := s.established(t, customer.addr)
		hear([]uint32{2}, false, true)
		hear([]uint32{1}, true, false)
		hear([]uint32{3}, false, false)
		hear([]uint32{1, 2, 3}, true, true)
		hear(nil, false, false)
		if now := s.established(t, customer.addr); now != since {
			t.Errorf("the session is up since %d, was %d", now, since)
		}
	}
}
