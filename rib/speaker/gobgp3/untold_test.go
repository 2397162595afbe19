package gobgp3

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// cast are neighbours of one router that say things in turn.
type cast struct {
	name  string
	kinds []string // internal, client, external, or a VRF
}

var casts = []cast{
	{"an internal one", []string{"internal"}},
	{"an external one", []string{"external"}},
	{"two internal ones", []string{"internal", "internal"}},
	{"an internal and an external one", []string{"internal", "external"}},
	{"two internal and an external one", []string{"internal", "internal", "external"}},
	{"an internal one and a client", []string{"internal", "client"}},
	{"two clients", []string{"client", "client"}},
	{"two external ones", []string{"external", "external"}},
	{"an internal one and one in a VRF", []string{"internal", "red"}},
}

// scene is a cast at work.
type scene struct {
	t     *testing.T
	s     *running
	kinds []string
	list  []*hostile
	told  []map[string]string // what each knows of the router, by prefix
	step  uint32
}

// newScene starts a router with its neighbours.
func newScene(t *testing.T, c cast) *scene {
	x := &scene{t: t, kinds: c.kinds}
	var neighbors []any
	for i, kind := range c.kinds {
		as := uint16(65000)
		if kind == "external" || kind == "red" {
			as = 65001 + uint16(i)
		}
		p := newHostile(t, fmt.Sprintf("127.0.0.%d", 2+i), as, append(both(), bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN))...)
		conf := p.conf("ipv4-unicast", "ipv6-unicast", "l3vpn-ipv4-unicast")
		switch kind {
		case "client":
			conf["route-reflector"] = obj{"config": obj{"route-reflector-client": true, "route-reflector-cluster-id": "192.0.2.9"}}
		case "red":
			conf = inVRF(p.conf("ipv4-unicast", "ipv6-unicast"), "red")
		}
		neighbors = append(neighbors, conf)
		x.list, x.told = append(x.list, p), append(x.told, make(map[string]string))
	}
	conf := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, neighbors)
	x.s = run(t, Options{Config: toJSON(t, conf)})
	for _, p := range x.list {
		eventually(t, p.addr+" is up", p.isUp)
	}
	return x
}

// says has a neighbour announce, or withdraw, prefixes, in one UPDATE for each kind of them.
func (x *scene) says(who int, withdraw bool, numbers ...int) {
	x.t.Helper()
	x.step++
	p := x.list[who]
	var four []*bgp.IPAddrPrefix
	var six, vpn []bgp.AddrPrefixInterface
	for _, n := range numbers {
		four = append(four, nth(false, n).(*bgp.IPAddrPrefix))
		six = append(six, nth(true, n))
		vpn = append(vpn, bgp.NewLabeledVPNIPAddrPrefix(24, fmt.Sprintf("10.9.%d.0", n), *bgp.NewMPLSLabelStack(7), bgp.NewRouteDistinguisherTwoOctetAS(65000, 7)))
	}
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath(nil), bgp.NewPathAttributeMultiExitDisc(x.step)}
	if p.as == 65000 {
		attrs = append(attrs, bgp.NewPathAttributeLocalPref(100+x.step%3))
	} else {
		path := slices.Repeat([]uint16{p.as}, 1+who) // of as good ones the older one would be the best, by the second
		attrs[1] = bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, path)})
	}
	attrs = append(attrs, bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 1, true)}))
	families := [][]bgp.AddrPrefixInterface{six, vpn}
	if x.kinds[who] == "red" {
		families = families[:1]
	}
	var out []*bgp.BGPMessage
	if withdraw {
		out = append(out, bgp.NewBGPUpdateMessage(four, nil, nil))
	} else {
		out = append(out, bgp.NewBGPUpdateMessage(nil, append(slices.Clone(attrs), bgp.NewPathAttributeNextHop(p.addr)), four))
	}
	for i, list := range families {
		of := slices.Clone(attrs)
		switch {
		case withdraw:
			of = []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI(list)}
		default:
			of = append(of, bgp.NewPathAttributeMpReachNLRI([]string{"2001:db8::7", p.addr}[i], list))
		}
		out = append(out, bgp.NewBGPUpdateMessage(nil, of, nil))
	}
	last := nth(true, 100+who)
	out = append(out, bgp.NewBGPUpdateMessage(nil, append(attrs, bgp.NewPathAttributeMpReachNLRI("2001:db8::7", []bgp.AddrPrefixInterface{last})), nil))
	if !p.send(out...) {
		x.t.Fatalf("%s has no session", p.addr)
	}
	x.await(p, last)
}

// await waits until the loop has done what was said last, in this step.
func (x *scene) await(p *hostile, last bgp.AddrPrefixInterface) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("%d of %s is taken in", x.step, p.addr), func() (is bool) {
		if err := x.s.keeper.inLoop(func() error {
			of, _ := x.s.keeper.peerOf(p.addr)
			d := tableGetDestination(of.adjIn().table[bgp.AfiSafiToRouteFamily(last.AFI(), last.SAFI())], last)
			is = d != nil && len(d.knownPathList) > 0 && medOf(d.knownPathList[0]) == x.step
			return nil
		}); err != nil {
			x.t.Fatal(err)
		}
		return is
	})
}

func medOf(p *bgpPath) uint32 {
	for _, a := range p.attributes() {
		if med, is := a.(*bgp.PathAttributeMultiExitDisc); is {
			return med.Value
		}
	}
	return 0
}

