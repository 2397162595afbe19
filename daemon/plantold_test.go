package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestPlannedTelling: what neighbours would be told otherwise is listed by their own addresses, as
// much of it as is asked for; and BGP is asked with what the VRFs came to.
func TestPlannedTelling(t *testing.T) {
	p, b, next := planning(t)
	next.VRFs[1].Export.Policy = nil
	next.VRFs[1].Export.AdvertiseInstalled = true
	p.force.config().Neighbors = []rib.Neighbor{{VRF: "red", Netns: "red", Peer: netip.MustParseAddr("10.0.0.2"), Alias: alias1}}
	gone := rib.AnnounceChange{Announcement: rib.Announcement{Prefix: netip.MustParsePrefix("10.7.0.0/16"), MED: 5}}
	if err := b.Announce(t.Context(), "red", []rib.AnnounceChange{gone}); err != nil {
		t.Fatal(err)
	}
	b.preview.Tables = noTables{}
	var asked speaker.Outcome
	var most []int
	b.preview.Told = func(_ context.Context, o speaker.Outcome, n int) ([]speaker.Told, error) {
		asked, most = o, append(most, n)
		one := speaker.Told{Neighbor: alias1.String(), VRF: "red", PeerAS: 65002, Announced: 20, Withdrawn: 1, Changed: 1, First: []speaker.ToldChange{
			{Kind: speaker.Added, Prefix: netip.MustParsePrefix("10.1.0.0/16"), Terms: "nexthop 10.0.0.1"},
			{Kind: speaker.Removed, Prefix: netip.MustParsePrefix("10.2.0.0/16")},
		}}
		two := speaker.Told{Neighbor: "192.0.2.9", VRF: "default", PeerAS: 65009, Changed: 1, First: []speaker.ToldChange{
			{Kind: speaker.Changed, Prefix: netip.MustParsePrefix("10.1.0.0/16"), RD: 7, Terms: "nexthop 192.0.2.1"},
		}, Notes: []string{"a note"}}
		return []speaker.Told{two, one}, nil
	}
	told := func(r vrf.PlanRequest) (out []string) {
		t.Helper()
		err := p.Plan(t.Context(), r, func(i vrf.PlanItem) error {
			switch i.Kind {
			case vrf.PlanHearer:
				out = append(out, fmt.Sprintf("%s (%s): %+v, %d unlisted %q", i.Text, i.Neighbor, i.Totals.Told, i.Totals.Unlisted, i.Notes))
			case vrf.PlanTold:
				out = append(out, fmt.Sprintf("%s %s: %s", i.Op, i.Neighbor, i.Text))
			case vrf.PlanSummary:
				out = append(out, fmt.Sprintf("%+v", i.Totals.Told))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ofRed := []string{
		"10.0.0.2 in netns red AS 65002 in VRF red (10.0.0.2): {Announced:20 Withdrawn:1 Changed:1}, 20 unlisted []",
		"add 10.0.0.2: 10.1.0.0/16 nexthop 10.0.0.1", "remove 10.0.0.2: 10.2.0.0/16",
	}
	all := slices.Concat([]string{
		`192.0.2.9 AS 65009 in VRF default (192.0.2.9): {Announced:0 Withdrawn:0 Changed:1}, 0 unlisted ["a note"]`,
		"change 192.0.2.9: RD 0:7 10.1.0.0/16 nexthop 192.0.2.1",
	}, ofRed, []string{"{Announced:20 Withdrawn:1 Changed:2}"})
	if got := told(vrf.PlanRequest{Lines: -1}); !slices.Equal(got, all) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(all, "\n"))
	}
	if a, is := asked.Announcing["red"][gone.Prefix]; !is || a != nil || !asked.Advertising["red"].Installed {
		t.Errorf("BGP is asked with %+v", asked)
	}
	if st := asked.Standing["red"]; !slices.Contains(st.Confirmed, netip.MustParsePrefix("10.0.0.0/8")) {
		t.Errorf("of red's routes it knows %+v", st)
	}
	if got, want := told(vrf.PlanRequest{VRF: "red", Lines: 20}), append(ofRed, "{Announced:20 Withdrawn:1 Changed:1}"); !slices.Equal(got, want) {
		t.Errorf("of red %q, want %q", got, want)
	}
	told(vrf.PlanRequest{Lines: 3})
	told(vrf.PlanRequest{})
	if want := []int{-1, mostTold, 3, 0}; !slices.Equal(most, want) {
		t.Errorf("asked for %v changes, want %v", most, want)
	}
}
