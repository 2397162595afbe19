package daemon

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// mostTold is how many changes of what a neighbour is told are listed at most, where not all are
// asked for.
const mostTold = 12

// hearers are the neighbours of a plan, who would be told of routes otherwise.
type hearers struct{ *plan }

// tell yields what each neighbour would be told otherwise.
func (p hearers) tell(ctx context.Context) error {
	if p.preview.Told == nil {
		return nil
	}
	most := p.request.Lines
	if most > 0 {
		most = min(most, mostTold)
	}
	list, err := p.preview.Told(ctx, p.outcome, most)
	if err != nil {
		return err
	}
	called := callers{byAlias(p.now.Neighbors), byAlias(p.next.Neighbors)}
	for i := range list {
		t := &list[i]
		if p.request.VRF != "" && p.request.VRF != t.VRF {
			continue
		}
		if err := p.one(t, called.name(t.Neighbor)); err != nil {
			return err
		}
		*t = speaker.Told{} // its changes may be many
	}
	return nil
}

// one yields what one neighbour would be told otherwise, by its own name.
func (p hearers) one(t *speaker.Told, name calling) error {
	n := vrf.ToldCounts{Announced: t.Announced, Withdrawn: t.Withdrawn, Changed: t.Changed}
	totals := vrf.PlanTotals{Told: n, Unlisted: t.Changes() - len(t.First)}
	p.totals.Told = p.totals.Told.Plus(n)
	p.totals.Unlisted += totals.Unlisted
	err := p.yield(vrf.PlanItem{
		Kind: vrf.PlanHearer, VRF: t.VRF, Neighbor: name.address, Notes: t.Notes, Totals: &totals,
		Text: fmt.Sprintf("%s AS %d in VRF %s", name.text, t.PeerAS, t.VRF),
	})
	for i := range t.First {
		c := &t.First[i]
		if err != nil {
			return err
		}
		text := c.Prefix.String()
		if c.RD != 0 {
			text = fmt.Sprintf("RD %s %s", c.RD, c.Prefix)
		}
		if c.Terms != "" {
			text += " " + c.Terms
		}
		err = p.yield(vrf.PlanItem{Kind: vrf.PlanTold, Op: opOf(c.Kind), VRF: t.VRF, Neighbor: name.address, Prefix: c.Prefix, Text: text})
	}
	return err
}

func opOf(k speaker.ChangeKind) vrf.PlanOp {
	return map[speaker.ChangeKind]vrf.PlanOp{speaker.Added: vrf.PlanAdd, speaker.Removed: vrf.PlanRemove, speaker.Changed: vrf.PlanChange}[k]
}

// calling is how people call a neighbour: its address, and where it is.
type calling struct{ address, text string }

// callers know the neighbours in namespaces of two configurations, by alias.
type callers struct{ was, is map[netip.Addr]rib.Neighbor }

// name is how people call a neighbour that BGP has under an address.
func (c callers) name(key string) calling {
	alias, err := netip.ParseAddr(key)
	if err != nil {
		return calling{key, key}
	}
	one, inside := c.was[alias]
	if !inside {
		if one, inside = c.is[alias]; !inside {
			return calling{key, key}
		}
	}
	return calling{one.Peer.String(), one.String()}
}
