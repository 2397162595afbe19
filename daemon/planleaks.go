package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// mostRehearsals is how often what a VRF chooses is worked out, where VRFs leak from each other: a
// change goes from one to the next, and some way round a circle.
const mostRehearsals = 4

// settling works out what VRFs would choose of which others leak.
type settling struct {
	*plan
	unsettled map[string]error // by VRF, why it is not known what it would choose
}

// settle has what VRFs would choose otherwise than now come into those that leak it, and into those
// that leak from these in turn.
func (p settling) settle(ctx context.Context, known map[string]plannedVRF, all map[string]*speaker.Paths) error {
	anew, due, done := p.preview.Sources(all), make(map[string]bool), make(map[string]int)
	for name, asked := range anew {
		v, paths := known[name], all[name]
		if paths != nil && v.runs && (asked || v.head().Op != vrf.PlanNone || paths.Edited() || p.leaks(v, paths)) {
			due[name] = true
		}
	}
	for len(due) > 0 {
		name := p.first(due)
		delete(due, name)
		if done[name]++; done[name] > mostRehearsals {
			continue
		}
		err := p.stage.Choices(ctx, name, all[name], func(list []rib.Choice) {
			p.preview.Chose(all, name, list, func(into string) {
				if _, leaked := anew[into]; leaked && known[into].runs {
					due[into] = true
				}
			})
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.unsettled[name] = err
		}
	}
	return nil
}

// first is the VRF that comes first: one that leaks from none of the others that are due.
func (p settling) first(due map[string]bool) string {
	names := slices.Sorted(maps.Keys(due))
	for _, name := range names {
		if !slices.ContainsFunc(p.preview.NextRules[name], func(r rib.LeakRule) bool { return due[r.From] && r.From != name }) {
			return name
		}
	}
	return names[0] // a circle
}

// notes say of which VRFs that one leaks from it is not known what they would choose.
func (p settling) notes(into string) (list []string) {
	for _, r := range p.preview.NextRules[into] {
		if err := p.unsettled[r.From]; err != nil {
			list = append(list, fmt.Sprintf("what would come in from VRF %q is what comes now, or the best that BGP has there: %s", r.From, err))
		}
	}
	return list
}
