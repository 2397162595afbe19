package conf

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// What goes out of a VRF whose packets are carried over the core has marks too (see sends.go): one
// that keeps its VPN routes from everybody, where they are told by EVPN or the VRF can take no
// packets; one that has the nexthop set to this router's address in the core; and one by which the
// guard knows the SRv6 service of a route that it sends, and which stays for it. A customer's route
// has its own nexthop in GoBGP, which the VRF forwards by, and GoBGP has nothing by which a policy
// could add a service.

const (
	setCarried   = ruleName + "carried by EVPN"
	matchCarried = "rt:^0:4000000000$" // rib.CarriedMark
	setDeaf      = ruleName + "takes no packets"
	matchDeaf    = "rt:^0:4000000001$" // rib.DeafMark
	matchWays    = "rt:^0:40[0-9]{8}$" // rib.IsCarriageMark but for those of services
	setAnother   = ruleName + "carried otherwise"
	coreSource   = ruleName + "address in the core "
)

// carriageMarks are the marks of how what goes out of VRFs is carried, by VRF.
func carriageMarks(c *Config) map[string][]rib.RT {
	marks := make(map[string][]rib.RT)
	services := servicesOf(c)
	for i := range c.VRFs {
		switch v := &c.VRFs[i]; {
		case v.Carried == nil:
		case v.ByEVPN():
			marks[v.Name] = []rib.RT{rib.CarriedMark}
		case !delivers(v):
			marks[v.Name] = []rib.RT{rib.DeafMark}
		default:
			marks[v.Name] = []rib.RT{rib.SourceMark(v.Carried.Source)}
			if rt, is := services[v.Name]; is {
				marks[v.Name] = append(marks[v.Name], rt)
			}
		}
	}
	return marks
}

// delivers tells whether a VRF that is carried by MPLS or SRv6 has all that other PEs need to know.
func delivers(v *speaker.VRF) bool { return v.Carried.Numbered() && v.Carried.Source.IsValid() }

// Services are the VRFs that are carried by SRv6, by the marks that their routes go out with. The
// mark is another one where the service is.
func Services(c *Config) map[rib.RT]rib.Carried {
	all := make(map[rib.RT]rib.Carried)
	marks := servicesOf(c)
	for i := range c.VRFs {
		if rt, is := marks[c.VRFs[i].Name]; is {
			all[rt] = *c.VRFs[i].Carried
		}
	}
	return all
}

// servicesOf are the marks of those by VRF.
func servicesOf(c *Config) map[string]rib.RT {
	marks, taken := make(map[string]rib.RT), make(map[rib.RT]bool)
	for i := range c.VRFs {
		v := &c.VRFs[i]
		if v.Carried == nil || v.Carried.Kind != rib.EncapSRv6 || !delivers(v) {
			continue
		}
		h := fnv.New32a()
		_, _ = fmt.Fprintf(h, "%+v", *v.Carried) // a hash takes everything
		n := h.Sum32()
		for taken[rib.ServiceMark(n)] {
			n++
		}
		marks[v.Name] = rib.ServiceMark(n)
		taken[marks[v.Name]] = true
	}
	return marks
}

// ReadsSIDs tells whether some VRF is carried by SRv6: else nobody has a use for SIDs.
func ReadsSIDs(c *Config) bool {
	return slices.ContainsFunc(c.VRFs, func(v speaker.VRF) bool { return v.Carried != nil && v.Carried.Kind == rib.EncapSRv6 })
}

// carries tells whether what goes out of some VRF is carried at all.
func carries(c *Config) bool {
	return slices.ContainsFunc(c.VRFs, func(v speaker.VRF) bool { return v.Carried != nil })
}

// sourcesOf are the addresses in the core that VPN routes go out with, in order.
func sourcesOf(c *Config) []netip.Addr {
	all := make(map[netip.Addr]bool)
	for i := range c.VRFs {
		if v := &c.VRFs[i]; v.ByLabel() && delivers(v) {
			all[v.Carried.Source] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), netip.Addr.Compare)
}

