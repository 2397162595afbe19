package gobgp3

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestRoutebook: while routes come, change and go at random, all routes of a route distinguisher, and all
// that come by a route target, are among those that the book says; and in the end nothing is left in it.
func TestRoutebook(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b, model := newRoutebook(), make(map[speaker.Destination][]rib.RT)
	check := func() {
		t.Helper()
		for n := range 6 {
			for _, p := range []part{
				{rds: map[rib.RD]struct{}{rib.RD(n + 1): {}}},
				{rts: map[rib.RT]struct{}{rib.RT(n + 1): {}}},
				{rts: map[rib.RT]struct{}{rib.RT(n + 1): {}}, rds: map[rib.RD]struct{}{rib.RD(n): {}}},
			} {
				has := make(map[bgp.AddrPrefixInterface]bool)
				for _, nlri := range b.within(p.rds, p.rts) {
					if has[nlri] {
						t.Fatalf("%v is there twice", nlri)
					}
					has[nlri] = true
				}
				for d, rts := range model {
					_, wanted := p.rds[d.RD]
					wanted = wanted || slices.ContainsFunc(rts, func(rt rib.RT) bool { _, is := p.rts[rt]; return is })
					if wanted && !has[b.of[d.RD].nlris[d.Prefix]] {
						t.Fatalf("%v of %v is not in %v", d, rts, p)
					}
				}
			}
		}
	}
	for i := range 3000 {
		d := speaker.Destination{RD: rib.RD(r.IntN(6)), Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", r.IntN(9))), EVPN: r.IntN(9) == 0}
		if r.IntN(2) == 0 {
			b.forget(d)
			delete(model, d)
		} else {
			var rts []rib.RT
			for range r.IntN(3) {
				rts = append(rts, rib.RT(r.IntN(6)+1))
			}
			b.note(d, bgp.NewLabeledVPNIPAddrPrefix(24, "10.0.0.0", *bgp.NewMPLSLabelStack(), nativeRD(d.RD)))
			b.target(d, rts)
			if booked(d) {
				model[d] = rts
			}
		}
		if i%50 == 0 {
			check()
		}
	}
	for d := range model {
		b.forget(d)
	}
	if len(b.of)+len(b.by) > 0 {
		t.Errorf("%v and %v are left of no routes", b.of, b.by)
	}
}

// TestRoutebookFindsOne: what is looked at for a VRF that comes is what it imports, however many other
// routes there are.
func TestRoutebookFindsOne(t *testing.T) {
	b := newRoutebook()
	for rd := range rib.RD(1000) {
		for i := range 20 {
			d := speaker.Destination{RD: rd + 1, Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", i))}
			b.note(d, bgp.NewLabeledVPNIPAddrPrefix(24, "10.0.0.0", *bgp.NewMPLSLabelStack(), nativeRD(d.RD)))
			b.target(d, []rib.RT{rib.RT(d.RD)})
		}
	}
	p := part{rts: map[rib.RT]struct{}{7: {}}, rds: map[rib.RD]struct{}{5000: {}}}
	if n := len(b.within(p.rds, p.rts)); n != 20 {
		t.Errorf("%d routes are looked at for 20", n)
	}
}
