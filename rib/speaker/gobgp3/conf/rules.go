package conf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// GoBGP takes the well-known communities for mere numbers, and tells an iBGP neighbour
// the customer's nexthop of a VPN route, which no other router can use. The right rules are
// written here as policies of GoBGP's own, before those of the file: the routes that it
// would send, that it shows as sent and that a route refresh brings then agree. They reject, or set a
// nexthop, and never accept, so the file's own policies go on deciding all else. GoBGP
// does not apply them to route-server clients, who have policies of their own: a route
// server passes on what its clients say to each other (RFC 7947, 2.2).

// ruleName marks our own policies, statements and sets.
const ruleName = "vrfredist/"

// RuleOut is the policy of routes that go out, before those of neighbours and the file's.
const RuleOut = ruleName + "out"

// Names of policies and sets.
const (
	ruleOut        = RuleOut
	ruleIn         = ruleName + "in" // and of routes that come in
	setInside      = ruleName + "inside"
	setMembers     = ruleName + "members"
	setVRF         = ruleName + "in-a-vrf"
	setPE          = ruleName + "vpn-of-our-as"
	setSelf        = ruleName + "next-hop-self"
	setBlackhole   = ruleName + "blackhole"
	setOutOfVRFs   = ruleName + "inside-or-in-a-vrf"
	setCustomers   = ruleName + "customers-route"
	setOutside     = ruleName + "no-export, no-advertise, no-export-subconfed"
	setSubconfed   = ruleName + "no-advertise, no-export-subconfed"
	setAdvertise   = ruleName + "no-advertise"
	setLeaked      = ruleName + "leaked into a VRF"
	siteOfOrigin   = "soo:%s:179" // of the router's id
	matchOutside   = "^65535:6528[123]$"
	matchSubconfed = "^65535:6528[23]$"
	matchAdvertise = "^65535:65282$"
	matchBlackhole = "^65535:666$"
	matchLeaked    = "rt:^0:[0-9]{1,9}$" // rib.SendMark has more digits
)

var (
	unicastFamilies = []oc.AfiSafiType{oc.AFI_SAFI_TYPE_IPV4_UNICAST, oc.AFI_SAFI_TYPE_IPV6_UNICAST}
	vpnFamilies     = []oc.AfiSafiType{oc.AFI_SAFI_TYPE_L3VPN_IPV4_UNICAST, oc.AFI_SAFI_TYPE_L3VPN_IPV6_UNICAST}
	hopFamilies     = slices.Concat(unicastFamilies, vpnFamilies, []oc.AfiSafiType{
		oc.AFI_SAFI_TYPE_IPV4_LABELLED_UNICAST, oc.AFI_SAFI_TYPE_IPV6_LABELLED_UNICAST,
	})
)

// rules writes the policies of a configuration.
type rules struct {
	parties parties
	sets    oc.DefinedSets
	in      []oc.Statement
	out     []oc.Statement
	marks   map[string]bool // the sets of marks that are defined
	words   Words
}

// addRules puts our policies before those of the file, and the policies of neighbours
// between the two.
func addRules(c *Config) error {
	r := rules{parties: partiesOf(c), marks: make(map[string]bool), words: make(Words)}
	r.words.callAll(&c.Set, c.Extras.Rules)
	in, err := r.neighborPolicies(&c.Set, inward, func(p party) applied { return p.in })
	if err != nil {
		return err
	}
	out, err := r.neighborPolicies(&c.Set, outward, func(p party) applied { return p.out })
	if err != nil {
		return err
	}
	addSends(&r, c)
	r.communities()
	r.blackholes(c)
	addDraining(&r, c)
	r.nextHops(c.Set.Global.Config.RouterId)
	coreSources(&r, c)

	c.Words = r.words
	set := &c.Set
	set.DefinedSets = MergeSets(set.DefinedSets, r.sets)
	add := func(w *way, name string, own []oc.Statement, neighbors []oc.PolicyDefinition) {
		ours := neighbors
		if len(own) > 0 {
			ours = append([]oc.PolicyDefinition{{Name: name, Statements: own}}, ours...)
		}
		set.PolicyDefinitions = append(slices.Clip(set.PolicyDefinitions), ours...)
		var names []string
		for _, p := range ours {
			names = append(names, p.Name)
		}
		list := w.list(&set.Global.ApplyPolicy.Config)
		*list = append(names, *list...)
	}
	add(outward, ruleOut, r.out, out)
	add(inward, ruleIn, r.in, in)
	return nil
}

// neighbors adds a set of neighbours. GoBGP takes an empty set for one that all
// neighbours are in, so none is named that is.
func (r *rules) neighbors(name string, is func(party) bool) (some bool) {
	list := r.parties.prefixes(is)
	r.sets.NeighborSets = append(r.sets.NeighborSets, oc.NeighborSet{NeighborSetName: name, NeighborInfoList: list})
	return len(list) > 0
}

