package conf

import (
	"fmt"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// limited gives a neighbour a prefix-limit for all its families.
func limited(n obj, most int) obj {
	for _, a := range n["afi-safis"].([]any) {
		a.(obj)["prefix-limit"] = obj{"config": obj{"max-prefixes": most}}
	}
	return n
}

// TestPrefixLimitIsOurs: GoBGP gets no limit, of a neighbour's own or of its group.
func TestPrefixLimitIsOurs(t *testing.T) {
	group := obj{"config": obj{"peer-group-name": "g", "peer-as": 65001}, "afi-safis": []any{
		obj{"config": obj{"afi-safi-name": "ipv4-unicast"}, "prefix-limit": obj{"config": obj{"max-prefixes": 7, "shutdown-threshold-pct": 50, "restart-timer": 1.5}}},
	}}
	c := baseConf(nil, []any{
		obj{"config": obj{"neighbor-address": "127.0.0.2", "peer-group": "g"}},
		limited(neighborConf("127.0.0.3", 65001, 179, "ipv4-unicast"), 10),
	})
	c["peer-groups"] = []any{group}
	got := readConf(t, c, rib.Extras{})
	for _, n := range got.Set.Neighbors {
		for _, a := range n.AfiSafis {
			if a.PrefixLimit.Config.MaxPrefixes != 0 {
				t.Errorf("GoBGP gets a limit of %s", n.State.NeighborAddress)
			}
		}
	}
	if m := got.Set.PeerGroups[0].AfiSafis[0].PrefixLimit.Config.MaxPrefixes; m != 0 {
		t.Errorf("GoBGP gets a limit of %d for the group", m)
	}
	ofGroup := Limit{7, 3, 1500 * time.Millisecond}
	want := fmt.Sprint(map[string]map[bgp.RouteFamily]Limit{
		"127.0.0.2": {bgp.RF_IPv4_UC: ofGroup}, "127.0.0.3": {bgp.RF_IPv4_UC: {10, 8, 0}},
	}, map[string]map[bgp.RouteFamily]Limit{"g": {bgp.RF_IPv4_UC: ofGroup}})
	if have := fmt.Sprint(got.Limits.neighbors, got.Limits.groups); have != want {
		t.Errorf("%s, want %s", have, want)
	}
}
