package conf

import (
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// Judging says by which statements routes are judged under a configuration, neighbour by
// neighbour, so that two configurations can be compared: whose routes another one judges
// otherwise. It is immutable.
type Judging struct {
	global    oc.ApplyPolicyConfig
	policies  map[string][]judging
	neighbors map[string][]netip.Prefix
}

// judging is a statement that rejects, accepts or changes routes.
type judging struct {
	whose oc.MatchNeighborSet
	rest  [sha256.Size]byte // of all else in it, and of what its sets hold
}

// Judgement is the same where the same statements judge in the same order.
type Judgement [sha256.Size]byte

// NewJudging looks through the policies of a configuration.
func NewJudging(set *oc.BgpConfigSet) *Judging {
	j := &Judging{
		global:   set.Global.ApplyPolicy.Config,
		policies: make(map[string][]judging), neighbors: make(map[string][]netip.Prefix),
	}
	for _, s := range set.DefinedSets.NeighborSets {
		j.neighbors[s.NeighborSetName] = neighborsIn(set, s.NeighborSetName)
	}
	contents := contentsOf(&set.DefinedSets)
	for _, p := range set.PolicyDefinitions {
		var list []judging
		for _, s := range p.Statements {
			if !accepts(s) && !rejects(s) && !changes(s) {
				continue
			}
			whose := s.Conditions.MatchNeighborSet
			s.Name, s.Conditions.MatchNeighborSet = "", oc.MatchNeighborSet{}
			b := s.Conditions.BgpConditions
			list = append(list, judging{whose, sha256.Sum256(fmt.Appendf(nil, "%+v\n%v\n%v\n%v\n%v\n%v", s,
				contents["prefix "+s.Conditions.MatchPrefixSet.PrefixSet], contents["community "+b.MatchCommunitySet.CommunitySet],
				contents["ext-community "+b.MatchExtCommunitySet.ExtCommunitySet], contents["large-community "+b.MatchLargeCommunitySet.LargeCommunitySet],
				contents["as-path "+b.MatchAsPathSet.AsPathSet]))})
		}
		j.policies[p.Name] = list
	}
	return j
}

// contentsOf are the members of sets, but for those of neighbours.
func contentsOf(d *oc.DefinedSets) map[string]any {
	all := make(map[string]any)
	for _, s := range d.PrefixSets {
		all["prefix "+s.PrefixSetName] = s.PrefixList
	}
	for _, s := range d.BgpDefinedSets.CommunitySets {
		all["community "+s.CommunitySetName] = s.CommunityList
	}
	for _, s := range d.BgpDefinedSets.ExtCommunitySets {
		all["ext-community "+s.ExtCommunitySetName] = s.ExtCommunityList
	}
	for _, s := range d.BgpDefinedSets.LargeCommunitySets {
		all["large-community "+s.LargeCommunitySetName] = s.LargeCommunityList
	}
	for _, s := range d.BgpDefinedSets.AsPathSets {
		all["as-path "+s.AsPathSetName] = s.AsPathList
	}
	return all
}

// In is how what comes from a neighbour is judged; from an invalid address: what
// originates here. own are the policies of a route server's client, by which alone GoBGP
// judges; nil: it is none.
func (j *Judging) In(from netip.Addr, own *oc.ApplyPolicyConfig) Judgement {
	return j.of(inward, from, own)
}

// Out is how what goes to a neighbour is judged.
func (j *Judging) Out(to netip.Addr, own *oc.ApplyPolicyConfig) Judgement {
	return j.of(outward, to, own)
}

// Policy is how a policy judges what matches it, whoever it is from.
func (j *Judging) Policy(name string) Judgement {
	h := sha256.New()
	for _, s := range j.policies[name] {
		h.Write(s.rest[:])
	}
	return Judgement(h.Sum(nil))
}

func (j *Judging) of(w *way, addr netip.Addr, lists *oc.ApplyPolicyConfig) Judgement {
	if lists == nil {
		lists = &j.global
	}
	addr = addr.WithZone("")
	h := sha256.New()
	for _, name := range *w.list(lists) {
		for _, s := range j.policies[name] {
			if j.concerns(s.whose, addr) {
				h.Write(s.rest[:])
			}
		}
	}
	fmt.Fprint(h, w.last(lists) == oc.DEFAULT_POLICY_TYPE_REJECT_ROUTE)
	return Judgement(h.Sum(nil))
}

// concerns tells whether GoBGP finds an address in a condition: none is in a set, nor out
// of it, and an empty set has all in it.
func (j *Judging) concerns(m oc.MatchNeighborSet, addr netip.Addr) bool {
	members := j.neighbors[m.NeighborSet]
	if len(members) == 0 {
		return true
	}
	if !addr.IsValid() {
		return false
	}
	for _, p := range members {
		if p.Contains(addr) {
			return m.MatchSetOptions != oc.MATCH_SET_OPTIONS_RESTRICTED_TYPE_INVERT
		}
	}
	return m.MatchSetOptions == oc.MATCH_SET_OPTIONS_RESTRICTED_TYPE_INVERT
}
