package gobgp3

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// soak has three neighbours announce and withdraw the same prefixes, while nexthops come
// and go, and knows what r must have been told in the end.
type soak struct {
	t     *testing.T
	s     *running
	vrf   string
	from  []*hostile
	r     *hostile
	rnd   *rand.Rand
	sent  []map[int]announced // what each neighbour announces, by the number of the prefix
	local map[int]bool        // what we announce
	had   map[string]string   // what r was told
	gone  map[rib.PathNexthop]struct{}
	n     int
}

type announced struct {
	hop     rib.PathNexthop
	version int
}

const soakPrefixes = 30

func soakPrefix(i int) string { return fmt.Sprintf("10.9.%d.0/24", i) }

func (k *soak) hop(n, which int) rib.PathNexthop {
	return rib.PathNexthop{Nexthop: netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", 10*(n+1)+which))}
}

// announce announces some prefixes with one nexthop. The n-th neighbour's AS path has n+1
// ASes.
func (k *soak) announce(n int) {
	k.n++
	a := announced{k.hop(n, k.rnd.IntN(2)), k.n}
	path := slices.Repeat([]uint16{k.from[n].as}, n+1)
	var nlri []*bgp.IPAddrPrefix
	for i := range soakPrefixes {
		if k.rnd.IntN(3) == 0 {
			nlri = append(nlri, bgp.NewIPAddrPrefix(24, fmt.Sprintf("10.9.%d.0", i)))
			k.sent[n][i] = a
		}
	}
	k.send(n, bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, path)}),
		bgp.NewPathAttributeNextHop(a.hop.Nexthop.String()), bgp.NewPathAttributeCommunities([]uint32{uint32(k.n)}),
	}, nlri))
}

func (k *soak) withdraw(n int) {
	var nlri []*bgp.IPAddrPrefix
	for i := range soakPrefixes {
		if k.rnd.IntN(4) == 0 {
			nlri = append(nlri, bgp.NewIPAddrPrefix(24, fmt.Sprintf("10.9.%d.0", i)))
			delete(k.sent[n], i)
		}
	}
	k.send(n, bgp.NewBGPUpdateMessage(nlri, nil, nil))
}

func (k *soak) send(n int, m *bgp.BGPMessage) {
	k.t.Helper()
	eventually(k.t, "a neighbour has a session", k.from[n].isUp)
	if !k.from[n].send(m) {
		k.t.Fatalf("%s lost its session", k.from[n].addr)
	}
}

// cut ends a session, and waits for the next one.
func (k *soak) cut(n int) {
	k.s.again(k.t, k.from[n])
	clear(k.sent[n])
}

// say says that other nexthops are not reached.
func (k *soak) say() {
	k.gone = make(map[rib.PathNexthop]struct{})
	for n := range k.from {
		for which := range 2 {
			if k.rnd.IntN(3) == 0 {
				k.gone[k.hop(n, which)] = struct{}{}
			}
		}
	}
	k.s.Unreached(k.vrf, k.gone)
}

// ours announces or withdraws routes of our own.
func (k *soak) ours() {
	var changes []rib.AnnounceChange
	for i := range soakPrefixes {
		switch k.rnd.IntN(12) {
		case 0:
			changes, k.local[i] = append(changes, change(soakPrefix(i), 1)), true
		case 1, 2, 3:
			changes = append(changes, withdrawal(soakPrefix(i)))
			delete(k.local, i)
		}
	}
	k.s.announce(k.t, k.vrf, changes...)
}

func (k *soak) step() {
	n := k.rnd.IntN(len(k.from))
	switch k.rnd.IntN(20) {
	default:
		k.announce(n)
	case 0, 1, 2, 3:
		k.withdraw(n)
	case 4, 5, 6, 7:
		k.say()
	case 8, 9:
		k.ours()
	case 10, 11:
		_ = k.s.server().ResetPeer(k.t.Context(), &api.ResetPeerRequest{Address: k.from[n].addr, Soft: true, Direction: api.ResetPeerRequest_IN})
	case 12:
		_ = k.s.server().ResetPeer(k.t.Context(), &api.ResetPeerRequest{Address: k.r.addr, Soft: true, Direction: api.ResetPeerRequest_OUT})
	}
}

