package gobgp3

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// TestForetoldByLabel: a plan knows what goes out of a VRF by MPLS and by SRv6: where it comes to be
// carried so, with another label, nexthop or SID, and no more; and what the reload does then is that.
func TestForetoldByLabel(t *testing.T) {
	x := newCarrying(t, rib.Extras{})
	x.announceAll()
	for _, pfx := range customersPrefixes {
		eventually(t, "the PEs have "+pfx, func() bool { return len(x.pe.has(pfx, 1)) == 1 && len(x.abroad.has(pfx, 1)) == 1 })
	}
	otherLabel, otherSource, otherSID, nowhere := redMPLS, redMPLS, redSRv6, redSRv6
	otherLabel.Label = 16011
	otherSource.Source = netip.MustParseAddr("10.255.0.9")
	otherSID.SRv6.SID = netip.MustParseAddr("fd00:1:0:1:200::")
	nowhere.SRv6.SID = netip.Addr{}
	for _, step := range []struct {
		name string
		by   rib.Carried
		want []string
	}{
		{"it comes to be carried by MPLS", redMPLS, signed("~")},
		{"it stays so", redMPLS, nil},
		{"with another label", otherLabel, signed("~")},
		{"with another nexthop", otherSource, signed("~")},
		{"by SRv6", redSRv6, signed("~")},
		{"by another SID", otherSID, signed("~")},
		{"without a number", nowhere, signed("-")},
		{"with one", redSRv6, signed("+")},
		{"by EVPN", redCarried, signed("+", "-")},
		{"by MPLS again", redMPLS, signed("+", "-")},
	} {
		told := x.foresees(carriedBy(step.by), speaker.Outcome{})
		for _, p := range []*peer{x.pe, x.abroad} {
			if got := told[p.addr]; !slices.Equal(got, step.want) {
				t.Errorf("%s: %s would be told %q, want %q", step.name, p.addr, got, step.want)
			}
			delete(told, p.addr)
		}
		if len(told) > 0 {
			t.Errorf("%s: others would be told %q", step.name, told)
		}
		x.reloadAs(carriedBy(step.by))
		x.takes(step.by)
		switch {
		case step.by.ByEVPN():
			x.told(step.name, x.pe, customersPrefixes[0], five("65003", 0, customersCommunity, "65000:1"), 0)
		case step.by.Numbered():
			x.allOf(step.name, step.by)
		default:
			x.hasOf(step.name, x.pe, customersPrefixes[0], "")
		}
	}
	x.Takes("red", rib.Carried{}, func() {})
	x.hasOf("deaf", x.pe, ownPrefixes[0], "")
	if told := x.foresees(carriedBy(redSRv6), speaker.Outcome{}); len(told) > 0 {
		t.Errorf("of a VRF that takes no packets others would be told %q", told)
	}
}

// TestForetoldAnnouncementsByLabel: what a VRF that is carried would announce otherwise, in its terms.
func TestForetoldAnnouncementsByLabel(t *testing.T) {
	for label, by := range map[string]rib.Carried{"label 16010": redMPLS, "SID fd00:1:0:1:100::": redSRv6} {
		t.Run(label, func(t *testing.T) {
			x := newLabelled(t, by)
			x.allOf("at first", by)
			fresh := prefix("10.8.0.0/16")
			p, err := x.Preview(toJSON(t, x.conf), carriedBy(by))
			if err != nil {
				t.Fatal(err)
			}
			o := speaker.Outcome{Announcing: speaker.Announcing{"red": {fresh: {Prefix: fresh, MED: 1}, prefix(ownPrefixes[0]): nil}}}
			list, err := p.Told(t.Context(), o, -1)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(s speaker.Told) bool { return s.Neighbor == x.pe.addr })
			if i < 0 || len(list[i].First) != 2 || list[i].First[0].Prefix != prefix(ownPrefixes[0]) || list[i].First[0].Kind != speaker.Removed ||
				list[i].First[1].Prefix != fresh || !strings.HasPrefix(list[i].First[1].Terms, "nexthop "+by.Source.String()+" "+label) {
				t.Errorf("%s: %+v", label, list)
			}
		})
	}
}

