package reload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// putGroups adds and changes peer groups. The neighbours in them are changed
// one by one, after: their configuration has the group's values in it.
func (r *Reconciler) putGroups(ctx context.Context, want *state) error {
	for _, name := range sortedNames(want.groups) {
		g := want.groups[name]
		have, had := r.groups[name]
		again := r.altered[thing(speaker.KindGroup, name)]
		if had && conf.SameGroup(g, have) && !again {
			continue
		}
		delete(r.altered, thing(speaker.KindGroup, name))
		had = had || r.theirs.groups[name]
		request := oc.NewPeerGroupFromConfigStruct(&g)
		if !had {
			if err := r.server.BGP().AddPeerGroup(ctx, &api.AddPeerGroupRequest{PeerGroup: request}); err != nil {
				return fmt.Errorf("add peer group %q: %w", name, err)
			}
			r.changed("peer group %s added", name)
		} else {
			_, err := r.server.BGP().UpdatePeerGroup(ctx, &api.UpdatePeerGroupRequest{PeerGroup: request})
			// GoBGP sets the group's configuration first, and then fails over a
			// neighbour that has been removed: DeletePeer leaves it in the group.
			if err != nil && !strings.Contains(err.Error(), "doesn't exist") {
				return fmt.Errorf("change peer group %q: %w", name, err)
			}
			r.changed("peer group %s %s", name, changedOr(again, "changed"))
		}
		r.groups[name] = g
	}
	return nil
}

func (r *Reconciler) dropGroups(ctx context.Context, want *state) error {
	for _, name := range sortedNames(r.groups) {
		if _, wanted := want.groups[name]; wanted {
			continue
		}
		if err := r.server.BGP().DeletePeerGroup(ctx, &api.DeletePeerGroupRequest{Name: name}); err != nil {
			return fmt.Errorf("remove peer group %q: %w", name, err)
		}
		delete(r.groups, name)
		r.changed("peer group %s removed", name)
	}
	return nil
}

func (r *Reconciler) dropDynamic(ctx context.Context, want *state) error {
	for _, name := range sortedNames(r.dynamic) {
		if _, wanted := want.dynamic[name]; wanted {
			continue
		}
		d := r.dynamic[name].Config
		err := r.server.BGP().DeleteDynamicNeighbor(ctx, &api.DeleteDynamicNeighborRequest{Prefix: d.Prefix, PeerGroup: d.PeerGroup})
		if err != nil {
			return fmt.Errorf("remove dynamic neighbours %s: %w", name, err)
		}
		delete(r.dynamic, name)
		r.changed("dynamic neighbours %s removed", d.Prefix)
	}
	return nil
}

func (r *Reconciler) addDynamic(ctx context.Context, want *state) error {
	for _, name := range sortedNames(want.dynamic) {
		if _, had := r.dynamic[name]; had {
			continue
		}
		d := want.dynamic[name].Config
		err := r.server.BGP().AddDynamicNeighbor(ctx, &api.AddDynamicNeighborRequest{
			DynamicNeighbor: &api.DynamicNeighbor{Prefix: d.Prefix, PeerGroup: d.PeerGroup},
		})
		if err != nil {
			return fmt.Errorf("add dynamic neighbours %s: %w", name, err)
		}
		r.dynamic[name] = want.dynamic[name]
		r.changed("dynamic neighbours %s added", d.Prefix)
	}
	return nil
}