func (r *rules) community(name, match string) {
	sets := &r.sets.BgpDefinedSets
	sets.CommunitySets = append(sets.CommunitySets, oc.CommunitySet{CommunitySetName: name, CommunityList: []string{match}})
}

func (r *rules) reject(name, because string, of oc.Conditions) {
	r.words[ruleName+name] = because
	r.out = append(r.out, oc.Statement{
		Name: ruleName + name, Conditions: of,
		Actions: oc.Actions{RouteDisposition: oc.ROUTE_DISPOSITION_REJECT_ROUTE},
	})
}

// to is the condition that a route goes to a neighbour of a set, or with but that it goes
// to any other one.
func to(set string) oc.Conditions { return whose(set, oc.MATCH_SET_OPTIONS_RESTRICTED_TYPE_ANY) }

func toAllBut(set string) oc.Conditions {
	return whose(set, oc.MATCH_SET_OPTIONS_RESTRICTED_TYPE_INVERT)
}

func whose(set string, match oc.MatchSetOptionsRestrictedType) oc.Conditions {
	return oc.Conditions{MatchNeighborSet: oc.MatchNeighborSet{NeighborSet: set, MatchSetOptions: match}}
}

func carrying(c oc.Conditions, set string) oc.Conditions {
	c.BgpConditions.MatchCommunitySet = oc.MatchCommunitySet{CommunitySet: set, MatchSetOptions: oc.MATCH_SET_OPTIONS_TYPE_ANY}
	return c
}

func carryingExt(c oc.Conditions, set string) oc.Conditions {
	c.BgpConditions.MatchExtCommunitySet = oc.MatchExtCommunitySet{ExtCommunitySet: set, MatchSetOptions: oc.MATCH_SET_OPTIONS_TYPE_ANY}
	return c
}

func ofFamilies(c oc.Conditions, families []oc.AfiSafiType) oc.Conditions {
	c.BgpConditions.AfiSafiInList = families
	return c
}

// communities keeps back routes with NO_EXPORT, NO_ADVERTISE or NO_EXPORT_SUBCONFED (RFC
// 1997). Of a confederation's members the first is no concern (RFC 5065, 4). Whoever is
// in no set is outside: a dynamic neighbour of any AS, and one that a client of the API
// added.
//
// One expression serves each kind of neighbour: GoBGP writes every community of a route
// out as text for every expression that it compares it with.
func (r *rules) communities() {
	inside := r.neighbors(setInside, party.inside)
	r.community(setOutside, matchOutside)
	r.reject("outside", "it carries NO_EXPORT, NO_ADVERTISE or NO_EXPORT_SUBCONFED, which keeps it from whoever is not in this AS", carrying(toAllBut(setInside), setOutside))
	if r.neighbors(setMembers, func(p party) bool { return p.member }) {
		r.community(setSubconfed, matchSubconfed)
		r.reject("members", "it carries NO_ADVERTISE or NO_EXPORT_SUBCONFED, which keeps it in this member of the confederation", carrying(to(setMembers), setSubconfed))
	}
	if inside {
		r.community(setAdvertise, matchAdvertise)
		r.reject("inside", "it carries NO_ADVERTISE, which keeps it from everybody", carrying(oc.Conditions{}, setAdvertise)) // to anybody: a set costs more than it spares
	}
}

// blackholes keeps paths of which a VRF makes blackhole routes from eBGP neighbours, as if
// they had NO_EXPORT (RFC 7999, 3.2).
func (r *rules) blackholes(c *Config) {
	if len(c.Extras.KeptBlackholes) == 0 {
		return
	}
	r.community(setBlackhole, matchBlackhole)
	r.neighbors(setOutOfVRFs, func(p party) bool { return p.inside() || p.vrf != "" })
	for _, name := range c.Extras.KeptBlackholes {
		if name == speaker.Default {
			r.reject("blackhole, "+name, keptBlackhole, ofFamilies(carrying(toAllBut(setOutOfVRFs), setBlackhole), unicastFamilies))
			continue
		}
		v, _ := c.VRF(name)
		// It acts on the paths that it imports, and its own have its export RTs.
		if targets := targetSet(ruleName+"routes of "+name, v); len(targets.ExtCommunityList) > 0 {
			r.sets.BgpDefinedSets.ExtCommunitySets = append(r.sets.BgpDefinedSets.ExtCommunitySets, targets)
			vpn := ofFamilies(carrying(toAllBut(setOutOfVRFs), setBlackhole), append(slices.Clip(vpnFamilies), oc.AFI_SAFI_TYPE_L2VPN_EVPN))
			r.reject("blackhole, VPN routes of "+name, keptBlackhole, carryingExt(vpn, targets.ExtCommunitySetName))
		}
		customers := ruleName + "eBGP in " + name
		if r.neighbors(customers, func(p party) bool { return p.vrf == name && !p.inside() }) {
			r.reject("blackhole, "+name, keptBlackhole, carrying(to(customers), setBlackhole))
		}
	}
}

