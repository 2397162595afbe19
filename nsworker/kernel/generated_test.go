package kernel

import (
	gocmp "cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// The fuzz tests hold encoder and decoder against the netlink library. Here the running
// kernel is between them, which must take what is written and say the same of it: a kernel
// of another version may say it otherwise.

// generator makes routes and nexthop objects that the kernel takes where lab's links are.
type generator struct {
	*rand.Rand
	links   [2]int // v0 and w0
	labels  bool   // the kernel has MPLS
	sids    bool   // it has SRv6
	reduced bool   // and H.Encaps.Red
	objects []rib.Nexthop
}

// encap is an encapsulation, or none.
func (g *generator) encap() rib.Encap {
	switch g.IntN(4) {
	case 0:
		if !g.sids {
			break
		}
		sid := [16]byte{0xfd, 0, 1, byte(g.Uint32()), 15: byte(g.Uint32())}
		return rib.BySRv6(netip.AddrFrom16(sid), g.reduced && g.IntN(2) == 0)
	case 1:
		if !g.labels {
			break
		}
		stack := make([]uint32, 1+g.IntN(4))
		for i := range stack {
			stack[i] = rib.FirstLabel + g.Uint32N(rib.MaxLabel-rib.FirstLabel+1)
		}
		return rib.ByMPLS(rib.LabelStack(stack...))
	}
	return rib.Encap{}
}

// mapped makes a hop by labels over an IPv4 link one of IPv6.
func (g *generator) mapped(h rib.Hop, link int) rib.Hop {
	four := g.gateway(link, false).As4()
	h.Gateway, h.OnLink = netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: four[0], 13: four[1], 14: four[2], 15: four[3]}), true
	return h
}

// gateway is an address beyond one of the links that no other hop of its route has.
func (g *generator) gateway(link int, ipv6 bool) netip.Addr {
	n := 2 + g.IntN(250)
	if ipv6 {
		return netip.MustParseAddr([]string{"2001:db8::", "2001:db8:1::"}[link] + fmt.Sprintf("%x", n))
	}
	return netip.MustParseAddr([]string{"192.0.2.", "198.51.100."}[link] + fmt.Sprint(n))
}

// hop is one of several, or the only one, of a route of a family.
func (g *generator) hop(ipv6, several bool) rib.Hop {
	link := g.IntN(2)
	h := rib.Hop{Ifindex: g.links[link], Weight: 1, Encap: g.encap()}
	switch choice := g.IntN(8); {
	case choice == 0 && !several:
		return h // the link itself
	case choice == 1:
		h.OnLink = true
		h.Gateway = netip.MustParseAddr(map[bool]string{false: "203.0.113.", true: "2001:db8:9::"}[ipv6] + fmt.Sprint(1+g.IntN(99)))
	case choice == 3 && ipv6 && h.Encap.Kind() == rib.EncapMPLS:
		h = g.mapped(h, link)
	default:
		h.Gateway = g.gateway(link, ipv6 || choice == 2) // RFC 8950
	}
	if several {
		h.Weight = uint16(1 + g.IntN(256))
	}
	return h
}

// key is a route's of that number: no two have the same prefix.
func (g *generator) key(number int) rib.Key {
	metric := 1 + g.Uint32N(1<<32-1)
	var addr netip.Addr
	var bits int
	if g.IntN(2) == 0 {
		addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xaa, 0xaa, byte(number >> 8), byte(number), byte(g.Uint32()), 15: byte(g.Uint32())})
		bits = 64 + g.IntN(65)
	} else {
		addr = netip.AddrFrom4([4]byte{100, byte(number >> 8), byte(number), byte(g.Uint32())})
		bits = 24 + g.IntN(9)
	}
	return rib.Key{Prefix: netip.PrefixFrom(addr, bits).Masked(), Metric: metric}
}

// route is a route with that key.
func (g *generator) route(k rib.Key) rib.Route {
	ipv6 := k.Prefix.Addr().Is6()
	r := rib.Route{Prefix: k.Prefix, Metric: k.Metric, Protocol: rib.ProtoOwn, Kind: rib.KindUnicast}
	switch g.IntN(8) {
	case 0:
		r.Kind = []rib.Kind{rib.KindBlackhole, rib.KindUnreachable, rib.KindProhibit}[g.IntN(3)]
		return r
	case 1, 2:
		r.NexthopID, r.Hops = g.object(ipv6)
	case 3, 4:
		var seen []netip.Addr // IPv6 refuses a hop that is there twice
		for range 2 + g.IntN(6) {
			if h := g.hop(ipv6, true); !slices.Contains(seen, h.Gateway) {
				seen, r.Hops = append(seen, h.Gateway), append(r.Hops, h)
			}
		}
	default:
		r.Hops = []rib.Hop{g.hop(ipv6, false)}
	}
	if len(r.Hops) == 1 {
		r.Hops[0].Weight = 1
	}
	if g.IntN(4) == 0 && r.NexthopID == 0 {
		r.PrefSrc = netip.MustParseAddr(map[bool]string{false: "192.0.2.1", true: "2001:db8::1"}[ipv6])
	}
	return r
}

