package daemon

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// neighbors yields the neighbours that come, go or change. One inside a
// namespace is two: GoBGP's, by its alias, and the relay's.
func (p *plan) neighbors() error {
	was, is := byAlias(p.now.Neighbors), byAlias(p.next.Neighbors)
	said := make(map[netip.Addr]bool)
	var items []vrf.PlanItem
	for _, c := range p.preview.Neighbors {
		item := neighborItem(c)
		alias, _ := netip.ParseAddr(c.Address)
		a, had := was[alias]
		b, has := is[alias]
		if had || has {
			said[alias] = true
			one := b
			if !has {
				one = a
			}
			item.Text = fmt.Sprintf("%s AS %d in VRF %s", one, c.PeerAS, one.VRF)
		}
		if had && has {
			item.Details = append(item.Details, relayDifferences(a, b)...)
		}
		items = append(items, item)
	}
	for _, alias := range sortedAliases(is) {
		a, had := was[alias]
		b := is[alias]
		if keys := relayDifferences(a, b); had && !said[alias] && len(keys) > 0 {
			items = append(items, vrf.PlanItem{
				Kind: vrf.PlanNeighbor, Op: vrf.PlanChange, VRF: b.VRF, Text: fmt.Sprintf("%s in VRF %s", b, b.VRF), Details: keys,
				Notes: []string{"its session restarts: its routes go and come back"},
			})
		}
	}
	p.totals.Neighbors = len(items)
	for _, item := range items {
		if err := p.yield(item); err != nil {
			return err
		}
	}
	return nil
}

func neighborItem(c speaker.NeighborChange) vrf.PlanItem {
	text := fmt.Sprintf("%s AS %d", c.Address, c.PeerAS)
	if c.VRF != "" {
		text += " in VRF " + c.VRF
	}
	return vrf.PlanItem{Kind: vrf.PlanNeighbor, Op: opOf(c.Kind), VRF: c.VRF, Text: text, Details: c.Keys, Notes: c.Notes}
}

func sortedAliases(m map[netip.Addr]rib.Neighbor) []netip.Addr {
	list := make([]netip.Addr, 0, len(m))
	for a := range m {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// relayDifferences names what differs in the relay's part of a neighbour. What
// is secret is not shown.
func relayDifferences(a, b rib.Neighbor) (out []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		field := x.Type().Field(i).Name
		v, w := x.Field(i).Interface(), y.Field(i).Interface()
		switch {
		case v == w || field == "Alias" || field == "Secret":
		case field == "Password":
			out = append(out, "auth-password changed")
		default:
			out = append(out, fmt.Sprintf("%s: %v -> %v", strings.ToLower(field), v, w))
		}
	}
	return out
}