// TestTellingByLabel: explain says with which nexthop, and by which label or SID, a PE is told of a
// route; and of a VRF that takes no packets why it is not. The VRF's own neighbours know of neither.
func TestTellingByLabel(t *testing.T) {
	for way, by := range map[string]rib.Carried{"label 16010": redMPLS, "SID fd00:1:0:1:100::": redSRv6} {
		t.Run(way, func(t *testing.T) {
			x := newLabelled(t, by)
			x.allOf("at first", by)
			pfx := ownPrefixes[1]
			eventually(t, "the customer has red's own", func() bool { return len(x.customer.has(pfx, 0)) == 1 })
			got := x.tellings(t, "red", pfx)
			if !strings.Contains(got, "127.0.0.2 in default: true by") || !strings.Contains(got, "nexthop "+by.Source.String()+" "+way) ||
				!strings.Contains(got, "this router's address in the core") || strings.Contains(got, ruleName) {
				t.Errorf("it says\n%s", got)
			}
			for line := range strings.Lines(got) {
				if strings.HasPrefix(line, "127.0.0.4 ") && (strings.Contains(line, "255") || strings.Contains(line, "SID") || strings.Contains(line, "label")) {
					t.Errorf("of the customer it says %s", line)
				}
			}
			x.Takes("red", rib.Carried{}, func() {})
			x.hasOf("deaf", x.pe, pfx, "")
			if got := x.tellings(t, "red", pfx); !strings.Contains(got, "127.0.0.2 in default: false by its VRF can take no packets from other PEs now") || !strings.Contains(got, "127.0.0.4 in red: true") {
				t.Errorf("it says\n%s", got)
			}
		})
	}
}

// TestLabelledOnTheWire: IPv6 routes over an IPv4 core have its address as an IPv4-mapped one of IPv6
// behind an RD of 0 (RFC 4659, 3.2.1.2), and IPv4 routes by SRv6 one of IPv6 (RFC 8950); and one
// attribute of each type.
func TestLabelledOnTheWire(t *testing.T) {
	for name, by := range map[string]rib.Carried{"MPLS": redMPLS, "SRv6": redSRv6} {
		t.Run(name, func(t *testing.T) {
			p := newHostile(t, "127.0.0.2", 65000, bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN), bgp.NewCapMultiProtocol(bgp.RF_IPv6_VPN))
			s := run(t, Options{
				Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", nil, []string{"65000:1"})}, []any{p.conf("l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast")})),
				Extras: carriedBy(by),
			})
			s.Takes("red", by, func() {})
			s.announce(t, "red", change(ownPrefixes[0], 5), change(ownPrefixes[1], 5))
			reach := func(afi uint16) (value []byte, kinds []bgp.BGPAttrType) {
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, u := range p.news {
					for _, a := range u.PathAttributes {
						if r, is := a.(*bgp.PathAttributeMpReachNLRI); is && r.AFI == afi {
							b, err := r.Serialize()
							if err != nil {
								t.Fatal(err)
							}
							kinds = nil
							for _, k := range u.PathAttributes {
								kinds = append(kinds, k.GetType())
							}
							value = b[3:]
							if b[0]&0x10 != 0 {
								value = b[4:]
							}
						}
					}
				}
				return value, kinds
			}
			source := by.Source.As16()
			label := []byte{0x03, 0xe8, 0xa1}
			if by.Kind == rib.EncapSRv6 {
				label = []byte{0, 0, 0x31}
			}
			rd := []byte{0, 0, 0xfd, 0xe8, 0, 0, 0, 1}
			six := slices.Concat([]byte{0, 2, 128, 24}, make([]byte, 8), source[:], []byte{0, 88 + 48}, label, rd, []byte{0x20, 1, 0xd, 0xb8, 0, 2})
			four := slices.Concat([]byte{0, 1, 128, 24}, make([]byte, 8), source[:], []byte{0, 88 + 16}, label, rd, []byte{10, 2})
			if by.Source.Is4() {
				four = slices.Concat([]byte{0, 1, 128, 12}, make([]byte, 8), by.Source.AsSlice(), []byte{0, 88 + 16}, label, rd, []byte{10, 2})
			}
			for afi, want := range map[uint16][]byte{1: four, 2: six} {
				eventually(t, "the PE has the route", func() bool { b, _ := reach(afi); return b != nil })
				got, kinds := reach(afi)
				if !bytes.Equal(got, want) {
					t.Errorf("MP_REACH_NLRI %x, want %x", got, want)
				}
				if sid := slices.Contains(kinds, bgp.BGP_ATTR_TYPE_PREFIX_SID); sid != (by.Kind == rib.EncapSRv6) || len(slices.Compact(slices.Sorted(slices.Values(kinds)))) != len(kinds) {
					t.Errorf("attributes %v", kinds)
				}
			}
		})
	}
}

