package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// termKeys are the keys of a neighbour's or a peer group's section beside GoBGP's: for
// the messages that the neighbour may send, and for how it is spoken to.
var termKeys = keys[rib.Terms]{
	"accept-route-targets": acceptedTargets,
	"enforce-first-as":     one(boolean, func(t *rib.Terms) *bool { return &t.EnforceFirstAS }),
	"next-hop-self":        one(boolean, func(t *rib.Terms) *bool { return &t.NextHopSelf }),
	"fast-failover":        one(boolean, func(t *rib.Terms) *bool { return &t.FastFailover }),
	"accept-martians":      acceptedMartians,

	"router-advertisements": one(boolean, func(t *rib.Terms) *bool { return &t.RouterAdvertisements }),
	"stale-time":            one(duration(time.Second, day), func(t *rib.Terms) *time.Duration { return &t.StaleTime }),
}

// allTargets stands for every route target.
const allTargets = "*"

func acceptedTargets(p *problems, n *node, t *rib.Terms) {
	t.AcceptRTs, t.AnyRT = nil, false // the neighbour's list replaces its group's
	parse := func(n *node) (rib.RT, error) {
		if n.kind == kindText && n.text == allTargets {
			t.AnyRT = true
			return 0, nil
		}
		return routeTarget(n)
	}
	many(parse, func(t *rib.Terms) *[]rib.RT { return &t.AcceptRTs })(p, n, t)
	t.AcceptRTs = slices.DeleteFunc(t.AcceptRTs, func(rt rib.RT) bool { return rt == 0 })
	if t.AnyRT && len(t.AcceptRTs) > 0 {
		p.at(n, `names route targets beside "*", which lets in all; write one or the other`)
	}
	slices.Sort(t.AcceptRTs)
	t.AcceptRTs = slices.Compact(t.AcceptRTs)
}

func acceptedMartians(p *problems, n *node, t *rib.Terms) {
	t.AcceptMartians = nil
	many(martian, func(t *rib.Terms) *[]netip.Prefix { return &t.AcceptMartians })(p, n, t)
}

func martian(n *node) (netip.Prefix, error) {
	s, err := text(n)
	if err != nil {
		return netip.Prefix{}, err
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return prefix, fmt.Errorf(`%s is not a prefix; write one such as "240.0.0.0/4"`, n.show())
	}
	if prefix != prefix.Masked() {
		return prefix, fmt.Errorf("%s has bits beyond its length; write %v", n.show(), prefix.Masked())
	}
	if _, is := rib.Martian(prefix); !is {
		return prefix, fmt.Errorf("%v is in no range that is refused, so it is accepted as it is; remove it", prefix)
	}
	if name, is := rib.MartianBut([]netip.Prefix{prefix}, prefix); is {
		return prefix, fmt.Errorf("%v is %s, which GoBGP cannot bear; remove it", prefix, name)
	}
	return prefix, nil
}

// ourPeerKeys are the keys of [neighbors.config] and of [peer-groups.config] that GoBGP
// does not have.
func ourPeerKeys() map[string][]string {
	terms := slices.Sorted(maps.Keys(termKeys))
	return map[string][]string{"neighbors": append(slices.Clone(terms), "netns"), "peer-groups": terms}
}

// withPeerKeys is GoBGP's schema with the keys of ours.
func withPeerKeys(bgp schema) schema {
	bgp = maps.Clone(bgp)
	for list, ours := range ourPeerKeys() {
		items, ok := bgp[list].([]any)
		if !ok || len(items) == 0 {
			continue
		}
		peer, _ := items[0].(map[string]any)
		config, _ := peer["config"].(map[string]any)
		if config == nil {
			continue
		}
		peer, config = maps.Clone(peer), maps.Clone(config)
		for _, key := range ours {
			config[key] = nil
		}
		peer["config"] = config
		bgp[list] = []any{peer}
	}
	return bgp
}

// withoutPeerKeys takes our keys of neighbours out of GoBGP's part.
func withoutPeerKeys(all map[string]any) {
	for list, ours := range ourPeerKeys() {
		items, _ := all[list].([]any)
		for _, item := range items {
			peer, _ := item.(map[string]any)
			config, _ := peer["config"].(map[string]any)
			for _, key := range ours {
				delete(config, key)
			}
		}
	}
}

