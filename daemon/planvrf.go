package daemon

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// plannedVRF is a VRF of either configuration.
type plannedVRF struct {
	name      string
	was, is   vrf.Spec
	had, has  bool // in the file
	ran, runs bool // with something to redistribute
}

// known are the VRFs of both configurations, those without redistribution too.
func (p *plan) known() map[string]plannedVRF {
	ran, runs := vrf.SpecsByName(p.before), vrf.SpecsByName(p.after)
	all := make(map[string]plannedVRF)
	for _, s := range slices.Concat(p.now.Others, p.now.VRFs) {
		v := plannedVRF{name: s.Name, was: s, had: true}
		if running, ok := ran[s.Name]; ok {
			v.was, v.ran = running, true
		}
		all[s.Name] = v
	}
	for _, s := range slices.Concat(p.next.Others, p.next.VRFs) {
		v := all[s.Name]
		v.name, v.is, v.has = s.Name, s, true
		if running, ok := runs[s.Name]; ok {
			v.is, v.runs = running, true
		}
		all[s.Name] = v
	}
	return all
}

// head is the item that says what becomes of the VRF itself.
func (v plannedVRF) head() vrf.PlanItem {
	item := vrf.PlanItem{Kind: vrf.PlanVRF, VRF: v.name}
	shown := v.is
	switch {
	case !v.had:
		item.Op = vrf.PlanAdd
	case !v.has:
		item.Op, shown = vrf.PlanRemove, v.was
	default:
		item.Details = v.was.Differences(v.is)
		if v.ran && !v.runs {
			item.Details = append(item.Details, "redistribution ends")
		}
		if !v.ran && v.runs {
			item.Details = append(item.Details, "redistribution starts")
		}
		if !v.ran && !v.runs { // what is off says nothing
			item.Details = slices.DeleteFunc(item.Details, func(s string) bool {
				return !strings.HasPrefix(s, "rd:") && !strings.Contains(s, "route targets:")
			})
		}
		if len(item.Details) > 0 {
			item.Op = vrf.PlanChange
		}
	}
	item.Details = append(item.Details, v.devices()...)
	item.Text = fmt.Sprintf("%s (%s)", v.name, shown.Binding)
	if !v.ran && !v.runs {
		item.Text = v.name + " (in BGP alone)"
	}
	return item
}

// yieldVRF works out one VRF, and yields it with its routes where something would change, and it
// is shown.
func (p *plan) yieldVRF(ctx context.Context, v plannedVRF, all map[string]*speaker.Paths, shown bool) error {
	head, paths := v.head(), all[v.is.Of()]
	if paths == nil { // it goes
		paths = &speaker.Paths{}
	}
	var t vrf.PlannedTable
	defer p.stage.Release()
	if (v.ran || v.runs) && (head.Op != vrf.PlanNone || paths.Edited() || p.leaks(v, paths)) {
		st, _ := p.status(v.name)
		var err error
		if t, err = p.stage.Table(ctx, v.name, paths, st.Counts.Total().Stale > 0); err != nil {
			t.Notes = append(t.Notes, err.Error()) // of this VRF alone: the others go on
		} else {
			p.takeDown(v, t)
		}
		if v.ran && st.State != vrf.Ready && st.State != vrf.Degraded {
			t.Notes = append(t.Notes, fmt.Sprintf("it is %s now: what its worker is to do anyway is in this plan too", cmp.Or(st.State, "not running")))
		}
	}
	if !shown || head.Op == vrf.PlanNone && t.Counts.Changes() == 0 {
		return nil
	}
	p.totals.VRFs++
	head.Notes = slices.Concat(v.carriageNotes(p.now.Core), t.Notes, p.choices.notes(v.name))
	if err := p.yield(head); err != nil {
		return err
	}
	return p.table(v, t)
}

// takeDown keeps what neighbours are told by.
func (p *plan) takeDown(v plannedVRF, t vrf.PlannedTable) {
	of := cmp.Or(v.is.VRF, v.was.VRF)
	if of != "" {
		return // a secondary table
	}
	p.outcome.Standing[v.name] = speaker.Standing{Unreached: t.Unreached, Confirmed: t.Confirmed}
	if len(t.Announcements) == 0 {
		return
	}
	changes := make(map[netip.Prefix]*rib.Announcement, len(t.Announcements))
	for i := range t.Announcements {
		a := &t.Announcements[i]
		changes[a.Announcement.Prefix] = &a.Announcement
		if a.Op == vrf.PlanRemove {
			changes[a.Announcement.Prefix] = nil
		}
	}
	p.outcome.Announcing[v.name] = changes
}

// leaks tells whether a VRF has routes through another whose table would be
// another one, or none.
func (p *plan) leaks(v plannedVRF, paths *speaker.Paths) bool {
	moved := make(map[string]bool)
	was, is := vrf.SpecsByName(p.before), vrf.SpecsByName(p.after)
	for _, name := range sortedUnion(was, is) {
		if _, had := was[name]; !had || p.stage.Moves(name) {
			moved[name] = name != v.name
		}
	}
	switch {
	case len(moved) == 0:
		return false
	case moved[v.is.Of()]: // whose secondary table this one is
		return true
	}
	for _, list := range paths.All {
		if slices.ContainsFunc(list, func(path rib.Path) bool { return moved[path.Attrs.Source] }) {
			return true
		}
	}
	return false
}

// table yields the routes and announcements of a VRF, as many as are wanted, and
// their counts.
func (p *plan) table(v plannedVRF, t vrf.PlannedTable) error {
	left := p.request.Lines
	totals := vrf.PlanTotals{PlanCounts: t.Counts, Unlisted: t.Counts.RouteLines() + len(t.Announcements)}
	if left != 0 {
		for item := range linesOf(t) {
			left--
			totals.Unlisted--
			item.VRF = v.name
			if err := p.yield(item); err != nil {
				return err
			}
			if left == 0 {
				break
			}
		}
	}
	p.totals.PlanCounts = p.totals.Plus(t.Counts)
	p.totals.Unlisted += totals.Unlisted
	return p.yield(vrf.PlanItem{Kind: vrf.PlanOfVRF, VRF: v.name, Totals: &totals})
}

// linesOf yields the changes of a table, each made as it is yielded.
func linesOf(t vrf.PlannedTable) iter.Seq[vrf.PlanItem] {
	return func(yield func(vrf.PlanItem) bool) {
		if t.Routes != nil {
			for r := range t.Routes {
				if !yield(vrf.PlanItem{Kind: vrf.PlanRoute, Op: r.Op, Text: r.Text, Prefix: r.Prefix, Where: r.Where}) {
					return
				}
			}
		}
		for _, a := range t.Announcements {
			if !yield(vrf.PlanItem{Kind: vrf.PlanAnnouncement, Op: a.Op, Text: announcementText(a.Announcement), Prefix: a.Announcement.Prefix}) {
				return
			}
		}
	}
}

func announcementText(a rib.Announcement) string {
	s := fmt.Sprintf("%s MED %d", a.Prefix, a.MED)
	if a.LocalPref != nil {
		s += fmt.Sprintf(" local preference %d", *a.LocalPref)
	}
	if a.Prepend > 0 {
		s += fmt.Sprintf(" prepended %d times", a.Prepend)
	}
	for _, c := range a.Communities {
		s += " " + c.String()
	}
	for _, c := range a.Large {
		s += " " + c.String()
	}
	return s
}