// SameCarriage tells whether the same statements are about how what goes out of VRFs is carried.
func SameCarriage(a, b *Config) bool {
	labelled := func(c *Config) bool {
		return slices.ContainsFunc(c.VRFs, func(v speaker.VRF) bool { return v.ByLabel() })
	}
	return carries(a) == carries(b) && labelled(a) == labelled(b) && slices.Equal(sourcesOf(a), sourcesOf(b))
}

// addCarried keeps VPN routes from everybody that are told by EVPN, or by which no packets can come.
func addCarried(r *rules, c *Config, ext func(name, match string)) {
	if carries(c) {
		ext(setCarried, matchCarried)
		r.reject("carried by EVPN, and no VPN route", "what goes out of its VRF is told by EVPN, and not as VPN routes", ofFamilies(carryingExt(oc.Conditions{}, setCarried), vpnFamilies))
	}
	if slices.ContainsFunc(c.VRFs, func(v speaker.VRF) bool { return v.ByLabel() }) {
		ext(setDeaf, matchDeaf)
		r.reject("takes no packets", "its VRF can take no packets from other PEs now", ofFamilies(carryingExt(oc.Conditions{}, setDeaf), vpnFamilies))
	}
}

// keepMarks has a statement that gives a route of a VRF other route targets, as to what is leaked into
// it, give it the marks as well by which it goes out.
func keepMarks(s *oc.Statement, marks []rib.RT) {
	set := &s.Actions.BgpActions.SetExtCommunity
	if set.Options != string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_REPLACE) {
		return
	}
	list := slices.Clone(set.SetExtCommunityMethod.CommunitiesList)
	for _, rt := range marks {
		if rt != rib.CarriedMark && rt != rib.DeafMark { // those were looked for before
			list = append(list, "rt:"+rt.Dotted())
		}
	}
	set.SetExtCommunityMethod.CommunitiesList = list
}

// coreSources puts this router's address in the core into the VPN routes of its own VRFs, behind
// what else sets a nexthop: to another one the core may know no way. In IPv6 routes GoBGP writes an
// IPv4 address as ::ffff:192.0.2.1 (RFC 4659, 3.2.1.2). Routes that are reflected have no mark.
func coreSources(r *rules, c *Config) {
	for _, source := range sourcesOf(c) {
		name := coreSource + source.String()
		r.sets.BgpDefinedSets.ExtCommunitySets = append(r.sets.BgpDefinedSets.ExtCommunitySets,
			oc.ExtCommunitySet{ExtCommunitySetName: name, ExtCommunityList: []string{"rt:^" + rib.SourceMark(source).Dotted() + "$"}})
		r.words[name] = "this router's address in the core"
		r.out = append(r.out, oc.Statement{
			Name: name, Conditions: ofFamilies(carryingExt(oc.Conditions{}, name), vpnFamilies),
			Actions: oc.Actions{BgpActions: oc.BgpActions{
				SetNextHop: oc.BgpNextHopType(source.String()),
				SetExtCommunity: oc.SetExtCommunity{
					Options:               string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_REMOVE),
					SetExtCommunityMethod: oc.SetExtCommunityMethod{CommunitiesList: []string{matchWays}},
				},
			}},
		})
	}
	if carries(c) {
		// Until a reload has given them other marks: what an address was meant for is known no more.
		r.sets.BgpDefinedSets.ExtCommunitySets = append(r.sets.BgpDefinedSets.ExtCommunitySets, oc.ExtCommunitySet{ExtCommunitySetName: setAnother, ExtCommunityList: []string{matchWays}})
		r.reject("carried otherwise", "it is about to be told as the configuration has it now", ofFamilies(carryingExt(oc.Conditions{}, setAnother), vpnFamilies))
	}
}
