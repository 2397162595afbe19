package gobgp3

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// ruleMaker makes rules of [[netlink.policies]] at random.
type ruleMaker struct{ *rand.Rand }

func (m ruleMaker) one(of ...string) string { return of[m.IntN(len(of))] }

// list are some of these, quoted.
func (m ruleMaker) list(of ...string) string {
	var out []string
	for _, i := range m.Perm(len(of))[:1+m.IntN(min(3, len(of)))] {
		out = append(out, fmt.Sprintf("%q", of[i]))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// rule is a rule's keys.
func (m ruleMaker) rule() string {
	var b strings.Builder
	add := func(one int, key, value string) {
		if m.IntN(one) == 0 {
			if m.IntN(3) == 0 {
				key = "not_" + key
			}
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	prefixes := func() string {
		return m.list("10.0.0.0/8 le 24", "10.1.0.0/16", "10.1.0.0/16 ge 24 le 28", "10.1.2.0/24 le 32", "0.0.0.0/0 ge 25", "2001:db8::/32 ge 48 le 64", "2001:db8:1::/48")
	}
	add(2, "prefixes", prefixes())
	add(5, "prefixes", prefixes())
	add(6, "families", m.list("ipv4", "ipv6"))
	add(4, "neighbors", m.list("127.0.0.2", "127.0.0.0/29@default", "127.0.0.4@red", "10.9.0.0/16"))
	add(6, "nexthops", m.list("192.0.2.0/24", "192.0.2.7", "2001:db8::/32"))
	add(6, "as_path_length", m.one(`"2"`, `">= 2"`, `"<= 3"`, `"2-3"`))
	add(5, "origin_as", m.one("[65001]", "[65003, 65004]"))
	add(8, "as_path", m.list("^65001_", "_65003_", "65004$", "^$"))
	add(4, "communities", m.list("65001:1", "65001:2", "blackhole"))
	add(8, "communities_all", m.list("65001:1", "65001:2"))
	add(6, "large_communities", m.list("65001:1:1", "65001:2:2"))
	action := m.one("accept", "reject", "next", "accept")
	set := func(one int, key, value string) {
		if action != "reject" && m.IntN(one) == 0 {
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	set(3, "set_local_pref", m.one("50", "300"))
	set(3, "set_med", m.one("0", "7"))
	set(5, "prepend_as", "2")
	switch m.IntN(3) {
	case 0:
		set(3, "set_communities", m.one("[]", `["65001:9"]`))
	default:
		set(3, "add_communities", m.list("65001:3", "65001:4"))
		set(3, "remove_communities", m.list("65001:1", "65001:2"))
	}
	set(4, "add_large_communities", m.list("65001:3:3"))
	set(4, "remove_large_communities", m.list("65001:1:1"))
	fmt.Fprintf(&b, "action = %q\n", action)
	return b.String()
}

const translatedHead = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
config = {name = "red", rd = "65000:1", both-rt-list = ["65000:1"]}
[[neighbors]]
config = {neighbor-address = "127.0.0.2", peer-as = 65001}
apply-policy = {config = {import-policy-list = ["p"], export-policy-list = ["p"]}}
[[neighbors]]
config = {neighbor-address = "127.0.0.3", peer-as = 65001}
apply-policy = {config = {import-policy-list = ["p"]}}
[[neighbors]]
config = {neighbor-address = "127.0.0.4", peer-as = 65001, vrf = "red"}
apply-policy = {config = {import-policy-list = ["p"]}}
[[netlink.policies]]
name = "p"
`

// route is a route at random.
func (m ruleMaker) route(from string) *bgpPath {
	var path []uint32
	for range m.IntN(4) {
		path = append(path, uint32(65001+m.IntN(4)))
	}
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, path)})}
	var communities []uint32
	for _, c := range []uint32{65001<<16 | 1, 65001<<16 | 2, uint32(rib.CommunityBlackhole)} {
		if m.IntN(2) == 0 {
			communities = append(communities, c)
		}
	}
	if len(communities) > 0 {
		attrs = append(attrs, bgp.NewPathAttributeCommunities(communities))
	}
	var large []*bgp.LargeCommunity
	for _, c := range []uint32{1, 2} {
		if m.IntN(2) == 0 {
			large = append(large, bgp.NewLargeCommunity(65001, c, c))
		}
	}
	if len(large) > 0 {
		attrs = append(attrs, bgp.NewPathAttributeLargeCommunities(large))
	}
	var nlri bgp.AddrPrefixInterface
	if m.IntN(3) > 0 {
		nlri = bgp.NewIPAddrPrefix(uint8(8+8*m.IntN(4)), m.one("10.0.0.0", "10.1.0.0", "10.1.2.0", "172.16.0.0"))
		attrs = append(attrs, bgp.NewPathAttributeNextHop(m.one("192.0.2.7", "198.51.100.1")))
	} else {
		nlri = bgp.NewIPv6AddrPrefix(uint8(32+16*m.IntN(3)), m.one("2001:db8::", "2001:db8:1::", "2001:dba::"))
		attrs = append(attrs, bgp.NewPathAttributeMpReachNLRI(m.one("2001:db8::7", "2001:dba::7"), []bgp.AddrPrefixInterface{nlri}))
	}
	source := &bgpPeer{AS: 65001, ID: []byte{192, 0, 2, 9}, Address: net.ParseIP(from).To4()}
	return (*bgpPath)(newTablePath(unsafe.Pointer(source), nlri, false, attrs, time.Unix(0, 0), false))
}

// file adds the default and the rules of the policy at a file's end, at random, and reads it;
// nil: check refuses it, because it contradicts itself, or says what GoBGP cannot be told.
func (m ruleMaker) file(t *testing.T, seed uint64, head string) (text string, read *config.Config) {
	t.Helper()
	text = head + fmt.Sprintf("default = %q\n", m.one("accept", "reject"))
	for range 1 + m.IntN(4) {
		text += "[[netlink.policies.rules]]\n" + m.rule()
	}
	read, err := config.Parse("f.toml", []byte(text), config.BGP{Schema: conf.Schema(), Check: conf.Check})
	if err == nil {
		return text, read
	}
	if strings.Contains(err.Error(), "GoBGP refuses") || strings.Contains(err.Error(), "there is no policy") {
		t.Fatalf("seed %d: %v\n%s", seed, err, text)
	}
	return text, nil
}

// TestTranslatedAtRandom: what GoBGP makes of a route by a policy of [[netlink.policies]] is
// what the policy itself makes of it.
func TestTranslatedAtRandom(t *testing.T) {
	files, refused, compared, passed := 0, 0, 0, 0
	for seed := range uint64(400) {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 15))}
		text, read := m.file(t, seed, translatedHead)
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
		for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
			for range 12 {
				route := m.route(from)
				in := decoded(t, d, route)
				ruling := read.Policies[0].Judge(rib.Subject{Prefix: in.Prefix, Attrs: in.Attrs, VRF: "default"}, nil)
				got, want := "", ""
				if p := apply(by, inwards, route); p != nil {
					got = said(decoded(t, d, p).Attrs)
					passed++
				}
				if !ruling.Rejected {
					want = said(ruling.Attrs)
				}
				if compared++; got != want {
					t.Fatalf("seed %d: %s from %s with %s\nis   %s\nwant %s\n%s", seed, in.Prefix, from, said(in.Attrs), got, want, text)
				}
			}
		}
	}
	t.Logf("%d policies, %d judgements, %d routes passed; %d refused", files, compared, passed, refused)
	if files < 100 || passed < compared/10 || passed > compared*9/10 {
		t.Error("the policies are not worth it")
	}
}

func decoded(t *testing.T, d *decoder, p *bgpPath) rib.Path {
	t.Helper()
	to, label, err := d.destination(p.origin().nlri)
	if err != nil {
		t.Fatal(err)
	}
	path, _, err := d.path(p, 0, to, label)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// said is what a policy can change of a path. GoBGP adds a community that is there already
// once more, which says the same (RFC 8092, 5).
func said(a *rib.Attrs) string {
	communities := slices.Sorted(slices.Values(a.Communities))
	var large []string
	for _, l := range a.Large {
		large = append(large, l.String())
	}
	slices.Sort(large)
	return fmt.Sprint(a.LocalPref, " MED ", a.MED, " path ", a.ASPath, " ", slices.Compact(communities), " ", slices.Compact(large))
}