// readTerms returns the terms of all neighbours and peer groups, see rib.Extras, and the
// interfaces on which router advertisements are sent.
func readTerms(p *problems, root *node, relayed map[int]rib.Neighbor) (all map[string]rib.Terms, advertised []string) {
	groups := make(map[string]rib.Terms)
	all = make(map[string]rib.Terms)
	for _, item := range sections(root.get("peer-groups")) {
		t, config := rib.DefaultTerms(), item.get("config")
		read(p, config, termKeys, &t)
		if n := config.get("peer-group-name"); n != nil {
			groups[n.text] = t
			all[rib.TermsOfGroup(n.text)] = t
		}
	}
	for i, item := range sections(root.get("neighbors")) {
		t, config := rib.DefaultTerms(), item.get("config")
		if n := config.get("peer-group"); n != nil {
			if of, ok := groups[n.text]; ok {
				t = of
			}
		}
		read(p, config, termKeys, &t)
		if n := config.get("accept-route-targets"); n != nil && config.get("vrf") == nil {
			p.at(n, "needs vrf beside it; the route targets of a neighbour of no VRF are believed as they are, remove it")
		}
		link := config.get("neighbor-interface")
		if n := config.get("router-advertisements"); n != nil && t.RouterAdvertisements && link == nil {
			p.at(n, "needs neighbor-interface in place of neighbor-address; they are for a neighbour that is to find us on that link, remove it")
		}
		if t.RouterAdvertisements && link != nil {
			advertised = append(advertised, link.text)
		}
		if name := peerName(config, relayed[i]); name != "" {
			all[name] = t
		}
		if n, is := relayed[i]; is { // the relay has the connection that goes over the link
			n.FastFailover = n.FastFailover && t.FastFailover
			relayed[i] = n
		}
	}
	return all, advertised
}

// peerName is the name by which GoBGP knows a neighbour.
func peerName(config *node, relayed rib.Neighbor) string {
	if relayed.Alias.IsValid() {
		return relayed.Alias.String()
	}
	for _, key := range []string{"neighbor-address", "neighbor-interface"} {
		if n := config.get(key); n != nil {
			return n.text // GoBGP's Check holds an address to the one spelling
		}
	}
	return ""
}

// acceptMartians lets the martians that any neighbour may announce into every table,
// and out of it: the guard judges by the neighbour, and a route may come by way of another
// VRF.
func acceptMartians(terms map[string]rib.Terms, lists ...[]vrf.Spec) {
	var all []netip.Prefix
	for _, t := range terms {
		all = append(all, t.AcceptMartians...)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	all = slices.Compact(all)
	for _, specs := range lists {
		for i := range specs {
			specs[i].Import.AcceptMartians, specs[i].Export.AcceptMartians = all, all
		}
	}
}

// extras are the speaker's settings beside GoBGP's own part.
func (c *Config) extras(terms map[string]rib.Terms) rib.Extras {
	x := rib.Extras{Terms: terms, MaxPrefixes: make(map[string]uint32), Leaks: make(map[string][]rib.LeakRule)}
	for _, s := range c.VRFs {
		if s.VRF != "" {
			continue // a secondary table of another VRF
		}
		if s.MaxPrefixes != 0 {
			x.MaxPrefixes[s.Name] = s.MaxPrefixes
		}
		if s.Export.AcceptBlackhole && !s.Export.AnnounceBlackholes {
			x.KeptBlackholes = append(x.KeptBlackholes, s.Name)
		}
		if len(s.Leaks) > 0 {
			x.Leaks[s.Name] = s.Leaks
		}
		if s.Carriage.Kind != 0 {
			if x.Carried == nil {
				x.Carried = make(map[string]rib.Carried)
			}
			x.Carried[s.Name] = s.Carriage.Carried()
		}
		if s.Export.Receive != nil {
			x.Screened = append(x.Screened, s.Name)
		}
	}
	x.Validating = validating(c.VRFs)
	return x
}

// validating are the VRFs whose paths are judged by what the RPKI says.
func validating(specs []vrf.Spec) (names []string) {
	for _, s := range specs {
		if rib.AsksRPKI(s.Export.Policy) || rib.AsksRPKI(s.Export.Receive) {
			names = append(names, s.Of())
		}
		for _, l := range s.Leaks {
			if rib.AsksRPKI(l.Policy) {
				names = append(names, l.From)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
