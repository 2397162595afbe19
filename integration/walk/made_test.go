package walk_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/bench/peer"
)

// Two of the sites are tenants that a template makes of their namespaces, with an id each, which
// stays theirs however often they come and go, and the daemon ends. FRR is a VPN peer of all
// tenants: it has routes for each, and hears what each announces.

const (
	firstID, lastID = 16, 17

	frrPeer = 2 // among the state's
	frrAddr = "10.0.0.9"
	frrRD   = 102
)

// targets are those that routes of the peers have some of.
var targets = []uint16{10, 11, 12, firstID, lastID}

func frrRoutes() map[routeID]peer.Route {
	rib := make(map[routeID]peer.Route)
	for prefix, nexthop := range map[string]string{"21.0.0.0/24": "10.0.1.2", "2001:db8:2100::/48": "2001:db8:1::2"} {
		p := netip.MustParsePrefix(prefix)
		rib[routeID{true, p}] = peer.Route{Prefix: p, Nexthop: netip.MustParseAddr(nexthop), LocalPref: 100, RD: frrRD, Targets: targets}
	}
	return rib
}

// frrConfig is FRR's, which opens the session, as the two other peers do.
func frrConfig() string {
	var b strings.Builder
	b.WriteString("frr defaults traditional\nhostname up\nbgp route-map delay-timer 1\n")
	for id, r := range frrRoutes() {
		family := familyOf(id.prefix)
		fmt.Fprintf(&b, "route-map %s permit 10\n set %s vpn next-hop %v\n set extcommunity rt", family, family, r.Nexthop)
		for _, rt := range r.Targets {
			fmt.Fprintf(&b, " %d:%d", as, rt)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "router bgp %d\n bgp router-id %s\n no bgp network import-check\n", as, frrAddr)
	for _, line := range []string{"remote-as 65000", "update-source " + frrAddr, "timers 3 9", "timers connect 1"} {
		fmt.Fprintf(&b, " neighbor 10.0.0.1 %s\n", line)
	}
	for id, r := range frrRoutes() {
		family := familyOf(id.prefix)
		fmt.Fprintf(&b, " address-family %s vpn\n  neighbor 10.0.0.1 activate\n  neighbor 10.0.0.1 attribute-unchanged next-hop\n", family)
		fmt.Fprintf(&b, "  network %v rd %d:%d label 100 route-map %s\n exit-address-family\n", r.Prefix, as, r.RD, family)
	}
	return b.String()
}

// familyOf is what FRR calls a prefix's family.
func familyOf(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "ipv6"
	}
	return "ipv4"
}

// heardByFRR is what the daemon announces to FRR.
func (w *world) heardByFRR() []string {
	w.T.Helper()
	if !w.frr.Established("10.0.0.1") {
		return []string{"there is no session"}
	}
	return slices.Sorted(slices.Values(append(w.frr.VPN("ipv4", "10.0.0.1"), w.frr.VPN("ipv6", "10.0.0.1")...)))
}

// template writes the one that makes VRFs of namespaces. The twins' names do not match.
func (s *state) template(b *strings.Builder) {
	fmt.Fprintf(b, "[[netlink.templates]]\n  name = \"tenants\"\n  netns = \"vr%d-*-m?\"\n  rd = \"%d:{id}\"\n  both-rt-list = [\"%d:{id}\"]\n  ids = \"%d-%d\"\n  id_quarantine = \"24h\"\n",
		os.Getpid(), as, as, firstID, lastID)
	for _, at := range s.sites {
		if at.vrfs[0].of != "" {
			s.exchange(b, "netlink.templates", at.vrfs[0])
			return
		}
	}
}

// vrfs are a site's VRFs, with the ids of those that a template makes.
func (w *world) vrfs(at *site) []vrfOf {
	list := slices.Clone(at.vrfs)
	for i := range list {
		if list[i].of != "" {
			list[i].target = w.ids[at.name]
		}
	}
	return list
}

// identify says what is wrong with the ids of the tenants that a template makes: each that is there
// has one, nobody else's, and the one that it had before.
func (w *world) identify() (wrong []string) {
	w.T.Helper()
	is := make(map[string]string)
	w.provision(func(ctx context.Context, c *client.Client) error {
		all, err := c.ListVrfs(ctx, &vrfredistv1.ListVrfsRequest{})
		for _, v := range all.GetVrfs() {
			is[v.GetName()] = v.GetRd()
		}
		return err
	})
	for _, at := range w.state.sites {
		if at.vrfs[0].of == "" {
			continue
		}
		name := w.places[at.name].live.Name
		rd, there := is[name]
		if there != at.there && (at.there || at.vrfs[0].paths == 0) { // what the API says of it stays
			wrong = append(wrong, fmt.Sprintf("%s is there: %v; its VRF is: %v", at.name, at.there, there))
			continue
		}
		if !at.there {
			continue
		}
		var id uint16
		if _, err := fmt.Sscanf(rd, "65000:%d", &id); err != nil || id < firstID || id > lastID {
			wrong = append(wrong, fmt.Sprintf("%s has the RD %q", at.name, rd))
			continue
		}
		if had := w.ids[at.name]; had != 0 && had != id {
			w.T.Fatalf("%s had the id %d, and has %d", at.name, had, id)
		}
		for other, its := range w.ids {
			if other != at.name && its == id {
				w.T.Fatalf("%s has the id %d of %s", at.name, id, other)
			}
		}
		w.ids[at.name] = id
	}
	return wrong
}

// overlay lays a setting over what the template says of a tenant, by the API, or takes it away.
func (w *walker) overlay() (step, bool) {
	at := w.somewhere()
	v := &at.vrfs[0]
	if v.of == "" {
		return step{}, false
	}
	name := at.name
	if v.paths != 0 {
		v.paths = 0
		return step{what: name + " is as the template has it again", do: func(w *world) { w.uncover(name) }, alone: true}, true
	}
	v.paths = pick(w, []int{1, 2})
	paths := uint32(v.paths)
	return step{what: fmt.Sprintf("%s gets max_paths %d over the API", name, paths), do: func(w *world) { w.cover(name, paths) }, alone: true}, true
}

func (w *world) cover(site string, paths uint32) {
	w.T.Helper()
	w.provision(func(ctx context.Context, c *client.Client) error {
		_, err := c.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{
			Vrf:  &vrfredistv1.VrfSpec{Name: w.places[site].live.Name, Export: &vrfredistv1.ExportSpec{MaxPaths: &paths}},
			Mask: &fieldmaskpb.FieldMask{Paths: []string{"export.max_paths"}},
		})
		return err
	})
}

func (w *world) uncover(site string) {
	w.T.Helper()
	w.provision(func(ctx context.Context, c *client.Client) error {
		_, err := c.DeleteVrf(ctx, &vrfredistv1.DeleteVrfRequest{Vrf: w.places[site].live.Name})
		return err
	})
}
