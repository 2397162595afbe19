package config

import (
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// selectPaths has every VRF choose among paths as GoBGP does by its route-selection-options.
func selectPaths(root *node, lists ...[]vrf.Spec) {
	options := root.get("global").get("route-selection-options").get("config")
	on := func(key string) bool {
		n := options.get(key)
		return n != nil && n.text == "true"
	}
	by := rib.Selection{
		AlwaysCompareMED:        on("always-compare-med"),
		IgnoreASPathLength:      on("ignore-as-path-length"),
		ExternalCompareRouterID: on("external-compare-router-id"),
	}
	for _, specs := range lists {
		for i := range specs {
			specs[i].Export.Selection = by
		}
	}
}