func targetSet(name string, v speaker.VRF) oc.ExtCommunitySet {
	set := oc.ExtCommunitySet{ExtCommunitySetName: name}
	all := slices.Concat(v.ImportRTs, v.ExportRTs)
	slices.Sort(all)
	for _, rt := range slices.Compact(all) {
		set.ExtCommunityList = append(set.ExtCommunityList, "rt:^"+regexp.QuoteMeta(rt.Dotted())+"$")
	}
	return set
}

// nextHops puts this router's address into the routes of a neighbour that wants it, and
// into the VPN routes of our VRFs' customers for those that GoBGP does not put it in by
// itself: the neighbours of our own AS. Routes of another PE stay as they are.
func (r *rules) nextHops(routerID string) {
	self := oc.Actions{BgpActions: oc.BgpActions{SetNextHop: "self"}}
	if r.neighbors(setSelf, func(p party) bool { return p.terms.NextHopSelf }) {
		r.words[setSelf] = "next_hop_self of the neighbour"
		r.out = append(r.out, oc.Statement{
			Name: setSelf, Conditions: ofFamilies(to(setSelf), hopFamilies), Actions: self,
		})
	}
	if !r.neighbors(setPE, party.isPE) || !slices.ContainsFunc(r.parties, func(p party) bool { return p.vrf != "" }) {
		return
	}
	theirs := ofFamilies(to(setPE), vpnFamilies)
	if r.parties.externalMeansCustomer() {
		theirs.BgpConditions.RouteType = oc.ROUTE_TYPE_EXTERNAL
	} else {
		theirs = carryingExt(theirs, setCustomers)
		r.markCustomers(fmt.Sprintf(siteOfOrigin, routerID))
	}
	r.words[ruleName+"vpn-next-hop"] = "this router's address for routes of its VRFs"
	r.out = append(r.out, oc.Statement{Name: ruleName + "vpn-next-hop", Conditions: theirs, Actions: self})
}

// markCustomers gives each customer's route a site of origin, by which a VPN route shows
// that it is a VRF's of this router: an export policy sees the receiver alone. It has the
// router's id, so that no other router takes it for its own.
func (r *rules) markCustomers(mark string) {
	r.neighbors(setVRF, func(p party) bool { return p.vrf != "" })
	r.sets.BgpDefinedSets.ExtCommunitySets = append(r.sets.BgpDefinedSets.ExtCommunitySets,
		oc.ExtCommunitySet{ExtCommunitySetName: setCustomers, ExtCommunityList: []string{mark}})
	r.in = append(r.in, oc.Statement{
		Name: ruleName + "customers", Conditions: to(setVRF),
		Actions: oc.Actions{BgpActions: oc.BgpActions{SetExtCommunity: oc.SetExtCommunity{
			Options:               string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_ADD),
			SetExtCommunityMethod: oc.SetExtCommunityMethod{CommunitiesList: []string{mark}},
		}}},
	})
}

// WithoutRules is a configuration with the file's own policies alone.
func WithoutRules(set oc.BgpConfigSet) oc.BgpConfigSet {
	d := &set.DefinedSets
	d.NeighborSets = slices.DeleteFunc(slices.Clone(d.NeighborSets), func(s oc.NeighborSet) bool { return isRule(s.NeighborSetName) })
	b := &d.BgpDefinedSets
	b.CommunitySets = slices.DeleteFunc(slices.Clone(b.CommunitySets), func(s oc.CommunitySet) bool { return isRule(s.CommunitySetName) })
	b.LargeCommunitySets = slices.DeleteFunc(slices.Clone(b.LargeCommunitySets), func(s oc.LargeCommunitySet) bool { return isRule(s.LargeCommunitySetName) })
	b.ExtCommunitySets = slices.DeleteFunc(slices.Clone(b.ExtCommunitySets), func(s oc.ExtCommunitySet) bool { return isRule(s.ExtCommunitySetName) })
	set.PolicyDefinitions = slices.DeleteFunc(slices.Clone(set.PolicyDefinitions), func(p oc.PolicyDefinition) bool { return isRule(p.Name) })
	apply := &set.Global.ApplyPolicy.Config
	apply.ImportPolicyList = slices.DeleteFunc(slices.Clone(apply.ImportPolicyList), isRule)
	apply.ExportPolicyList = slices.DeleteFunc(slices.Clone(apply.ExportPolicyList), isRule)
	return set
}

func isRule(name string) bool { return strings.HasPrefix(name, ruleName) }
