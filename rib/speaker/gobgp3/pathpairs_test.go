package gobgp3

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// tablesAsRendered are the paths that each VRF imports of GoBGP's tables, as GoBGP renders
// them for everybody.
func (r *running) tablesAsRendered(t testing.TB) map[string]map[netip.Prefix][]rib.Path {
	t.Helper()
	all := map[string]map[netip.Prefix][]rib.Path{speaker.Default: {}}
	for _, v := range r.VRFs() {
		all[v.Name] = make(map[netip.Prefix][]rib.Path)
	}
	for _, of := range []speaker.Family{{Of: rib.IPv4}, {Of: rib.IPv6}, {Of: rib.IPv4, VPN: true}, {Of: rib.IPv6, VPN: true}} {
		strange, err := r.tables.list(t.Context(), r.inForce(), of, nil, func(paths []rib.Path) {
			for _, p := range paths {
				if !of.VPN {
					all[speaker.Default][p.Prefix] = append(all[speaker.Default][p.Prefix], p)
					continue
				}
				for _, v := range r.VRFs() {
					if p.Attrs.Meets(v.ImportRTs) {
						all[v.Name][p.Prefix] = append(all[v.Name][p.Prefix], p)
					}
				}
			}
		})
		if err = cmp.Or(err, strange); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// feedsAgree waits until each feed has all paths of GoBGP's tables, and no other.
func (r *running) feedsAgree(t testing.TB, when string) {
	t.Helper()
	var differ []string
	defer func() {
		if t.Failed() {
			t.Log(strings.Join(differ, ""))
		}
	}()
	eventually(t, when+": the feeds have what GoBGP's tables have", func() bool {
		differ = r.differences(t)
		return len(differ) == 0
	})
}

// differences are the first ones between the feeds and GoBGP's tables: to write down thousands,
// which are to go at once, would keep the speaker from the processor.
func (r *running) differences(t testing.TB) (list []string) {
	t.Helper()
	const most = 5
	byRD := func(a, b rib.Path) int { return cmp.Or(cmp.Compare(a.RD, b.RD), cmp.Compare(a.ID, b.ID)) }
	for vrf, want := range r.tablesAsRendered(t) {
		f := r.feed(t, vrf)
		for _, p := range f.WithPaths() {
			if len(want[p]) == 0 {
				want[p] = nil
			}
		}
		for p, paths := range want {
			got := f.Lookup(p)
			slices.SortFunc(paths, byRD)
			slices.SortFunc(got, byRD)
			if !slices.EqualFunc(got, paths, func(a, b rib.Path) bool { return reflect.DeepEqual(a, b) }) {
				list = append(list, fmt.Sprintf("%s in %s:\n%sGoBGP:\n%s", p, vrf, spelled(got), spelled(paths)))
			}
			if len(list) == most {
				return list
			}
		}
	}
	return list
}

// says are UPDATEs of a neighbour that announce prefixes with a MED.
func (p *hostile) says(med uint32, prefixes ...bgp.AddrPrefixInterface) (out []*bgp.BGPMessage) {
	for _, n := range prefixes {
		attrs := []bgp.PathAttributeInterface{
			bgp.NewPathAttributeOrigin(0),
			bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{p.as})}),
			bgp.NewPathAttributeMultiExitDisc(med),
		}
		if plain, is := n.(*bgp.IPAddrPrefix); is {
			out = append(out, bgp.NewBGPUpdateMessage(nil, append(attrs, bgp.NewPathAttributeNextHop(p.addr)), []*bgp.IPAddrPrefix{plain}))
		} else {
			out = append(out, bgp.NewBGPUpdateMessage(nil, append(attrs, bgp.NewPathAttributeMpReachNLRI("2001:db8::7", []bgp.AddrPrefixInterface{n})), nil))
		}
	}
	return out
}

// pair are two neighbours of one AS in a VRF, of which the first has the better paths.
type pair struct {
	s           *running
	vrf         string
	best, other *hostile
}

// pairs runs a test with two neighbours in the global table, and in a VRF that another one
// imports. The neighbours say of graceful restart what caps says.
func pairs(t *testing.T, change func(obj) obj, caps []bgp.ParameterCapabilityInterface, test func(*testing.T, pair)) {
	for _, vrf := range []string{speaker.Default, "red"} {
		t.Run(vrf, func(t *testing.T) { test(t, newPair(t, vrf, change, caps)) })
	}
}

func newPair(t *testing.T, vrf string, change func(obj) obj, caps []bgp.ParameterCapabilityInterface) pair {
	t.Helper()
	best, other := newHostile(t, "127.0.0.2", 65001, both(caps...)...), newHostile(t, "127.0.0.3", 65001, both(caps...)...)
	c := redAnd(in(vrf, change(best.conf(allFamilies[:2]...))), in(vrf, change(other.conf(allFamilies[:2]...))))
	c["vrfs"] = append(c["vrfs"].([]any), vrfConf("blue", "65000:2", []string{"65000:1", "65000:2"}, []string{"65000:2"}))
	p := pair{run(t, Options{Config: toJSON(t, c)}), vrf, best, other}
	for i, h := range []*hostile{best, other} {
		eventually(t, "a session", h.isUp)
		h.send(h.says(uint32(10+i), nth(false, 0), nth(false, 1), nth(true, 0), nth(true, 1))...)
	}
	for _, n := range []bgp.AddrPrefixInterface{nth(false, 0), nth(false, 1), nth(true, 0), nth(true, 1)} {
		p.s.await(t, vrf, n.String(), count(2))
	}
	p.s.feedsAgree(t, "in the beginning")
	return p
}

func as(n obj) obj { return n }

// from counts the paths of a prefix that are from a neighbour.
func (p pair) from(h *hostile, of bgp.AddrPrefixInterface) (n int) {
	f, _ := p.s.Feed(p.vrf)
	for _, path := range f.Lookup(prefix(of.String())) {
		if path.Attrs.Peer.String() == h.addr {
			n++
		}
	}
	return n
}

func (p pair) awaitFrom(t *testing.T, h *hostile, of bgp.AddrPrefixInterface, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d paths of %s from %s", n, of, h.addr), func() bool { return p.from(h, of) == n })
}
