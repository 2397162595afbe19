package gobgp3

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// held is what GoBGP has of all that a configuration is about, read back from it.
type held struct {
	vrfs        map[string]*api.Vrf
	neighbors   map[string]heldNeighbor // by the address that GoBGP calls it by
	groups      map[string]oc.PeerGroup
	dynamic     map[string]bool // by dynamicName
	sets        map[setName]*api.DefinedSet
	policies    map[string]*api.Policy
	assignments map[assignment]*api.PolicyAssignment
}

// heldNeighbor is a neighbour as its session has it.
type heldNeighbor struct {
	oc.Neighbor
	disabled bool // not by its configuration: somebody stopped it
	dynamic  bool // a peer group let it in
}

// setName is the name of a defined set: names are unique within a type.
type setName struct {
	kind api.DefinedType
	name string
}

// assignment says to what policies are assigned: "global", or a route server client.
type assignment struct {
	to        string
	direction api.PolicyDirection
}

// adminDown is GoBGP's adminStateDown; there is one more for a limit of prefixes.
const adminDown = 1

func dynamicName(prefix, group string) string {
	return fmt.Sprintf("%s in peer group %s", prefix, group)
}

// setKinds are the types of defined sets, and what people call them.
var setKinds = map[api.DefinedType]string{
	api.DefinedType_PREFIX:          "prefix-set",
	api.DefinedType_NEIGHBOR:        "neighbor-set",
	api.DefinedType_AS_PATH:         "as-path-set",
	api.DefinedType_COMMUNITY:       "community-set",
	api.DefinedType_EXT_COMMUNITY:   "ext-community-set",
	api.DefinedType_LARGE_COMMUNITY: "large-community-set",
}

// readBack asks GoBGP what it has. It takes GoBGP's loop a few microseconds a
// neighbour: GoBGP's own ListPeer, which counts every route that each has sent, is
// not asked.
func readBack(ctx context.Context, bgp *server.BgpServer) (*held, error) {
	h := &held{
		vrfs: make(map[string]*api.Vrf), neighbors: make(map[string]heldNeighbor), groups: make(map[string]oc.PeerGroup),
		dynamic: make(map[string]bool), sets: make(map[setName]*api.DefinedSet), policies: make(map[string]*api.Policy),
		assignments: make(map[assignment]*api.PolicyAssignment),
	}
	err := mgmtOperation(bgp, func() error { h.peers(bgp); return nil }, true)
	if err == nil {
		err = bgp.ListVrf(ctx, &api.ListVrfRequest{}, func(v *api.Vrf) { h.vrfs[v.GetName()] = v })
	}
	for kind := range setKinds {
		if err == nil {
			err = bgp.ListDefinedSet(ctx, &api.ListDefinedSetRequest{DefinedType: kind}, func(s *api.DefinedSet) {
				h.sets[setName{kind, s.GetName()}] = s
			})
		}
	}
	if err == nil {
		err = bgp.ListPolicy(ctx, &api.ListPolicyRequest{}, func(p *api.Policy) { h.policies[p.GetName()] = p })
	}
	if err == nil {
		err = bgp.ListPolicyAssignment(ctx, &api.ListPolicyAssignmentRequest{}, func(a *api.PolicyAssignment) {
			h.assignments[assignment{a.GetName(), a.GetDirection()}] = a
		})
	}
	if err == nil {
		err = ctx.Err() // they return none where they gave up
	}
	if err != nil {
		return nil, fmt.Errorf("read back what BGP has: %w", err)
	}
	return h, nil
}

// peers copies what GoBGP's loop owns, in that loop.
func (h *held) peers(bgp *server.BgpServer) {
	s := reflect.ValueOf(bgp).Elem()
	for it := s.FieldByName("neighborMap").MapRange(); it.Next(); {
		fsm := it.Value().Elem().FieldByName("fsm").Elem()
		lock := (*sync.RWMutex)(fsm.FieldByName("lock").Addr().UnsafePointer())
		lock.RLock()
		n := heldNeighbor{Neighbor: *(*oc.Neighbor)(fsm.FieldByName("pConf").UnsafePointer())}
		n.AfiSafis = slices.Clone(n.AfiSafis)
		n.disabled = fsm.FieldByName("adminState").Int() == adminDown && !n.Config.AdminDown
		lock.RUnlock()
		n.dynamic = n.Config.NeighborAddress == "" && n.Config.NeighborInterface == ""
		h.neighbors[it.Key().String()] = n
	}
	for it := s.FieldByName("peerGroupMap").MapRange(); it.Next(); {
		group := it.Value().Elem()
		conf := *(*oc.PeerGroup)(group.FieldByName("Conf").UnsafePointer())
		conf.AfiSafis = slices.Clone(conf.AfiSafis)
		h.groups[it.Key().String()] = conf
		for d := group.FieldByName("dynamicNeighbors").MapRange(); d.Next(); {
			h.dynamic[dynamicName(d.Key().String(), it.Key().String())] = true
		}
	}
}

// put takes a thing over from another reading.
func (h *held) put(t thing, from *held) {
	switch t.kind {
	case KindVRF:
		h.vrfs[t.name] = from.vrfs[t.name]
	case KindNeighbor:
		h.neighbors[t.name] = from.neighbors[t.name]
	case KindGroup:
		h.groups[t.name] = from.groups[t.name]
	case KindSet:
		for name, set := range from.sets {
			if name.String() == t.name {
				h.sets[name] = set
			}
		}
	case KindPolicy:
		h.policies[t.name] = from.policies[t.name]
	case KindAssignment:
		for a, set := range from.assignments {
			if a.String() == t.name {
				h.assignments[a] = set
			}
		}
	}
}

// checkHeld makes sure that what peers reads is where it reads it.
func checkHeld() error {
	bgp := reflect.TypeFor[server.BgpServer]()
	for _, want := range []struct {
		in    reflect.Type
		field string
		is    func(reflect.Type) bool
	}{
		{bgp, "neighborMap", isMapByName},
		{bgp, "peerGroupMap", isMapByName},
		{follow(bgp, "neighborMap", "fsm"), "pConf", is[*oc.Neighbor]},
		{follow(bgp, "neighborMap", "fsm"), "lock", is[sync.RWMutex]},
		{follow(bgp, "neighborMap", "fsm"), "adminState", func(t reflect.Type) bool { return t.Kind() == reflect.Int }},
		{follow(bgp, "peerGroupMap"), "Conf", is[*oc.PeerGroup]},
		{follow(bgp, "peerGroupMap"), "dynamicNeighbors", isMapByName},
	} {
		if want.in == nil {
			return internalsError("nothing leads to %s", want.field)
		}
		if f, has := want.in.FieldByName(want.field); !has || !want.is(f.Type) {
			return internalsError("%s.%s is not what it was", want.in, want.field)
		}
	}
	return nil
}

func is[T any](t reflect.Type) bool { return t == reflect.TypeFor[T]() }

func isMapByName(t reflect.Type) bool {
	return t.Kind() == reflect.Map && t.Key().Kind() == reflect.String && t.Elem().Kind() == reflect.Pointer
}

// hasGroup tells whether GoBGP has a peer group.
func hasGroup(bgp *server.BgpServer, name string) bool {
	there := false
	err := mgmtOperation(bgp, func() error {
		there = reflect.ValueOf(bgp).Elem().FieldByName("peerGroupMap").MapIndex(reflect.ValueOf(name)).IsValid()
		return nil
	}, true)
	return err == nil && there
}
