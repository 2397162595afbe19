package rib

import "testing"

// TestWeightsFitEveryKernel: another program's route or nexthop object may have weights that
// no group of ours can have on an older kernel; what ours come to keeps their proportion.
func TestWeightsFitEveryKernel(t *testing.T) {
	hop := func(gateway string, dev int, weight uint16) Hop {
		return Hop{Gateway: addr(gateway), Ifindex: dev, Weight: weight}
	}
	static := func(p string, hops ...Hop) Route {
		return Route{Prefix: prefix(p), Protocol: ProtoStatic, Kind: KindUnicast, Hops: hops}
	}
	v := View{Where: Where{Table: 254}, Links: twoLinks(), Foreign: NewForeignTable([]Route{
		{Prefix: prefix("192.0.2.0/24"), Protocol: ProtoStatic, Kind: KindUnicast, Scope: scopeLink, Hops: []Hop{{Ifindex: 2}}},
		{Prefix: prefix("198.51.100.0/24"), Protocol: ProtoStatic, Kind: KindUnicast, Scope: scopeLink, Hops: []Hop{{Ifindex: 3}}},
		static("10.1.0.0/16", hop("192.0.2.1", 2, 256), hop("198.51.100.1", 3, 128)),
		static("10.2.0.0/16", hop("192.0.2.1", 2, 65535), hop("198.51.100.1", 3, 1)),
		static("10.3.0.0/16", hop("192.0.2.1", 2, 255), hop("198.51.100.1", 3, 7)),
		static("10.4.0.0/16", hop("10.3.0.1", 0, 200), hop("198.51.100.9", 3, 100)), // twice: a hop within a hop
		static("10.5.0.0/16", hop("10.3.0.1", 0, 100), hop("10.1.0.1", 0, 100)),     // the same hops by both
	})}
	for nh, want := range map[string][]uint16{
		"10.1.0.1": {255, 127},
		"10.2.0.1": {255, 1},
		"10.3.0.1": {255, 7},
		"10.4.0.1": {255, 7, 1}, // 51000, 1400 and 100
		"10.5.0.1": {255, 67},   // 51000 and 13400
	} {
		hops, _, err := v.Resolve(addr(nh))
		if err != nil || len(hops) != len(want) {
			t.Errorf("%s: %v, %v", nh, hops, err)
			continue
		}
		for i, h := range hops {
			if h.Weight != want[i] {
				t.Errorf("%s: the weight of hop %d is %d, want %d", nh, i, h.Weight, want[i])
			}
		}
	}
}
