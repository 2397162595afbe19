package speaker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	_ "unsafe" // for go:linkname

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// putGroups adds and changes peer groups. The neighbours in them are changed
// one by one, after: their configuration has the group's values in it.
func (r *reconciler) putGroups(ctx context.Context, want *reconciler) error {
	for _, name := range sortedNames(want.groups) {
		g := want.groups[name]
		have, had := r.groups[name]
		if had && g.Equal(&have) {
			continue
		}
		request := oc.NewPeerGroupFromConfigStruct(&g)
		if !had {
			if err := r.bgp.AddPeerGroup(ctx, &api.AddPeerGroupRequest{PeerGroup: request}); err != nil {
				return fmt.Errorf("add peer group %q: %w", name, err)
			}
			r.changed("peer group %s added", name)
		} else {
			_, err := r.bgp.UpdatePeerGroup(ctx, &api.UpdatePeerGroupRequest{PeerGroup: request})
			// GoBGP sets the group's configuration first, and then fails over a
			// neighbour that has been removed: DeletePeer leaves it in the group.
			if err != nil && !strings.Contains(err.Error(), "doesn't exist") {
				return fmt.Errorf("change peer group %q: %w", name, err)
			}
			r.changed("peer group %s changed", name)
		}
		r.groups[name] = g
	}
	return nil
}

func (r *reconciler) dropGroups(ctx context.Context, want *reconciler) error {
	for _, name := range sortedNames(r.groups) {
		if _, wanted := want.groups[name]; wanted {
			continue
		}
		if err := r.bgp.DeletePeerGroup(ctx, &api.DeletePeerGroupRequest{Name: name}); err != nil {
			return fmt.Errorf("remove peer group %q: %w", name, err)
		}
		delete(r.groups, name)
		r.changed("peer group %s removed", name)
	}
	return nil
}

func (r *reconciler) dropDynamic(ctx context.Context, want *reconciler) error {
	for _, prefix := range sortedNames(r.dynamic) {
		d := r.dynamic[prefix]
		if w, wanted := want.dynamic[prefix]; wanted && w.Config.PeerGroup == d.Config.PeerGroup {
			continue
		}
		err := r.bgp.DeleteDynamicNeighbor(ctx, &api.DeleteDynamicNeighborRequest{Prefix: prefix, PeerGroup: d.Config.PeerGroup})
		if err != nil {
			return fmt.Errorf("remove dynamic neighbours %s: %w", prefix, err)
		}
		delete(r.dynamic, prefix)
		r.changed("dynamic neighbours %s removed", prefix)
	}
	return nil
}

func (r *reconciler) addDynamic(ctx context.Context, want *reconciler) error {
	for _, prefix := range sortedNames(want.dynamic) {
		if _, had := r.dynamic[prefix]; had {
			continue
		}
		d := want.dynamic[prefix]
		err := r.bgp.AddDynamicNeighbor(ctx, &api.AddDynamicNeighborRequest{
			DynamicNeighbor: &api.DynamicNeighbor{Prefix: prefix, PeerGroup: d.Config.PeerGroup},
		})
		if err != nil {
			return fmt.Errorf("add dynamic neighbours %s: %w", prefix, err)
		}
		r.dynamic[prefix] = d
		r.changed("dynamic neighbours %s added", prefix)
	}
	return nil
}

// policiesOf returns what of a configuration is about policies, alone.
func policiesOf(set *oc.BgpConfigSet) oc.BgpConfigSet {
	return oc.BgpConfigSet{
		Global:            oc.Global{ApplyPolicy: set.Global.ApplyPolicy},
		DefinedSets:       set.DefinedSets,
		PolicyDefinitions: set.PolicyDefinitions,
	}
}

// addPolicies sets the policies that are wanted, and leaves those that are not
// for the time being: a neighbour may name them still, and GoBGP then drops the
// neighbour's whole list.
func (r *reconciler) addPolicies(ctx context.Context, want *reconciler) error {
	if equalPolicies(&r.policies, &want.policies) {
		return nil
	}
	both := want.policies
	for _, p := range r.policies.PolicyDefinitions {
		same := func(o oc.PolicyDefinition) bool { return o.Name == p.Name }
		if !slices.ContainsFunc(both.PolicyDefinitions, same) && !sharesStatement(p, both.PolicyDefinitions) {
			both.PolicyDefinitions = append(slices.Clip(both.PolicyDefinitions), p)
		}
	}
	both.DefinedSets = mergeSets(want.policies.DefinedSets, r.policies.DefinedSets)
	was, is := withoutRules(r.policies), withoutRules(want.policies)
	if err := r.setPolicies(ctx, both); err != nil {
		return err
	}
	if !equalPolicies(&was, &is) {
		r.changed("policies changed")
	}
	return nil
}

// dropPolicies takes out what addPolicies left.
func (r *reconciler) dropPolicies(ctx context.Context, want *reconciler) error {
	if equalPolicies(&r.policies, &want.policies) {
		return nil
	}
	return r.setPolicies(ctx, want.policies)
}

