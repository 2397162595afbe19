package doctor

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestApplied: what was applied over the API and is left out is broken, with why and how to be rid of it.
func TestApplied(t *testing.T) {
	t.Parallel()
	f := Facts{Overlooked: Overlooked{LeftOut: []vrf.Layer{
		{Key: vrf.LayerKey{Name: "green"}, VRF: "green", Failed: `65000:3 is the RD of VRF "red" too`},
		{Key: vrf.NeighborKey("10.0.0.7", "blue"), VRF: "blue", Failed: "there is no VRF \"blue\""},
	}}}
	got := applied(f)
	if len(got) != 2 {
		t.Fatalf("%d findings", len(got))
	}
	for i, words := range [][]string{
		{`VRF "green" is left out: 65000:3 is the RD of VRF "red" too.`, "vrfredist vrf delete green"},
		{"neighbour 10.0.0.7@blue is left out", "vrfredist neighbor delete 10.0.0.7 --netns blue"},
	} {
		for _, word := range words {
			if got[i].Level != Broken || !strings.Contains(got[i].What, word) {
				t.Errorf("it lacks %q: %+v", word, got[i])
			}
		}
	}
	if got := applied(Facts{}); got != nil {
		t.Errorf("where nothing is left out: %v", got)
	}
}