// TestLabelledIsJudged: the policy of what goes out of a VRF judges what is carried by MPLS or SRv6:
// a customer's routes, the VRF's own, and what is leaked into it, which goes out where the policy
// accepts it alone, with the VRF's label and this router's address; what came from another router
// and is passed on to the VRF's neighbours goes to no other router.
func TestLabelledIsJudged(t *testing.T) {
	for name, by := range map[string]rib.Carried{"MPLS": redMPLS, "SRv6": redSRv6} {
		t.Run(name, func(t *testing.T) {
			x := newLabelled(t, by)
			leaked, came := []string{"10.3.0.0/16", "2001:db8:3::/48"}, []string{"10.4.0.0/16", "2001:db8:4::/48"}
			for i := range leaked {
				fromBlue, fromPE := passed(leaked[i], 65010), passed(came[i], 65011)
				fromBlue.Mark, fromPE.Mark = rib.SendMark("red", "blue"), rib.SendMark("red", "blue")
				fromPE.Of.Via = &rib.Via{Carrier: rib.ByVPN}
				x.announce(t, "red", fromBlue, fromPE)
			}
			c := make(obj)
			for k, v := range x.conf {
				c[k] = v
			}
			mine := []string{"10.0.0.0/8 le 32", "2001:db8::/32 le 64"}
			c["netlink"] = obj{
				"vrfs": []any{
					obj{"name": "red", "table": 1001, "export": obj{"enabled": true}, "bgp": obj{"leak-from": []string{"blue"}, "send": "to-pe"}},
					obj{"name": "blue", "table": 1002, "export": obj{"enabled": true}},
				},
				"policies": []any{obj{"name": "to-pe", "default": "reject", "rules": []obj{
					{"prefixes": ownPrefixes, "action": "reject"},
					{"source-vrfs": []string{"blue"}, "prefixes": mine, "action": "accept"},
					{"prefixes": mine, "action": "accept", "add-communities": []string{"65000:9"}},
				}}},
			}
			x.allOf("without a policy", by)
			for i := range leaked {
				x.hasOf("without a policy", x.pe, leaked[i], "")
				x.hasOf("without a policy", x.pe, came[i], "")
				eventually(t, "the customer hears of what is leaked", func() bool { return len(x.customer.has(leaked[i], 0))+len(x.customer.has(came[i], 0)) == 2 })
			}
			got, err := config.Parse("f.json", toJSON(t, c), config.BGP{Schema: conf.Schema(), Check: conf.Check})
			if err != nil {
				t.Fatal(err)
			}
			got.Extras.Carried = carriedBy(by).Carried
			if _, err := x.Reload(t.Context(), got.BGP, got.Extras); err != nil {
				t.Fatal(err)
			}
			for i := range leaked {
				x.hasOf("with a policy", x.pe, customersPrefixes[i], line(by, "65003", customersCommunity+" 4259840009", i == 1))
				x.hasOf("with a policy", x.pe, ownPrefixes[i], "")
				x.hasOf("with a policy", x.pe, leaked[i], line(by, "65010", ownCommunity, i == 1))
				x.hasOf("with a policy", x.pe, came[i], "")
			}
			x.Takes("red", rib.Carried{}, func() {})
			for i := range leaked {
				x.hasOf("deaf", x.pe, leaked[i], "")
				x.hasOf("deaf", x.pe, customersPrefixes[i], "")
			}
			x.Takes("red", by, func() {})
			x.hasOf("not any more", x.pe, leaked[0], line(by, "65010", ownCommunity, false))
		})
	}
}

// TestLabelsOfOthers: a label that GoBGP's zebra client gave a VRF stays where none is to be given,
// and one of ours is taken back alone.
func TestLabelsOfOthers(t *testing.T) {
	o := newOutgoing(newChanges(new(loop)))
	for _, step := range []struct{ has, give, want uint32 }{
		{0, 0, 0}, {77, 0, 77}, {0, 16010, 16010}, {16010, 16011, 16011}, {16011, 0, 0}, {77, 16010, 16010}, {16010, 0, 0},
	} {
		v := &bgpVRF{MplsLabel: step.has}
		if changed := o.label("red", v, step.give); v.MplsLabel != step.want || changed != (step.has != step.want) {
			t.Errorf("%+v: the label %d, changed %v", step, v.MplsLabel, changed)
		}
	}
}
