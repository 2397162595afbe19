package gobgp3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// What no VRF imports is found too, under any RD, and nothing of another prefix.
func TestCandidates(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	conf := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, nil)}, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)})
	s := run(t, Options{Config: toJSON(t, conf)})
	p.announce(spec{prefix: "10.1.0.0/16", rd: 9, rts: []uint32{9}})
	p.announce(spec{prefix: "10.1.0.0/16", rd: 1, rts: []uint32{1}})
	p.announce(spec{prefix: "10.2.0.0/16", rd: 1, rts: []uint32{1}})
	p.announce(spec{prefix: "2001:db8:1::/48", rd: 9, rts: []uint32{9}})
	p.announce(spec{prefix: "10.3.0.0/16"})
	s.await(t, "red", "10.2.0.0/16", count(1))
	s.await(t, speaker.Default, "10.3.0.0/16", count(1))

	for _, tc := range []struct {
		vrf, prefix string
		want        []string
	}{
		{"red", "10.1.0.0/16", []string{"65001:1", "65001:9"}},
		{"red", "2001:db8:1::/48", []string{"65001:9"}},
		{"red", "10.0.0.0/8", nil},
		{"red", "10.3.0.0/16", nil},
		{speaker.Default, "10.3.0.0/16", []string{"0:0"}},
		{speaker.Default, "10.1.0.0/16", nil},
	} {
		var got []string
		eventually(t, fmt.Sprintf("candidates of %s in %s: %v", tc.prefix, tc.vrf, tc.want), func() bool {
			paths, err := s.Candidates(t.Context(), tc.vrf, prefix(tc.prefix))
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, path := range paths {
				got = append(got, path.RD.String())
				if path.Prefix != prefix(tc.prefix) || path.RD != 0 && len(path.Attrs.RTs) != 1 {
					t.Fatalf("%+v", path)
				}
			}
			return slices.Equal(got, tc.want)
		})
	}
}

// TestMoreRDsThanAtOnce: what is asked about a VRF is found however many VRFs there are: who is told
// of a route of its neighbours, and what another PE sent that was not taken.
func TestMoreRDsThanAtOnce(t *testing.T) {
	many := func() (vrfs []any) {
		for i := range rdsAtOnce + 1 {
			vrfs = append(vrfs, vrfConf(fmt.Sprintf("v%d", i), fmt.Sprintf("64999:%d", i+1), nil, nil))
		}
		return append(vrfs, vrfConf("last", "65001:9999", []string{"65000:1"}, []string{"65000:1"}))
	}
	t.Run("telling", func(t *testing.T) {
		from, to := newHostile(t, "127.0.0.2", 65001), newHostile(t, "127.0.0.3", 65002)
		s := run(t, Options{Config: toJSON(t, baseConf(many(), []any{in("last", from.conf("ipv4-unicast")), in("last", to.conf("ipv4-unicast"))}))})
		eventually(t, "the sessions are up", func() bool { return from.isUp() && to.isUp() })
		from.send(offered("10.1.0.0", []uint16{65001}))
		s.await(t, "last", "10.1.0.0/16", count(1))
		if got, want := s.tellings(t, "last", "10.1.0.0/16"), "127.0.0.3 in last: true"; !strings.Contains(got, want) {
			t.Errorf("it says\n%s\nand not %q", got, want)
		}
	})
	t.Run("offers", func(t *testing.T) {
		p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
		conf := baseConf(many(), []any{neighborConf(p.addr, 65001, p.port, allFamilies...)})
		conf["global"].(obj)["apply-policy"] = obj{"config": obj{"default-import-policy": "reject-route"}}
		s := run(t, Options{Config: toJSON(t, conf)})
		p.announce(spec{prefix: "10.1.0.0/16", rd: 9999, rts: []uint32{1}})
		eventually(t, "it is among the offers", func() bool {
			found, err := s.Offers(t.Context(), "last", prefix("10.1.0.0/16"))
			if err != nil {
				t.Fatal(err)
			}
			return len(found) == 1 && found[0].Reason != ""
		})
	})
}
