package gobgp3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// goingOut is a router with the VRFs red, into which blue leaks, and blue; with a PE of its own AS
// and one of another, and a customer in each VRF.
type goingOut struct {
	t               *testing.T
	pe, abroad      *peer
	customer, other *peer
	towards         []string // families of the sessions with PEs
}

func newGoingOut(t *testing.T, towards ...string) *goingOut {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	if len(towards) == 0 {
		towards = allFamilies
	}
	return &goingOut{
		t, newPeer(t, "127.0.0.2", 65000, towards...), newPeer(t, "127.0.0.3", 65009, towards...),
		newPeer(t, "127.0.0.4", 65003, families...), newPeer(t, "127.0.0.5", 65004, families...), towards,
	}
}

// read is the configuration in which red sends by a policy of these rules; without any, by none.
func (x *goingOut) read(fallback string, rules ...obj) *config.Config {
	x.t.Helper()
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	c := baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}),
		vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
	}, []any{
		neighborConf(x.pe.addr, 65000, x.pe.port, x.towards...), neighborConf(x.abroad.addr, 65009, x.abroad.port, x.towards...),
		inVRF(neighborConf(x.customer.addr, 65003, x.customer.port, families...), "red"),
		inVRF(neighborConf(x.other.addr, 65004, x.other.port, families...), "blue"),
	})
	bgp := obj{"leak-from": []string{"blue"}}
	netlink := obj{"vrfs": []any{
		obj{"name": "red", "table": 1001, "export": obj{"enabled": true}, "bgp": bgp}, obj{"name": "blue", "table": 1002, "export": obj{"enabled": true}},
	}}
	if len(rules) > 0 {
		bgp["send"] = "to-pe"
		netlink["policies"] = []any{obj{"name": "to-pe", "default": fallback, "rules": rules}}
	}
	c["netlink"] = netlink
	read, err := config.Parse("f.json", toJSON(x.t, c), config.BGP{Schema: conf.Schema(), Check: conf.Check})
	if err != nil {
		x.t.Fatal(err)
	}
	return read
}

// told waits until a PE has these prefixes of red, and no others.
func (x *goingOut) told(when string, by *peer, want map[string]string) {
	x.t.Helper()
	for _, pfx := range sentPrefixes {
		eventually(x.t, fmt.Sprintf("%s: %s has %s as %q", when, by.addr, pfx, want[pfx]), func() bool {
			last := ""
			for _, s := range by.has(pfx, 1) {
				last += fmt.Sprintf("MED %d %v path %v, %d targets", s.med, s.communities, s.asPath, s.rts)
			}
			return last == want[pfx]
		})
	}
}

// What there is in red: of the customer, the VRF's own, and leaked from blue, of each family.
var sentPrefixes = []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48"}

