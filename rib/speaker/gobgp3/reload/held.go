package reload

import (
	"context"
	"fmt"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Server is the embedded server as a reload needs it beside GoBGP's own API.
type Server interface {
	// BGP is GoBGP's server.
	BGP() *server.BgpServer
	// Peers copies GoBGP's neighbours and peer groups.
	Peers() (Peers, error)
	VRFs
	// SetPolicies puts policies in force, with their assignments, in one step: what comes is
	// judged by them from then on. What goes to neighbours is so when they have been told.
	SetPolicies(policies *oc.RoutingPolicy, assigned map[string]oc.ApplyPolicy) error
	// Guard calls fn and returns its error, or that with which GoBGP would have ended
	// the process below it.
	Guard(fn func() error) error
}

// VRFs are the server's, as far as GoBGP's own API does not change them, or not well.
type VRFs interface {
	// ReadVRFs returns GoBGP's VRFs as its API lists them.
	ReadVRFs() ([]*api.Vrf, error)
	// DeleteVRFs has GoBGP delete VRFs, with every local path of their RDs. None is deleted where
	// neighbours are in one.
	DeleteVRFs(ctx context.Context, names []string) error
	// Retarget gives a VRF other import and export targets. Its neighbours are told the
	// difference at once; what goes out of it has those of before yet.
	Retarget(name string, imports, exports []string) error
	// Screen has VRFs screened that are to be by a configuration (conf.Config.IsScreened), as far
	// as nobody is told of them yet.
	Screen(c *conf.Config) error
}

// Held is a reading of GoBGP's state: of all that a configuration is about.
type Held struct {
	Peers
	VRFs        map[string]*api.Vrf
	Sets        map[SetName]*api.DefinedSet
	Policies    map[string]*api.Policy
	Assignments map[Assignment]*api.PolicyAssignment
}

// Peers are GoBGP's neighbours and peer groups as its loop has them.
type Peers struct {
	Neighbors map[string]Neighbor // by the address that GoBGP calls it by
	Groups    map[string]oc.PeerGroup
	Dynamic   map[string]bool // by DynamicName
	// Wanted are the import targets of the VRFs that are screened, which GoBGP has others of.
	Wanted map[string][]bgp.ExtendedCommunityInterface
}

// Neighbor is a neighbour as its session has it.
type Neighbor struct {
	oc.Neighbor
	Disabled bool // not by its configuration: somebody stopped it
	Dynamic  bool // a peer group let it in
}

// SetName is the name of a defined set: names are unique within a type.
type SetName struct {
	Kind api.DefinedType
	Name string
}

// Assignment says to whom policies are assigned: "global", or a route server client.
type Assignment struct {
	To        string
	Direction api.PolicyDirection
}

// globalTable is GoBGP's name of its global table.
const globalTable = conf.GlobalTable

// DynamicName names the dynamic neighbours that a prefix lets into a peer group.
func DynamicName(prefix, group string) string {
	return fmt.Sprintf("%s in peer group %s", prefix, group)
}

// setKinds are the types of defined sets, and their names in a configuration.
var setKinds = map[api.DefinedType]string{
	api.DefinedType_PREFIX:          "prefix-set",
	api.DefinedType_NEIGHBOR:        "neighbor-set",
	api.DefinedType_AS_PATH:         "as-path-set",
	api.DefinedType_COMMUNITY:       "community-set",
	api.DefinedType_EXT_COMMUNITY:   "ext-community-set",
	api.DefinedType_LARGE_COMMUNITY: "large-community-set",
}

// ReadBack reads GoBGP's state. It takes GoBGP's loop a few microseconds a neighbour:
// GoBGP's own ListPeer, which counts every route that each has sent, is not asked.
func ReadBack(ctx context.Context, s Server) (*Held, error) {
	h := &Held{
		VRFs: make(map[string]*api.Vrf), Sets: make(map[SetName]*api.DefinedSet), Policies: make(map[string]*api.Policy),
		Assignments: make(map[Assignment]*api.PolicyAssignment),
	}
	bgp := s.BGP()
	var err error
	if h.Peers, err = s.Peers(); err == nil {
		err = h.readVRFs(s)
	}
	for name, targets := range h.Wanted {
		if v := h.VRFs[name]; v != nil && err == nil {
			v.ImportRt, err = apiutil.MarshalRTs(targets)
		}
	}
	for kind := range setKinds {
		if err == nil {
			err = bgp.ListDefinedSet(ctx, &api.ListDefinedSetRequest{DefinedType: kind}, func(s *api.DefinedSet) {
				h.Sets[SetName{kind, s.GetName()}] = s
			})
		}
	}
	if err == nil {
		err = bgp.ListPolicy(ctx, &api.ListPolicyRequest{}, func(p *api.Policy) { h.Policies[p.GetName()] = p })
	}
	if err == nil {
		err = bgp.ListPolicyAssignment(ctx, &api.ListPolicyAssignmentRequest{}, func(a *api.PolicyAssignment) {
			h.Assignments[Assignment{a.GetName(), a.GetDirection()}] = a
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

func (h *Held) readVRFs(s Server) error {
	list, err := s.ReadVRFs()
	for _, v := range list {
		h.VRFs[v.GetName()] = withoutHome(v)
	}
	return err
}

// withoutHome takes the targets out of a VRF as GoBGP lists it which no configuration has, of AS
// 0: that by which its neighbours are told what is leaked into it, and the mark of what goes out
// of it.
func withoutHome(v *api.Vrf) *api.Vrf {
	ours := func(rt *anypb.Any) bool {
		var two api.TwoOctetAsSpecificExtended
		return rt.UnmarshalTo(&two) == nil && two.Asn == 0
	}
	v.ImportRt, v.ExportRt = slices.DeleteFunc(v.ImportRt, ours), slices.DeleteFunc(v.ExportRt, ours)
	return v
}

// Put takes a thing over from another reading.
func (h *Held) Put(t speaker.Thing, from *Held) {
	switch t.Kind {
	case speaker.KindVRF:
		h.VRFs[t.Name] = from.VRFs[t.Name]
	case speaker.KindNeighbor:
		h.Neighbors[t.Name] = from.Neighbors[t.Name]
	case speaker.KindGroup:
		h.Groups[t.Name] = from.Groups[t.Name]
	case speaker.KindSet:
		for name, set := range from.Sets {
			if name.String() == t.Name {
				h.Sets[name] = set
			}
		}
	case speaker.KindPolicy:
		h.Policies[t.Name] = from.Policies[t.Name]
	case speaker.KindAssignment:
		for a, set := range from.Assignments {
			if a.String() == t.Name {
				h.Assignments[a] = set
			}
		}
	}
}
