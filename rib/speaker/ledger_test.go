package speaker

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func change(p string, med uint32) rib.AnnounceChange {
	return rib.AnnounceChange{Announcement: rib.Announcement{Prefix: netip.MustParsePrefix(p), MED: med}}
}

// TestNoAnswer: an answer that got lost leaves a prefix not announced, and
// to be withdrawn before the next changes; a refusal leaves all as it was.
func TestNoAnswer(t *testing.T) {
	d := newLedger()
	d.confirmed([]rib.AnnounceChange{change("10.1.0.0/16", 1), change("10.2.0.0/16", 1)})
	d.failed([]rib.AnnounceChange{change("10.1.0.0/16", 2)}, errors.New("vrf not found"))
	if len(d.routes) != 2 || len(d.unanswered()) != 0 {
		t.Errorf("after a refusal: routes %v, unanswered %v", d.routes, d.unanswered())
	}
	d.failed([]rib.AnnounceChange{change("10.1.0.0/16", 2)}, fmt.Errorf("%w: in time", errNoAnswer))
	if len(d.routes) != 1 || len(d.unanswered()) != 1 || !d.unanswered()[0].Withdraw {
		t.Errorf("after a lost answer: routes %v, unanswered %v", d.routes, d.unanswered())
	}
	d.confirmed(d.unanswered())
	if len(d.routes) != 1 || len(d.unanswered()) != 0 {
		t.Errorf("after the withdrawal: routes %v, unanswered %v", d.routes, d.unanswered())
	}
}

// TestAlikeAnnouncementsAreKeptOnce: announcements that differ in nothing but the prefix have one
// value in common, which comes back with the prefix of each.
func TestAlikeAnnouncementsAreKeptOnce(t *testing.T) {
	d := newLedger()
	d.confirmed([]rib.AnnounceChange{change("10.1.0.0/16", 1), change("10.2.0.0/16", 1), change("10.3.0.0/16", 2)})
	one, two := netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.0.0/16")
	if d.routes[one] != d.routes[two] {
		t.Error("two announcements that say the same are kept twice")
	}
	list := d.list()
	if len(list) != 3 {
		t.Fatalf("announced is %v", list)
	}
	for i, want := range []rib.AnnounceChange{change("10.1.0.0/16", 1), change("10.2.0.0/16", 1), change("10.3.0.0/16", 2)} {
		if !list[i].Equal(&want.Announcement) {
			t.Errorf("announced is %v, not %v", list[i], want.Announcement)
		}
	}
	d.confirmed([]rib.AnnounceChange{change("10.1.0.0/16", 3)})
	if got := d.these([]netip.Prefix{one, two}); got[0].MED != 3 || got[1].MED != 1 {
		t.Errorf("after a change of one of the two: %v", got)
	}
	other, leaks := new(rib.Attrs), change("10.4.0.0/16", 1)
	leaks.Of = other
	again := leaks
	again.Prefix, again.Of = netip.MustParsePrefix("10.5.0.0/16"), new(rib.Attrs)
	d.confirmed([]rib.AnnounceChange{leaks, again})
	if got := d.these([]netip.Prefix{again.Prefix}); got[0].Of != again.Of {
		t.Error("an announcement passes on the path of another")
	}
}
