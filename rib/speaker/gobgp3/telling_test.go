package gobgp3

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// tellings renders what neighbours are told of a prefix, a line each.
func (r *running) tellings(t *testing.T, vrf, pfx string) string {
	t.Helper()
	x, err := r.Telling(vrf, prefix(pfx))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range x.Sent {
		out = append(out, fmt.Sprintf("out %v by %s then %q", s.Out, s.By, s.Then))
	}
	for _, h := range x.Hearers {
		if h.EVPN {
			h.VRF += " by EVPN"
		}
		out = append(out, fmt.Sprintf("%s in %s: %v by %s then %q %s", h.Name, h.VRF, h.Told, h.By, h.Then, h.Terms))
	}
	return strings.Join(out, "\n")
}

// TestTelling: who is told of a prefix, by which statement of the file's own names, and who is not,
// because of what; in the global table and in a VRF, of either family.
func TestTelling(t *testing.T) {
	for _, vrf := range []string{"", "red"} {
		t.Run(vrf, func(t *testing.T) {
			x, name := newFollowed(t, vrf), vrfOrDefault(vrf)
			s := x.running
			s.reload(t, x.conf(obj{"export-policy-list": []string{"no1"}}, nil, obj{"export-policy-list": []string{"no2"}, "default-export-policy": "accept-route"}))
			for pfx, want := range map[string][]string{
				"10.0.0.0/24": {
					"127.0.0.2 in " + name + ": false by the path is its own", "127.0.0.3 in " + name + ": true by", "127.0.0.4 in " + name + ": true by", "nexthop 127.0.0.1 AS path 65000 65001",
				},
				"10.0.1.0/24":     {"127.0.0.3 in " + name + `: false by statement "no1-0" of policy "no1"`},
				"2001:db8:2::/48": {"127.0.0.4 in " + name + `: false by statement "no2-1" of policy "no2", in export-policy-list of the neighbour`, "127.0.0.3 in " + name + ": true"},
				"10.99.0.0/24":    {""},
			} {
				got := s.tellings(t, name, pfx)
				for _, w := range want {
					if !strings.Contains(got, w) || w == "" && got != "" {
						t.Errorf("of %s it says\n%s\nand not %q", pfx, got, w)
					}
				}
				if strings.Contains(got, ruleName) {
					t.Errorf("of %s it says what nobody wrote:\n%s", pfx, got)
				}
			}
			if err := s.Withhold(t.Context(), map[string]rib.Advertising{name: {Rejects: noMED(0)}}); err != nil {
				t.Fatal(err)
			}
			if got := s.tellings(t, name, "10.0.0.0/24"); strings.Count(got, "none of its paths may be told now") != 3 {
				t.Errorf("where a policy of the VRF rejects it, it says\n%s", got)
			}
			x.r.cut()
			eventually(t, "the session that ended is said", func() bool {
				return strings.Contains(s.tellings(t, name, "10.0.0.0/24"), "127.0.0.4 in "+name+": false by its session is not up")
			})
		})
	}
}

const ruleName = "vrfredist/" // of what is in no file

// TestTellingOfSend: what the policy of what goes out of a VRF makes of its own paths, by the rules
// as the file has them, and what its neighbours and PEs are told.
func TestTellingOfSend(t *testing.T) {
	x := newGoingOut(t)
	c := x.read("reject",
		obj{"name": "tagged", "communities": []string{"65003:1"}, "action": "next", "set-med": 77},
		obj{"prefixes": []string{"10.2.0.0/16", "2001:db8:2::/48"}, "action": "reject"},
		obj{"name": "mine", "prefixes": []string{"10.1.0.0/16", "2001:db8:1::/48"}, "action": "accept"})
	s := run(t, Options{Config: c.BGP, Extras: c.Extras})
	for _, p := range []*peer{x.pe, x.abroad, x.customer} {
		s.awaitState(t, p.addr, "established")
	}
	community := &api.CommunitiesAttribute{Communities: []uint32{65003<<16 | 1}}
	for i, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		x.customer.announce(spec{prefix: pfx, attrs: []proto.Message{community}})
		s.announce(t, "red", change([]string{"10.2.0.0/16", "2001:db8:2::/48"}[i], 5), change([]string{"10.5.0.0/16", "2001:db8:5::/48"}[i], 5))
		eventually(t, "the PE has "+pfx, func() bool { return len(x.pe.has(pfx, 1)) == 1 })
	}
	for pfx, want := range map[string][]string{
		"10.1.0.0/16":     {`out true by policy "to-pe", rule 3 (mine) then ["policy \"to-pe\", rule 1 (tagged)"]`, "127.0.0.2 in default: true by", "MED 77", "127.0.0.4 in red: false by the path is its own"},
		"2001:db8:2::/48": {`out false by policy "to-pe", rule 2 then []`, `127.0.0.2 in default: false by policy "to-pe", rule 2`, "127.0.0.4 in red: true by"},
		"10.5.0.0/16":     {`out false by the default of policy "to-pe" then []`, `127.0.0.3 in default: false by the default of policy "to-pe"`},
	} {
		got := s.tellings(t, "red", pfx)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("of %s it says\n%s\nand not %q", pfx, got, w)
			}
		}
		if strings.Contains(got, ruleName) || strings.Contains(got, "in blue") {
			t.Errorf("of %s it says\n%s", pfx, got)
		}
	}
	if got := s.tellings(t, speaker.Default, "10.1.0.0/16"); got != "" {
		t.Errorf("of the global table it says\n%s", got)
	}
}
