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
