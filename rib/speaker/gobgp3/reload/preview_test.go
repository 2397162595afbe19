package reload

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf/conftest"
)

func parsed(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func read(t *testing.T, c conftest.Obj) *conf.Config {
	t.Helper()
	read, err := conf.Read(conftest.JSON(t, c), rib.Extras{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// reading is what a server has that has taken a configuration.
func reading(c *conf.Config) *Held {
	h := &Held{
		Peers: Peers{Neighbors: make(map[string]Neighbor), Groups: c.Groups(), Dynamic: make(map[string]bool)},
		VRFs:  make(map[string]*api.Vrf), Assignments: make(map[Assignment]*api.PolicyAssignment),
	}
	for _, n := range c.Set.Neighbors {
		h.Neighbors[n.State.NeighborAddress] = Neighbor{Neighbor: n}
	}
	for _, d := range c.Set.DynamicNeighbors {
		h.Dynamic[DynamicName(d.Config.Prefix, d.Config.PeerGroup)] = true
	}
	for _, v := range c.VRFs {
		h.VRFs[v.Name] = &api.Vrf{Name: v.Name}
	}
	h.Policies, h.Sets = make(map[string]*api.Policy), make(map[SetName]*api.DefinedSet)
	for _, p := range c.Set.PolicyDefinitions {
		h.Policies[p.Name] = &api.Policy{Name: p.Name}
	}
	for _, name := range setNames(c.Set.DefinedSets) {
		h.Sets[name] = &api.DefinedSet{Name: name.Name}
	}
	for _, to := range []api.PolicyDirection{api.PolicyDirection_IMPORT, api.PolicyDirection_EXPORT} {
		h.Assignments[Assignment{globalTable, to}] = &api.PolicyAssignment{Name: globalTable, Direction: to}
	}
	return h
}

// TestCompare: the changes of a reload, and the routes that go with them, without a
// server.
func TestCompare(t *testing.T) {
	t.Parallel()
	red := conftest.VRF("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})
	p, q := conftest.Neighbor("192.0.2.1", 65001, 179, "ipv4-unicast", "ipv6-unicast"), conftest.Neighbor("192.0.2.2", 65002, 179, "ipv4-unicast")
	slow := conftest.Set(conftest.Neighbor("192.0.2.2", 65002, 179, "ipv4-unicast"), 30, "timers", "config", "hold-time")
	less := conftest.Neighbor("192.0.2.1", 65001, 179, "ipv4-unicast")
	old := read(t, conftest.Base([]any{red}, []any{p, q}))
	of := func(prefix, peer string) rib.Path {
		return rib.Path{Prefix: parsed(prefix), Attrs: &rib.Attrs{Via: &rib.Via{Peer: parsed(peer + "/32").Addr()}, Tags: new(rib.Tags)}}
	}
	for name, tc := range map[string]struct {
		next conftest.Obj
		want []string // of neighbours
		goes []bool   // of IPv4 and IPv6 of the first, IPv4 of the second
	}{
		"nothing":           {conftest.Base([]any{red}, []any{p, q}), nil, []bool{false, false, false}},
		"a neighbour less":  {conftest.Base([]any{red}, []any{q}), []string{"2 192.0.2.1"}, []bool{true, true, false}},
		"a family less":     {conftest.Base([]any{red}, []any{less, q}), []string{"3 192.0.2.1"}, []bool{false, true, false}},
		"another hold time": {conftest.Base([]any{red}, []any{p, slow}), []string{"3 192.0.2.2"}, []bool{false, false, false}},
		"a neighbour more":  {conftest.Base([]any{red}, []any{p, q, conftest.Neighbor("192.0.2.3", 65003, 179)}), []string{"1 192.0.2.3"}, []bool{false, false, false}},
	} {
		got, _ := Compare(old, read(t, tc.next), nil)
		var said []string
		for _, c := range got.Neighbors {
			said = append(said, fmt.Sprint(c.Kind, " ", c.Address))
		}
		if !slices.Equal(said, tc.want) || len(got.Others) > 0 {
			t.Errorf("%s: %v, %v, want %v", name, said, got.Others, tc.want)
		}
		for i, path := range []rib.Path{of("10.0.0.0/8", "192.0.2.1"), of("2001:db8::/32", "192.0.2.1"), of("10.0.0.0/8", "192.0.2.2")} {
			if goes := got.Goes != nil && got.Goes(path); goes != tc.goes[i] {
				t.Errorf("%s: path %d goes: %v", name, i, goes)
			}
		}
	}
	away, _ := Compare(old, read(t, conftest.Base(nil, []any{p, q})), nil)
	if !away.Anew["red"] || len(away.Next) != 0 || len(away.Old) != 1 {
		t.Errorf("a VRF less: %+v", away)
	}
}

// TestCompareWithDrift: a reload of the same file puts right what clients changed, and
// says who did it.
func TestCompareWithDrift(t *testing.T) {
	t.Parallel()
	c := read(t, conftest.Good())
	claim, now := &Claim{c, reading(c)}, reading(c)
	if got := claim.Differences(now); len(got) != 0 {
		t.Errorf("nothing was changed, and these differ: %v", got)
	}
	delete(now.Neighbors, "127.0.0.2")
	other := now.Neighbors["127.0.0.3"]
	other.Timers.Config.HoldTime = 33
	now.Neighbors["127.0.0.3"] = other
	delete(now.VRFs, "blue")
	now.VRFs["theirs"] = &api.Vrf{Name: "theirs"}
	missing := thing(speaker.KindNeighbor, "127.0.0.2")
	known := map[speaker.Thing]speaker.Difference{missing: {Kind: missing.Kind, Name: missing.Name, Missing: true, By: "uid 7"}}
	got, _ := Compare(c, c, &Drift{claim, now, known})
	if len(got.Neighbors) != 2 || got.Neighbors[0].Kind != speaker.Added || !strings.Contains(got.Neighbors[0].Notes[0], "deleted by uid 7") ||
		got.Neighbors[1].Kind != speaker.Changed || !slices.Contains(got.Neighbors[1].Keys, "timers.config.hold-time: 90 -> 33") {
		t.Errorf("the neighbours: %+v", got.Neighbors)
	}
	if want := []string{`VRF "blue": BGP has it no more`}; !slices.Contains(got.Others, want[0]) {
		t.Errorf("others: %q, want %q", got.Others, want)
	}
	if added := claim.Additions(now); !slices.Equal(added, []speaker.Thing{thing(speaker.KindVRF, "theirs")}) {
		t.Errorf("added: %v", added)
	}
}

// TestDefaultsOfAGroupWrittenDown: a peer group that says what GoBGP fills in anyway is not changed, and
// one that says something else is.
func TestDefaultsOfAGroupWrittenDown(t *testing.T) {
	t.Parallel()
	grouped := func(hold, keepalive, ttl float64) *conf.Config {
		timers, multihop := conftest.Obj{}, conftest.Obj{"enabled": true}
		for key, value := range map[string]float64{"hold-time": hold, "keepalive-interval": keepalive} {
			if value > 0 {
				timers[key] = value
			}
		}
		if ttl > 0 {
			multihop["multihop-ttl"] = ttl
		}
		c := conftest.Base(nil, nil)
		c["peer-groups"] = []any{conftest.Obj{
			"config": conftest.Obj{"peer-group-name": "g", "peer-as": 65001.0}, "timers": conftest.Obj{"config": timers}, "ebgp-multihop": conftest.Obj{"config": multihop},
		}}
		return read(t, c)
	}
	old := grouped(0, 0, 0)
	for name, tc := range map[string]struct {
		next    *conf.Config
		changed bool
	}{
		"the defaults":      {grouped(90, 30, 255), false},
		"one of them":       {grouped(0, 0, 255), false},
		"another hold time": {grouped(30, 0, 0), true},
		"another TTL":       {grouped(0, 0, 3), true},
	} {
		got, _ := Compare(old, tc.next, nil)
		if said := slices.Contains(got.Others, "peer group g changed"); said != tc.changed {
			t.Errorf("%s: it says %v", name, got.Others)
		}
		r := &Reconciler{state: stateOf(old)}
		if ttl := r.groupChangesTTL("g", stateOf(tc.next)); ttl != (name == "another TTL") {
			t.Errorf("%s: the TTL changes: %v", name, ttl)
		}
	}
}