// policiesOf returns the sections of a configuration that are about policies.
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
func (r *Reconciler) addPolicies(ctx context.Context, want *state) error {
	again := r.policiesAltered()
	if equalPolicies(&r.policies, &want.policies) && !again && !r.clientsChange(want) {
		return nil
	}
	both := want.policies
	for _, p := range r.policies.PolicyDefinitions {
		same := func(o oc.PolicyDefinition) bool { return o.Name == p.Name }
		if !slices.ContainsFunc(both.PolicyDefinitions, same) && !sharesStatement(p, both.PolicyDefinitions) {
			both.PolicyDefinitions = append(slices.Clip(both.PolicyDefinitions), p)
		}
	}
	both.DefinedSets = conf.MergeSets(want.policies.DefinedSets, r.policies.DefinedSets)
	was, is := conf.WithoutRules(r.policies), conf.WithoutRules(want.policies)
	if err := r.setPolicies(ctx, both); err != nil {
		return err
	}
	switch {
	case again:
		for t := range r.altered {
			if judges(t.Kind) {
				delete(r.altered, t)
			}
		}
		r.judgedByOthers = true
		r.changed("policies %s", changedOr(true, ""))
	case !equalPolicies(&was, &is):
		r.changed("policies changed")
	}
	return nil
}

// clientsChange tells whether a route server's client gets other policies, of those that
// there are. GoBGP changes its assignment in place, in the policies that are in force; with
// others in their place those by which it was told stay as they were, until it is told anew.
func (r *Reconciler) clientsChange(want *state) bool {
	for addr, n := range want.neighbors {
		have, had := r.neighbors[addr]
		if had && n.RouteServer.Config.RouteServerClient && !n.ApplyPolicy.Equal(&have.ApplyPolicy) {
			return true
		}
	}
	return false
}

// dropPolicies takes out the policies that addPolicies left.
func (r *Reconciler) dropPolicies(ctx context.Context, want *state) error {
	if equalPolicies(&r.policies, &want.policies) {
		return nil
	}
	return r.setPolicies(ctx, want.policies)
}

// setPolicies has GoBGP change its policies, those of other clients among them, in one
// step. Who is judged otherwise by that, Rejudged says.
func (r *Reconciler) setPolicies(ctx context.Context, to oc.BgpConfigSet) error {
	err := r.server.Guard(func() error { return r.givePolicies(ctx, &to) })
	if err == nil {
		err = CheckPolicies(ctx, r.server.BGP(), &to)
	}
	for at, set := range r.restore {
		if err == nil {
			err = r.server.BGP().SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: r.assign(set)})
			delete(r.restore, at)
		}
	}
	if err != nil {
		return fmt.Errorf("change the policies: %w", err)
	}
	r.judged = append(r.judged, conf.NewJudging(&to))
	r.policies = to
	return nil
}

// GivePolicies gives a server that has begun with a configuration its policies once more, in
// the order in which they are judged fastest. They judge as before.
func GivePolicies(ctx context.Context, s Server, c *conf.Config) error {
	r := New(s, nil, c)
	return s.Guard(func() error { return r.givePolicies(ctx, &r.policies) })
}

// givePolicies gives GoBGP policies and their assignments.
func (r *Reconciler) givePolicies(ctx context.Context, to *oc.BgpConfigSet) error {
	policies, assigned, err := r.policiesFor(ctx, to)
	if err != nil {
		return err
	}
	return r.server.SetPolicies(policies, assigned)
}

// Policies are those that GoBGP would have with a configuration, and their assignments.
func (r *Reconciler) Policies(ctx context.Context, c *conf.Config) (*oc.RoutingPolicy, map[string]oc.ApplyPolicy, error) {
	to := policiesOf(&c.Set)
	return r.policiesFor(ctx, &to)
}

func (r *Reconciler) policiesFor(ctx context.Context, to *oc.BgpConfigSet) (*oc.RoutingPolicy, map[string]oc.ApplyPolicy, error) {
	ours, err := conf.PoliciesOfAPI(oc.ConfigSetToRoutingPolicy(to))
	if err != nil {
		return nil, nil, err
	}
	request := r.theirs.beside(ours)
	r.assignable = request.GetPolicies()
	policies, err := conf.PoliciesFromAPI(request)
	if err != nil {
		return nil, nil, err
	}
	assigned, err := r.assignments(ctx)
	if err != nil {
		return nil, nil, err
	}
	a := to.Global.ApplyPolicy.Config
	a.ImportPolicyList = r.withTheirs(Assignment{globalTable, api.PolicyDirection_IMPORT}, a.ImportPolicyList)
	a.ExportPolicyList = r.withTheirs(Assignment{globalTable, api.PolicyDirection_EXPORT}, a.ExportPolicyList)
	assigned[globalTable] = oc.ApplyPolicy{Config: a}
	return policies, assigned, nil
}