// object makes a group and its single objects, and returns its id and its hops.
func (g *generator) object(ipv6 bool) (uint32, []rib.Hop) {
	group := rib.Nexthop{ID: 0x40000000 + uint32(len(g.objects))}
	var hops []rib.Hop
	for range 1 + g.IntN(3) {
		link := g.IntN(2)
		h := rib.Hop{Ifindex: g.links[link], Gateway: g.gateway(link, ipv6), Encap: g.encap()}
		if ipv6 && h.Encap.Kind() == rib.EncapMPLS && g.IntN(2) == 0 {
			h = g.mapped(h, link)
		}
		single := rib.Nexthop{ID: 0x50000000 + uint32(len(g.objects)), Hop: h}
		h.Weight = uint16(1 + g.IntN(rib.MaxWeight))
		group.Members = append(group.Members, rib.NexthopMember{ID: single.ID, Weight: h.Weight})
		g.objects, hops = append(g.objects, single), append(hops, h)
	}
	g.objects = append(g.objects, group)
	return group.ID, hops
}

// changes are the ones that write the objects which came since there were so many, and
// the routes.
func (g *generator) changes(since int, op rib.Op, routes []rib.Route) (all []rib.Change) {
	for _, n := range g.objects[since:] {
		all = append(all, rib.Change{Op: rib.OpAddNexthop, Nexthop: n})
	}
	for _, r := range routes {
		all = append(all, rib.Change{Op: op, Route: r})
	}
	return all
}

// TestGeneratedRoutesRoundTrip: routes in every shape, by the hundred, are read back from
// the kernel as they were written, and as they were replaced then; with SIDs among them, too.
func TestGeneratedRoutesRoundTrip(t *testing.T) {
	for name, seed := range map[string]uint64{"seed 1": 1, "seed 2": 2, "any seed": rand.Uint64()} {
		t.Run(name, func(t *testing.T) { generatedRoundTrip(t, seed, false) })
		t.Run(name+", with SIDs", func(t *testing.T) {
			need.SRv6(t)
			generatedRoundTrip(t, seed, true)
		})
	}
}

func generatedRoundTrip(t *testing.T, seed uint64, sids bool) {
	t.Helper()
	t.Log("the seed is ", seed)
	const number = 400
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	links := read(t, c)
	f, err := OwnNamespaces().CoreFeatures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{
		labels: f.MPLS == rib.Yes, sids: sids, reduced: f.Reduced == rib.Yes,
		Rand: rand.New(rand.NewPCG(seed, 0)), links: [2]int{ifindex(t, links, "v0"), ifindex(t, links, "w0")},
	}
	keys := make([]rib.Key, number)
	for i := range keys {
		keys[i] = g.key(i)
	}
	for _, op := range []rib.Op{rib.OpAdd, rib.OpReplace} {
		since, want := len(g.objects), []rib.Route{}
		for _, k := range keys {
			want = append(want, g.route(k))
		}
		apply(t, c, g.changes(since, op, want)...)
		got := read(t, c)
		for i, r := range got.Routes {
			got.Routes[i].Scope = 0 // the writer derives it
			if len(r.Hops) == 1 {
				// It means nothing: IPv6 tells that of a group's only member, IPv4 does not.
				got.Routes[i].Hops = []rib.Hop{r.Hops[0]}
				got.Routes[i].Hops[0].Weight = 1
			}
		}
		slices.SortFunc(want, byText)
		slices.SortFunc(got.Routes, byText)
		if d := cmp.Diff(want, got.Routes, sameRoute); d != "" {
			t.Fatalf("%v: %s", op, d)
		}
		objects := slices.SortedFunc(slices.Values(g.objects), byID)
		slices.SortFunc(got.Nexthops, byID)
		for i := range got.Nexthops {
			got.Nexthops[i].Hop.Weight = 0 // is its member's
		}
		if d := cmp.Diff(objects, got.Nexthops, sameRoute); d != "" {
			t.Fatalf("objects: %s", d)
		}
	}
	for _, r := range read(t, c).Routes {
		apply(t, c, rib.Change{Op: rib.OpDelete, Route: r})
	}
	if left := read(t, c).Routes; len(left) != 0 {
		t.Errorf("%d routes cannot be deleted: %v", len(left), left)
	}
	quiet(t, c, ns) // no echo of any of it
}

func byID(a, b rib.Nexthop) int { return gocmp.Compare(a.ID, b.ID) }