// TestSendJudgesWhatGoesOut: the policy of what goes out of a VRF judges its customers' routes,
// its own and what is leaked into it, of both families, for PEs of its own AS and of others; what
// other VRFs and other routers have of the same targets, and what customers are told, it does
// not touch. A reload that brings it, changes it or takes it away is in force when it returns.
func TestSendJudgesWhatGoesOut(t *testing.T) {
	x := newGoingOut(t)
	none := x.read("")
	s := run(t, Options{Config: none.BGP, Extras: none.Extras})
	community := &api.CommunitiesAttribute{Communities: []uint32{65003<<16 | 1}}
	for i, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		x.customer.announce(spec{prefix: pfx, attrs: []proto.Message{community}})
		own, leaked := change([]string{"10.2.0.0/16", "2001:db8:2::/48"}[i], 5), passed([]string{"10.3.0.0/16", "2001:db8:3::/48"}[i], 65010)
		leaked.Mark = rib.SendMark("red", "blue")
		s.announce(t, "red", own, leaked)
		s.announce(t, "blue", change([]string{"10.2.0.0/16", "2001:db8:2::/48"}[i], 5))
		x.pe.announce(spec{prefix: []string{"10.4.0.0/16", "2001:db8:4::/48"}[i], rd: 1, rts: []uint32{1}})
	}
	reload := func(c *config.Config) {
		t.Helper()
		if _, err := s.Reload(context.Background(), c.BGP, c.Extras); err != nil {
			t.Fatal(err)
		}
		if got := s.Drift(); len(got) > 0 {
			t.Errorf("BGP is taken for changed by others: %v", got)
		}
	}
	// A customer's has a site of origin too (conf/rules.go).
	plain := map[string]string{
		"10.1.0.0/16": "MED 0 [4260036609] path [65003], 2 targets", "2001:db8:1::/48": "MED 0 [4260036609] path [65003], 2 targets",
		"10.2.0.0/16": "MED 5 [4259840007] path [], 1 targets", "2001:db8:2::/48": "MED 5 [4259840007] path [], 1 targets",
	}
	x.told("without a policy", x.pe, plain)
	const accept, reject = "accept", "reject"
	mine := []string{"10.0.0.0/8 le 32", "2001:db8::/32 le 64"}
	judged := map[string]string{
		"10.1.0.0/16": "MED 77 [4260036609 4259840009] path [65003], 2 targets", "2001:db8:1::/48": "MED 77 [4260036609 4259840009] path [65003], 2 targets",
		"10.3.0.0/16": "MED 30 [4259840007] path [65010], 1 targets", "2001:db8:3::/48": "MED 30 [4259840007] path [65010], 1 targets",
	}
	rules := []obj{
		{"communities": []string{"65003:1"}, "action": "next", "set-med": 77},
		{"prefixes": []string{"10.2.0.0/16", "2001:db8:2::/48"}, "action": reject},
		{"source-vrfs": []string{"blue"}, "prefixes": mine, "action": accept},
		{"prefixes": mine, "action": accept, "add-communities": []string{"65000:9"}},
		{"action": accept, "set-med": 99}, // which is for what no rule before has decided
	}
	reload(x.read(reject, rules...))
	x.told("with a policy", x.pe, judged)
	abroad := make(map[string]string)
	for pfx, s := range judged {
		abroad[pfx] = strings.Replace(s, "path [", "path [65000 ", 1)
	}
	x.told("with a policy", x.abroad, abroad)
	for _, pfx := range []string{"10.2.0.0/16", "2001:db8:2::/48"} {
		if len(x.pe.has(pfx, 2)) != 1 {
			t.Errorf("%s of blue is kept back", pfx)
		}
		eventually(t, "the customer hears of "+pfx, func() bool { return len(x.customer.has(pfx, 0)) == 1 })
	}
	for _, pfx := range []string{"10.4.0.0/16", "2001:db8:4::/48"} {
		eventually(t, "the other AS hears of another PE's "+pfx, func() bool {
			return slices.ContainsFunc(x.abroad.hasText("65001", pfx, 1), func(s seen) bool { return !s.hasMED && s.rts == 1 })
		})
	}
	for i, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} { // and what comes later is judged as well
		x.customer.withdraw(spec{prefix: pfx})
		own := change([]string{"10.2.0.0/16", "2001:db8:2::/48"}[i], 6)
		s.announce(t, "red", own)
		x.customer.announce(spec{prefix: pfx, attrs: []proto.Message{community}})
	}
	x.told("what comes later", x.pe, judged)

	reload(x.read(reject, append([]obj{{"source-vrfs": []string{"red"}, "action": reject}}, rules...)...))
	x.told("with the VRF's own rejected", x.pe, map[string]string{"10.3.0.0/16": judged["10.3.0.0/16"], "2001:db8:3::/48": judged["2001:db8:3::/48"]})
	reload(x.read(accept, obj{"communities": []string{"65003:1"}, "action": reject}))
	six := "MED 6 [4259840007] path [], 1 targets"
	x.told("by default", x.pe, map[string]string{"10.2.0.0/16": six, "2001:db8:2::/48": six})
	reload(none)
	plain["10.2.0.0/16"], plain["2001:db8:2::/48"] = six, six
	x.told("without one again", x.pe, plain)
}

// TestSendAtRandom: what goes out of a VRF by a policy is what the policy itself makes of it,
// and carries no mark; what goes out of another VRF is as it was.
func TestSendAtRandom(t *testing.T) {
	red := strings.Replace(translatedHead, "[[netlink.policies]]", "[[netlink.vrfs]]\nname = \"red\"\ntable = 1001\nbgp = {send = \"p\"}\n[[netlink.policies]]", 1)
	red = strings.NewReplacer(`import-policy-list = ["p"]`, "", `, export-policy-list = ["p"]`, "").Replace(red)
	files, refused, compared, passed := 0, 0, 0, 0
	for seed := range uint64(400) {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 14))}
		text, read := m.file(t, seed, red)
		if read == nil {
			refused++
			continue
		}
		c, err := conf.Read(read.BGP, read.Extras, nil)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		files++
		d := newDecoder(c, nil)
		by := judgeOf(t, oc.ConfigSetToRoutingPolicy(&c.Set), c.Set.Global.ApplyPolicy)
		target, mark := rt(t, "65000:1"), c.SendMarks()["red"]
		for range 24 {
			route := m.route("127.0.0.2")
			in := decoded(t, d, route)
			targets := []bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 1, true)}
			ours := m.IntN(4) > 0
			if ours {
				targets = append(targets, sendMark(mark))
			}
			route.pathAttrs = append(route.pathAttrs, bgp.NewPathAttributeExtendedCommunities(targets))
			got, want := "", said(in.Attrs)
			if ours {
				want = ""
				if ruling := read.Policies[0].Judge(rib.Subject{Prefix: in.Prefix, Attrs: in.Attrs, VRF: "red", AS: 65000}, nil); !ruling.Rejected {
					want = said(ruling.Attrs)
				}
			}
			if p := apply(by, outwards, route); p != nil {
				out := decoded(t, d, p).Attrs
				if got = said(out); !slices.Equal(out.RTs, []rib.RT{target}) {
					t.Fatalf("seed %d: %s goes out with %v\n%s", seed, in.Prefix, out.RTs, text)
				}
				if ours {
					passed++
				}
			}
			if compared++; got != want {
				t.Fatalf("seed %d: %s (of the VRF: %v) with %s\nis   %s\nwant %s\n%s", seed, in.Prefix, ours, said(in.Attrs), got, want, text)
			}
		}
	}
	t.Logf("%d policies, %d judgements, %d routes passed; %d refused", files, compared, passed, refused)
	if files < 100 || passed < compared/10 || passed > compared*9/10 {
		t.Error("the policies are not worth it")
	}
}