// assignments are those of route server clients, which stay: nothing else has any.
func (r *Reconciler) assignments(ctx context.Context) (map[string]oc.ApplyPolicy, error) {
	all := make(map[string]oc.ApplyPolicy)
	err := r.server.BGP().ListPolicyAssignment(ctx, &api.ListPolicyAssignmentRequest{}, func(a *api.PolicyAssignment) {
		of := all[a.GetName()]
		var names []string
		for _, p := range a.GetPolicies() {
			if r.isAssignable(p.GetName()) {
				names = append(names, p.GetName())
			}
		}
		fallback := oc.DEFAULT_POLICY_TYPE_ACCEPT_ROUTE
		if a.GetDefaultAction() == api.RouteAction_REJECT {
			fallback = oc.DEFAULT_POLICY_TYPE_REJECT_ROUTE
		}
		if a.GetDirection() == api.PolicyDirection_IMPORT {
			of.Config.ImportPolicyList, of.Config.DefaultImportPolicy = names, fallback
		} else {
			of.Config.ExportPolicyList, of.Config.DefaultExportPolicy = names, fallback
		}
		all[a.GetName()] = of
	})
	return all, err
}

func (r *Reconciler) isAssignable(name string) bool {
	return slices.ContainsFunc(r.assignable, func(p *api.Policy) bool { return p.GetName() == name })
}

// withTheirs adds to the policies of the configuration those that other clients assigned,
// behind them.
func (r *Reconciler) withTheirs(at Assignment, names []string) []string {
	names = slices.Clip(names)
	for _, name := range r.theirs.assigned[at] {
		if r.isAssignable(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// assign is an assignment of the configuration with those of other clients behind it.
func (r *Reconciler) assign(set *api.PolicyAssignment) *api.PolicyAssignment {
	set = proto.CloneOf(set)
	var names []string
	for _, p := range set.Policies {
		names = append(names, p.GetName())
	}
	for _, name := range r.withTheirs(Assignment{set.Name, set.Direction}, names)[len(names):] {
		set.Policies = append(set.Policies, &api.Policy{Name: name})
	}
	return set
}

// Reannounce has what the VRFs announce judged anew, and go out as they have it now.
func (r *Reconciler) Reannounce(ctx context.Context) error {
	for _, vrf := range r.announcer.VRFs() {
		if err := r.ReannounceOf(ctx, vrf); err != nil {
			return err
		}
	}
	return nil
}

// ReannounceOf is Reannounce for one VRF.
func (r *Reconciler) ReannounceOf(ctx context.Context, vrf string) error {
	if l := r.held[vrf]; l != nil { // it was made anew, and is locked
		return r.announcer.Send(ctx, vrf, l, l.All(false))
	}
	return r.announcer.Repeat(ctx, vrf)
}

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

// CheckPolicies makes sure that GoBGP has the policies of a configuration:
// config.InitialConfig drops the error of setting them.
func CheckPolicies(ctx context.Context, bgp *server.BgpServer, set *oc.BgpConfigSet) error {
	var have []string
	err := bgp.ListPolicy(ctx, &api.ListPolicyRequest{}, func(p *api.Policy) { have = append(have, p.Name) })
	if err != nil {
		return fmt.Errorf("list GoBGP's policies: %w", err)
	}
	var errs []error
	for _, p := range set.PolicyDefinitions {
		if !slices.Contains(have, p.Name) {
			errs = append(errs, fmt.Errorf("GoBGP refused the policy %q, or one beside it: check policy-definitions and defined-sets", p.Name))
		}
	}
	return errors.Join(errs...)
}
