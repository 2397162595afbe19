package guard

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLimitIsGivenBack: a prefix that is not in any more takes no place of its VRF's
// limit, whatever took it out.
func TestLimitIsGivenBack(t *testing.T) {
	t.Parallel()
	const martian = "240.1.0.0/16"
	accepts := rib.DefaultTerms()
	accepts.AcceptMartians = []netip.Prefix{netip.MustParsePrefix("240.0.0.0/4")}
	for name, out := range map[string]func(x *pair, rules Rules, appeared *atomic.Bool){
		"a withdrawal": func(x *pair, _ Rules, _ *atomic.Bool) {
			x.send(announcement(nlri("192.0.2.0/24"), nil, nil))
		},
		"a loop": func(x *pair, _ Rules, _ *atomic.Bool) {
			x.send(announcement(nil, slices.Concat(origin, sequence(65002, 65000), nexthop), nlri("192.0.2.0/24")))
		},
		"a subnet of its own": func(x *pair, _ Rules, appeared *atomic.Bool) {
			appeared.Store(true)
			x.guard.Own("a", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
		},
		"announced again, a subnet of its own meanwhile": func(x *pair, _ Rules, appeared *atomic.Bool) {
			appeared.Store(true)
			x.send(announcement(nil, plainAttrs(), nlri("192.0.2.0/24")))
		},
		"announced again, a martian meanwhile": func(x *pair, rules Rules, _ *atomic.Bool) {
			rules.Terms = rib.DefaultTerms()
			x.conn.record.rules.Store(&rules)
			x.send(announcement(nil, plainAttrs(), nlri(martian)))
		},
		"the end of the session": func(x *pair, _ Rules, _ *atomic.Bool) {
			if err := x.conn.Close(); err != nil {
				x.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var appeared atomic.Bool
			limit := NewLimit(10, nil)
			rules := with(customer, func(r *Rules) {
				r.Terms, r.Limit = accepts, limit
				r.Own = func(p netip.Prefix) bool { return appeared.Load() && own(p) }
			})
			x := established(t, setup{rules: rules})
			x.send(announcement(nil, plainAttrs(), nlri("10.8.0.0/16", "192.0.2.0/24", martian)))
			if h := x.hear(); len(h.announced) != 3 || limit.Used() != 3 {
				t.Fatalf("got %+v, and %d places are taken", h, limit.Used())
			}
			out(x, rules, &appeared)
			if name == "the end of the session" {
				if n := limit.Used(); n != 0 {
					t.Errorf("%d places are taken after it", n)
				}
				return
			}
			if h := x.hear(); len(h.withdrawn) != 1 || limit.Used() != 2 {
				t.Errorf("got %+v, and %d places are taken", h, limit.Used())
			}
		})
	}
}
