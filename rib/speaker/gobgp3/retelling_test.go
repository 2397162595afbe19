package gobgp3

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestToldOnce: of a reload that changes how routes are judged where they come in, and where they
// go out, a neighbour hears each once, as it is then: of what another one sent, and of what
// originates here; and of a reload that changes nothing of a route in the end it hears nothing.
func TestToldOnce(t *testing.T) {
	for _, vrf := range []string{"", "red"} {
		t.Run(vrf, func(t *testing.T) {
			x := &threeRaw{
				t: t, vrf: vrf, p: newHostile(t, "127.0.0.2", 65001, both()...),
				q: newHostile(t, "127.0.0.3", 65002, both()...), r: newHostile(t, "127.0.0.4", 65009, both()...),
			}
			s := x.start()
			home := vrf
			if vrf == "" {
				home = speaker.Default
			}
			s.announce(t, home, change("10.0.100.0/24", 1), change("2001:db8:64::/48", 1))
			all := []string{"+10.0.100.0/24", "+2001:db8:64::/48"}
			for _, by := range []*hostile{x.q, x.r, x.p} {
				x.hears("what originates here", by, all...)
			}
			own := all
			for n := range 6 {
				all = append(all, fmt.Sprintf("+10.0.%d.0/24", n), "+"+prefix(fmt.Sprintf("2001:db8:%x::/48", n)).String())
			}
			// policies sets MEDs where routes come in, and communities where they go out.
			policies := func(med, community string) obj {
				c := x.conf(obj{"import-policy-list": []string{"in"}, "export-policy-list": []string{"out"}}, nil, nil)
				c["policy-definitions"] = []any{
					obj{"name": "in", "statements": []any{obj{"name": "in1", "actions": obj{"bgp-actions": obj{"set-med": med}}}}},
					obj{"name": "out", "statements": []any{obj{"name": "out1", "actions": obj{"bgp-actions": obj{
						"set-community": obj{"options": "replace", "set-community-method": obj{"communities-list": []string{community}}},
						"set-med":       "9",
					}}}}},
				}
				return c
			}
			s.reload(t, policies("7", "65000:1"))
			x.hears("both change", x.q, all...)
			x.hears("both change", x.r, all...)
			x.hears("both change", x.p, own...)
			s.reload(t, policies("8", "65000:2"))
			x.hears("both change again", x.q, all...)
			x.hears("both change again", x.p, own...)
			x.hears("both change again", x.r, all...)
			x.p.send(x.p.some(false, true, 0, 1)...) // what came too often is before this
			for _, by := range []*hostile{x.q, x.r} {
				x.hears("a withdrawal", by, "-10.0.0.0/24")
			}
		})
	}
}
