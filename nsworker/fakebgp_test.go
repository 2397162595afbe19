package nsworker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// fakeBGP holds feeds and announcements of any number of VRFs.
type fakeBGP struct {
	mu        sync.Mutex
	feeds     map[string]*rib.Feed
	announced map[string]map[netip.Prefix]rib.Announcement
	fail      int        // how many more Announce calls fail
	mute      error      // what Candidates fails with
	unmatched []rib.Path // what Candidates returns beside the feeds' paths
	told      int        // how many Announce calls there were
	lost      int        // how many more take effect and fail all the same
	refused   []rib.Refusal
	tellings  map[netip.Prefix]rib.Telling
	offers    []rib.Offer
	policy    func(*rib.Path) bool // of BGP's own, for what is announced; nil: none
	unreached map[string]map[rib.PathNexthop]struct{}
	confirmed map[string]map[netip.Prefix]bool
	deaf      map[string]bool
	takes     []string // by what VRFs take packets, each time that it is another thing than before
	untold    []func() // who waits until PEs have been told; kept where slow
	slow      bool     // PEs are told when the test says so
}

func newFakeBGP() *fakeBGP {
	return &fakeBGP{feeds: make(map[string]*rib.Feed), announced: make(map[string]map[netip.Prefix]rib.Announcement), unreached: make(map[string]map[rib.PathNexthop]struct{}), confirmed: make(map[string]map[netip.Prefix]bool), deaf: make(map[string]bool)}
}

func (b *fakeBGP) Feed(vrf string) (*rib.Feed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.feeds[vrf] == nil {
		b.feeds[vrf] = rib.NewFeed()
	}
	return b.feeds[vrf], nil
}

func (b *fakeBGP) Announced(vrf string) []rib.Announcement {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.announced[vrf]))
}

func (b *fakeBGP) Announce(_ context.Context, vrf string, changes []rib.AnnounceChange) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told++
	if b.fail > 0 {
		b.fail--
		return errInjected
	}
	if b.announced[vrf] == nil {
		b.announced[vrf] = make(map[netip.Prefix]rib.Announcement)
	}
	for _, c := range changes {
		if c.Withdraw {
			delete(b.announced[vrf], c.Prefix)
		} else {
			b.announced[vrf][c.Prefix] = c.Announcement
		}
	}
	if b.lost > 0 {
		b.lost--
		return errInjected
	}
	return nil
}

func (b *fakeBGP) Candidates(_ context.Context, vrf string, prefix netip.Prefix) ([]rib.Path, error) {
	f, _ := b.Feed(vrf)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mute != nil {
		return nil, b.mute
	}
	list := append(slices.Clone(f.Lookup(prefix)), b.unmatched...)
	if a, is := b.announced[vrf][prefix]; is && !slices.ContainsFunc(list, func(p rib.Path) bool { return p.Attrs.Imported }) {
		p := rib.Path{Prefix: prefix, Attrs: &rib.Attrs{
			Via: &rib.Via{Source: vrf, Imported: true}, Tags: &rib.Tags{Communities: a.Communities, Large: a.Large}, MED: a.MED, LocalPref: 100,
		}}
		if b.policy == nil || b.policy(&p) {
			list = append(list, p)
		}
	}
	return list, nil
}

// announcements prints what a VRF announces, a line each.
func (b *fakeBGP) announcements(vrf string) string {
	var lines []string
	for _, a := range b.Announced(vrf) {
		lines = append(lines, fmt.Sprintf("%s med %d", a.Prefix, a.MED))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (b *fakeBGP) Refused(_ string, p netip.Prefix) (list []rib.Refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.refused {
		if !p.IsValid() || r.Prefix == p {
			list = append(list, r)
		}
	}
	return list
}

func (b *fakeBGP) Telling(_ string, p netip.Prefix) (rib.Telling, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tellings[p], nil
}

func (b *fakeBGP) Offers(_ context.Context, _ string, p netip.Prefix) (list []rib.Offer, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.offers {
		if o.Path.Prefix == p {
			list = append(list, o)
		}
	}
	return list, nil
}

func (b *fakeBGP) Takes(vrf string, by rib.Carried, told func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deaf[vrf] = by == (rib.Carried{}); !b.deaf[vrf] {
		delete(b.deaf, vrf)
	}
	says := vrf + " by " + by.Address()
	if b.deaf[vrf] {
		says = vrf + " by nothing"
	}
	if len(b.takes) == 0 || b.takes[len(b.takes)-1] != says {
		b.takes = append(b.takes, says)
	}
	if b.slow {
		b.untold = []func(){told}
		return
	}
	told()
}

// took is by what VRFs were said to take packets, and how often something was announced.
func (b *fakeBGP) took() (by []string, announced int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.takes), b.told
}

// tells has PEs told.
func (b *fakeBGP) tells() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, told := range b.untold {
		told()
	}
	b.untold, b.slow = nil, false
}

func (b *fakeBGP) Confirmed(vrf string, whole bool, changes []rib.Confirmation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole || b.confirmed[vrf] == nil {
		if !whole {
			panic("a worker does not begin with all that it confirms")
		}
		b.confirmed[vrf] = make(map[netip.Prefix]bool)
	}
	for _, c := range changes {
		if c.Is == b.confirmed[vrf][c.Prefix] {
			panic("a worker confirms what it has confirmed")
		}
		b.confirmed[vrf][c.Prefix] = c.Is
	}
}

func (b *fakeBGP) Chose(string, []rib.Choice) {}

// isConfirmed are the prefixes that are.
func (b *fakeBGP) isConfirmed(vrf string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for p, is := range b.confirmed[vrf] {
		if is {
			list = append(list, p.String())
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (b *fakeBGP) Unreached(vrf string, of map[rib.PathNexthop]struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unreached[vrf] = of
}

// notReached are the nexthops that BGP was told are not reached.
func (b *fakeBGP) notReached(vrf string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for n := range b.unreached[vrf] {
		list = append(list, n.Nexthop.String())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