// own has the router announce, or withdraw, a route of its own.
func (x *scene) own(n int, withdraw bool) {
	c := rib.AnnounceChange{Announcement: rib.Announcement{Prefix: prefix(nth(false, n).String())}, Withdraw: withdraw}
	x.s.announce(x.t, speaker.Default, c)
}

// tables are the router's own tables: the sources and MEDs of each destination's paths, in GoBGP's order.
func (x *scene) tables() (list []string) {
	x.t.Helper()
	if err := x.s.keeper.inLoop(func() error {
		for _, t := range x.s.keeper.rib().Tables {
			for _, d := range t.destinations {
				text := fmt.Sprint(d.nlri)
				for _, p := range d.knownPathList {
					text += fmt.Sprintf(" %s/%d", p.origin().source.Address, medOf(p))
				}
				list = append(list, text)
			}
		}
		return nil
	}); err != nil {
		x.t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// hear takes in what a neighbour was told up to the withdrawal of a route that it is told of first.
func (x *scene) hear(who int) map[string]string {
	x.t.Helper()
	p, all, mark := x.list[who], x.told[who], nth(false, 200).String()
	told := func() bool {
		p.mu.Lock()
		news := p.news
		p.news = nil
		p.mu.Unlock()
		for _, m := range news {
			takeIn(all, m)
		}
		_, is := all[mark]
		return is
	}
	x.own(200, false)
	eventually(x.t, p.addr+" hears the mark", told)
	x.own(200, true)
	eventually(x.t, p.addr+" hears that it goes", func() bool { return !told() })
	return maps.Clone(all)
}

// takeIn brings what was told in line with an UPDATE.
func takeIn(all map[string]string, m *bgp.BGPUpdate) {
	var says []string
	var reached []bgp.AddrPrefixInterface
	for _, a := range m.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			reached = append(reached, a.Value...)
		case *bgp.PathAttributeMpUnreachNLRI:
			for _, n := range a.Value {
				delete(all, n.String())
			}
		default:
			says = append(says, a.String())
		}
	}
	for _, n := range m.WithdrawnRoutes {
		delete(all, n.String())
	}
	for _, n := range m.NLRI {
		reached = append(reached, n)
	}
	for _, n := range reached {
		all[n.String()] = strings.Join(says, " ")
	}
}

// play has the neighbours say things in a random order, and returns what came of each.
func (x *scene) play(seed uint64) (came []string) {
	r := rand.New(rand.NewPCG(18, seed))
	for range 24 {
		if r.IntN(8) == 0 {
			x.own(r.IntN(6), r.IntN(2) == 0)
			continue
		}
		numbers := r.Perm(6)[:1+r.IntN(4)]
		who := r.IntN(len(x.list))
		x.says(who, r.IntN(4) == 0, numbers...)
		came = append(came, fmt.Sprintf("%d %s", x.step, strings.Join(x.tables(), ", ")))
	}
	for who := range x.list {
		if x.kinds[who] == "red" {
			continue // it is told of what is in its VRF alone, so of no mark
		}
		told := x.hear(who)
		for _, n := range slices.Sorted(maps.Keys(told)) {
			came = append(came, fmt.Sprintf("%d knows %s: %s", who, n, told[n]))
		}
	}
	return came
}

// TestUntoldAsTold: what is in GoBGP's tables, and what each neighbour is told, is the same whether or not
// GoBGP is kept from looking for whom to tell.
func TestUntoldAsTold(t *testing.T) {
	for _, c := range casts {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			t.Run("asking", func(t *testing.T) {
				t.Cleanup(countServer()) // as if there were another one, beside which it always asks
				want = newScene(t, c).play(1)
			})
			t.Run("not", func(t *testing.T) {
				got := newScene(t, c).play(1)
				for i := range max(len(want), len(got)) {
					if i >= len(want) || i >= len(got) || want[i] != got[i] {
						t.Fatalf("of %d and %d, the first that differs:\n%s\n%s", len(want), len(got), want[min(i, len(want)-1)], got[min(i, len(got)-1)])
					}
				}
			})
		})
	}
}

// asks notes whether GoBGP would look for whom to tell whenever its table asks how much its log wants to know:
// when a path takes another's place.
type asks struct {
	log.Logger
	did, didNot int // the loop's own
}

func (a *asks) GetLevel() log.LogLevel {
	if selectionOptions.DisableBestPathSelection {
		a.didNot++
	} else {
		a.did++
	}
	return a.Logger.GetLevel()
}

// TestUntold: GoBGP does not look for whom to tell of an internal neighbour's routes where all others are
// internal too, nor of any neighbour's where there is no other; and it does where somebody is to be told, be it
// of the end of a route of its own.
func TestUntold(t *testing.T) {
	for _, c := range []struct {
		cast
		asks bool
	}{
		{casts[0], false}, {casts[1], false}, {casts[2], false}, {casts[3], true}, {casts[5], true}, {casts[8], false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newScene(t, c.cast)
			var a asks
			look := func(f func()) {
				if err := x.s.keeper.inLoop(func() error { f(); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			x.says(0, false, 1, 2, 3)
			look(func() {
				table := x.s.keeper.rib().Tables[bgp.RF_IPv4_UC]
				a.Logger, table.logger = table.logger, &a
			})
			x.says(0, false, 1, 2, 3)
			look(func() {
				if a.did > 0 != c.asks || a.didNot > 0 == c.asks {
					t.Errorf("it asked %d times, and %d times not", a.did, a.didNot)
				}
			})
			x.own(1, false)
			x.says(0, false, 1)
			look(func() {
				if a.did == 0 {
					t.Error("it did not ask where a route of its own is there")
				}
			})
		})
	}
}
