package rib

import "testing"

// TestLead: which foreign route a nexthop leads by or ends at, and whether BGP's own routes are
// asked for it.
func TestLead(t *testing.T) {
	v := tenant()
	for _, tc := range []struct {
		nh, by   string
		settled  bool
		outranks string // the shortest prefix of ours that covers it and is used before, metric 20
	}{
		{nh: "192.0.2.1", by: "192.0.2.0/24", settled: true},
		{nh: "192.0.2.129", by: "192.0.2.128/25", settled: true},
		{nh: "2001:db8:1::9", by: "2001:db8:1::/64", settled: true},
		{nh: "fe80::7%eth0", settled: true},
		{nh: "fe80::7%eth99", settled: true},
		{nh: "127.0.0.1", settled: true},
		{nh: "10.1.7.1", by: "10.1.0.0/16", outranks: "10.1.0.0/17"},
		{nh: "10.1.2.1", by: "10.1.0.0/16", outranks: "10.1.0.0/17"},    // of the longer one the link is down
		{nh: "10.6.0.1", by: "10.6.0.0/16", outranks: "10.6.0.0/17"},    // discards
		{nh: "10.20.0.1", by: "10.20.0.0/16", outranks: "10.20.0.0/17"}, // encapsulates
		{nh: "2001:db8:8::1", by: "2001:db8:8::/48", outranks: "2001:db8:8::/49"},
		{nh: "11.0.0.1", outranks: "0.0.0.0/0"}, // only the default route covers it
	} {
		l := v.Lead(addr(tc.nh))
		if by := l.Route().Prefix; by.IsValid() != (tc.by != "") || by.IsValid() && by.String() != tc.by || l.Settled() != tc.settled {
			t.Errorf("%s leads by %s, settled %v, want %+v (%v)", tc.nh, l.Route().Prefix, l.Settled(), tc, l.Err)
		}
		if tc.settled {
			continue
		}
		bits := 0
		for ; bits < addr(tc.nh).BitLen(); bits++ {
			if p, _ := addr(tc.nh).Prefix(bits); l.Outranked(p, 20) {
				if p.String() != tc.outranks {
					t.Errorf("%s: before the foreign route comes ours for %s, want %s", tc.nh, p, tc.outranks)
				}
				break
			}
		}
	}
	// Of one prefix the lower metric counts, and the default route as any other where it leads.
	v.Foreign = NewForeignTable([]Route{
		{Prefix: prefix("10.1.0.0/16"), Metric: 20, Kind: KindUnicast, Hops: []Hop{{Gateway: addr("192.0.2.1"), Ifindex: 2}}},
		{Prefix: prefix("0.0.0.0/0"), Metric: 0, Kind: KindUnicast, Hops: []Hop{{Ifindex: 2}}},
	})
	v.ByDefault = true
	static, byDefault := v.Lead(addr("10.1.0.1")), v.Lead(addr("11.0.0.1"))
	if static.Outranked(prefix("10.1.0.0/16"), 20) || !static.Outranked(prefix("10.1.0.0/16"), 19) {
		t.Error("of one prefix it is not the lower metric that counts")
	}
	if len(byDefault.Hops) != 1 || byDefault.Settled() || !byDefault.Outranked(prefix("11.0.0.0/8"), 20) || byDefault.Outranked(prefix("0.0.0.0/0"), 20) {
		t.Errorf("a default route to a device leads %+v, settled %v", byDefault.Hops, byDefault.Settled())
	}
}

// TestResolveByDefault: with the key the default route leads to nexthops, in both families, and
// only where nothing longer does.
func TestResolveByDefault(t *testing.T) {
	v := tenant()
	for _, on := range []bool{false, true} {
		v.ByDefault = on
		for nh, gateway := range map[string]string{"11.0.0.1": "192.0.2.1", "2001:db8:77::1": "2001:db8:1::1"} {
			hops, via, err := v.Resolve(addr(nh))
			if (err == nil) != on || on && (len(hops) != 1 || hops[0].Gateway != addr(gateway) || via.Prefix.Bits() != 0) {
				t.Errorf("resolve_by_default %v: %s leads to %v by %s (%v)", on, nh, hops, via.Prefix, err)
			}
		}
		if hops, _, err := v.Resolve(addr("10.1.7.1")); err != nil || hops[0].Gateway != addr("192.0.2.1") {
			t.Errorf("resolve_by_default %v: what a longer route covers leads to %v (%v)", on, hops, err)
		}
		if _, _, err := v.Resolve(addr("10.6.0.1")); err == nil {
			t.Errorf("resolve_by_default %v: a blackhole is passed over for the default route", on)
		}
	}
}