// want is what r must have been told, by prefix.
func (k *soak) want(prepend string) map[string]string {
	want := make(map[string]string)
	for i := range soakPrefixes {
		if k.local[i] {
			want[soakPrefix(i)] = fmt.Sprintf("65000%s %d", prepend, change("10.9.0.0/24", 1).Communities[0]) // it passes the policy too
			continue
		}
		for n := range k.from {
			a, is := k.sent[n][i]
			if _, gone := k.gone[a.hop]; is && !gone {
				path := prepend + strings.Repeat(fmt.Sprintf(" %d", k.from[n].as), n+1)
				want[soakPrefix(i)] = fmt.Sprintf("65000%s %d", path, a.version)
				break
			}
		}
	}
	return want
}

// follow takes what r hears into what it has been told.
func (p *hostile) follow(all map[string]string) {
	p.mu.Lock()
	news := p.news
	p.news = nil
	p.mu.Unlock()
	for _, u := range news {
		path, version := "", ""
		for _, a := range u.PathAttributes {
			switch a := a.(type) {
			case *bgp.PathAttributeAsPath:
				path = bgp.AsPathString(a)
			case *bgp.PathAttributeCommunities:
				version = fmt.Sprint(a.Value[0])
			}
		}
		for _, n := range u.WithdrawnRoutes {
			delete(all, n.String())
		}
		for _, n := range u.NLRI {
			all[n.String()] = path + " " + version
		}
	}
}

// TestReachabilitySoak: whatever the order of events, r has in the end been told of the
// best reached path of each prefix, and a session that begins is told the same.
func TestReachabilitySoak(t *testing.T) {
	policy := obj{"config": obj{"import-policy-list": []string{"all"}, "default-import-policy": "accept-route"}}
	all := []any{obj{"name": "all", "statements": []any{obj{"name": "all", "actions": obj{
		"bgp-actions": obj{"set-as-path-prepend": obj{"as": "65077", "repeat-n": 1}}, "route-disposition": "accept-route",
	}}}}}
	for name, vrf := range map[string]string{"default": speaker.Default, "VRF": "red", "policy": speaker.Default, "policy in a VRF": "red"} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			k := &soak{t: t, vrf: vrf, rnd: rand.New(rand.NewPCG(seed, 1)), local: make(map[int]bool), had: make(map[string]string)}
			var confs []any
			for n := range 4 {
				p := newHostile(t, fmt.Sprintf("127.0.0.%d", 2+n), uint16(65001+n), both()...)
				confs = append(confs, in(vrf, p.conf("ipv4-unicast", "ipv6-unicast")))
				k.from, k.sent = append(k.from, p), append(k.sent, make(map[int]announced))
			}
			k.from, k.r = k.from[:3], k.from[3]
			conf, prepend := redAnd(confs...), ""
			if strings.HasPrefix(name, "policy") {
				conf["global"].(obj)["apply-policy"], conf["policy-definitions"] = policy, all
				prepend = " 65077"
			}
			k.s = run(t, Options{Config: toJSON(t, conf)})
			eventually(t, "all sessions are up", func() bool {
				return k.r.isUp() && !slices.ContainsFunc(k.from, func(p *hostile) bool { return !p.isUp() })
			})
			for i := range 600 {
				if k.step(); i == 250 {
					k.cut(k.rnd.IntN(len(k.from)))
				}
				if k.rnd.IntN(10) == 0 {
					k.check(prepend, false)
				}
			}
			k.check(prepend, true)
			// The nexthops come back, one by one.
			for len(k.gone) > 0 {
				k.gone = maps.Clone(k.gone)
				for hop := range k.gone {
					delete(k.gone, hop)
					break
				}
				k.s.Unreached(vrf, k.gone)
			}
			k.check(prepend, false)
			k.s.holdsNothing(t)
		})
	}
}

// check compares what r was told with what it must have been told; again: on a new session
// too.
func (k *soak) check(prepend string, again bool) {
	k.t.Helper()
	want := k.want(prepend)
	var what string
	defer func() {
		if k.t.Failed() {
			for i := range soakPrefixes {
				if p := soakPrefix(i); k.had[p] != want[p] {
					k.t.Logf("%s: of %s r has %q, want %q", what, p, k.had[p], want[p])
				}
			}
		}
	}()
	k.s.settled(k.t)
	for _, what = range []string{"on its session", "on a new session"} {
		if what == "on a new session" {
			if !again {
				return
			}
			k.s.again(k.t, k.r)
			clear(k.had)
		}
		eventually(k.t, "r is told all, "+what, func() bool {
			k.r.follow(k.had)
			return maps.Equal(k.had, want)
		})
		_ = k.s.keeper.inLoop(func() error {
			for addr, p := range k.s.keeper.peers() {
				p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
					if n.GracefulRestart.State.LocalRestarting {
						k.t.Errorf("%s is kept from hearing anything", addr)
					}
				})
			}
			return nil
		})
	}
}