// policiesOfAPI is in GoBGP's own words what the file says of policies: the conversion is
// internal to GoBGP, and the one function around it, config.UpdateConfig, has all routes
// of all neighbours judged anew, whatever changed.
//
//go:linkname policiesOfAPI github.com/osrg/gobgp/v3/internal/pkg/table.NewAPIRoutingPolicyFromConfigStruct
func policiesOfAPI(c *oc.RoutingPolicy) (*api.RoutingPolicy, error)

// setPolicies has GoBGP change its policies. Where those of the file changed, all routes
// are to be judged anew; who is told anew where ours changed, retell decides.
func (r *reconciler) setPolicies(ctx context.Context, to oc.BgpConfigSet) error {
	err := r.speaker.log.guard(func() error {
		set, err := policiesOfAPI(oc.ConfigSetToRoutingPolicy(&to))
		if err != nil {
			return err
		}
		if err := r.bgp.SetPolicies(ctx, &api.SetPoliciesRequest{DefinedSets: set.DefinedSets, Policies: set.Policies}); err != nil {
			return err
		}
		return r.assignPolicies(ctx, &to.Global.ApplyPolicy.Config)
	})
	if err == nil {
		err = checkPolicies(ctx, r.bgp, &to)
	}
	if err != nil {
		return fmt.Errorf("change the policies: %w", err)
	}
	was, is := withoutRules(r.policies), withoutRules(to)
	r.softReset = r.softReset || !equalPolicies(&was, &is)
	r.policies = to
	return nil
}

// assignPolicies puts the policies in force, in both directions, as config.InitialConfig
// does.
func (r *reconciler) assignPolicies(ctx context.Context, apply *oc.ApplyPolicyConfig) error {
	for _, a := range []struct {
		direction api.PolicyDirection
		policies  []string
		fallback  oc.DefaultPolicyType
	}{
		{api.PolicyDirection_IMPORT, apply.ImportPolicyList, apply.DefaultImportPolicy},
		{api.PolicyDirection_EXPORT, apply.ExportPolicyList, apply.DefaultExportPolicy},
	} {
		request := &api.PolicyAssignment{Name: globalTable, Direction: a.direction}
		for _, name := range a.policies {
			request.Policies = append(request.Policies, &api.Policy{Name: name})
		}
		switch a.fallback {
		case oc.DEFAULT_POLICY_TYPE_ACCEPT_ROUTE:
			request.DefaultAction = api.RouteAction_ACCEPT
		case oc.DEFAULT_POLICY_TYPE_REJECT_ROUTE:
			request.DefaultAction = api.RouteAction_REJECT
		}
		if err := r.bgp.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: request}); err != nil {
			return err
		}
	}
	return nil
}

// globalTable is what GoBGP calls its global table by.
const globalTable = "global"

func equalPolicies(a, b *oc.BgpConfigSet) bool {
	return oc.ConfigSetToRoutingPolicy(a).Equal(oc.ConfigSetToRoutingPolicy(b)) &&
		a.Global.ApplyPolicy.Config.Equal(&b.Global.ApplyPolicy.Config)
}

// sharesStatement tells whether a statement's name is taken: GoBGP wants them
// unique over all policies.
func sharesStatement(p oc.PolicyDefinition, others []oc.PolicyDefinition) bool {
	for _, o := range others {
		for _, s := range o.Statements {
			if slices.ContainsFunc(p.Statements, func(t oc.Statement) bool { return t.Name == s.Name }) {
				return true
			}
		}
	}
	return false
}

// mergeSets adds the sets of old whose names are not in next.
func mergeSets(next, old oc.DefinedSets) oc.DefinedSets {
	next.PrefixSets = merge(next.PrefixSets, old.PrefixSets, func(s oc.PrefixSet) string { return s.PrefixSetName })
	next.NeighborSets = merge(next.NeighborSets, old.NeighborSets, func(s oc.NeighborSet) string { return s.NeighborSetName })
	n, o := &next.BgpDefinedSets, old.BgpDefinedSets
	n.CommunitySets = merge(n.CommunitySets, o.CommunitySets, func(s oc.CommunitySet) string { return s.CommunitySetName })
	n.ExtCommunitySets = merge(n.ExtCommunitySets, o.ExtCommunitySets, func(s oc.ExtCommunitySet) string { return s.ExtCommunitySetName })
	n.LargeCommunitySets = merge(n.LargeCommunitySets, o.LargeCommunitySets, func(s oc.LargeCommunitySet) string { return s.LargeCommunitySetName })
	n.AsPathSets = merge(n.AsPathSets, o.AsPathSets, func(s oc.AsPathSet) string { return s.AsPathSetName })
	return next
}

func merge[T any](next, old []T, name func(T) string) []T {
	out := slices.Clip(next)
	for _, s := range old {
		if !slices.ContainsFunc(next, func(n T) bool { return name(n) == name(s) }) {
			out = append(out, s)
		}
	}
	return out
}
