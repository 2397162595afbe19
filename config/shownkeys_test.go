package config

import (
	"maps"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func keysShown[S any](table []shownKey[S]) (names []string) {
	for _, k := range table {
		names = append(names, k.key)
	}
	slices.Sort(names)
	return names
}

// A key that is read is shown, in what is in force, with its default.
func TestEveryKeyIsShown(t *testing.T) {
	t.Parallel()
	for section, lists := range map[string][2][]string{
		"netlink": {slices.Sorted(maps.Keys(netlinkKeys)), keysShown(settingsShown)},
		"import":  {slices.Sorted(maps.Keys(importKeys)), keysShown(importShown)},
		"export":  {slices.Sorted(maps.Keys(exportKeys)), keysShown(exportShown)},
		"limits":  {slices.Sorted(maps.Keys(limitKeys)), keysShown(limitsShown)},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("[%s] has the keys %v, of which are shown %v", section, lists[0], lists[1])
		}
	}
	// Of what has no default there is a value where it is set.
	med := uint32(7)
	imp := rib.ImportPolicy{Interfaces: []string{"a"}, Protocols: []uint8{4}, Tables: []uint32{7}, MED: &med, Communities: []rib.Community{1}, LargeCommunities: []rib.LargeCommunity{{}}}
	for _, k := range importShown {
		if valueNode(k.value(&imp)) == nil && k.key != "policy" {
			t.Errorf("%s is not shown", k.key)
		}
	}
}
