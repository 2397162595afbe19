package config

import (
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// allotment gives the tenants of templates their ids.
type allotment struct {
	*Presence
	next keptIDs
	gone []string  // the templates that are no more
	soon time.Time // when an id that a tenant waits for can be had
}

// newAllotment begins with what is kept. The ids of templates that are no more rest.
func newAllotment(p *Presence, templates []*template) *allotment {
	p = p.orNone()
	a := &allotment{Presence: p, next: make(keptIDs)}
	for name, state := range p.ids {
		if slices.ContainsFunc(templates, func(t *template) bool { return t.name == name }) {
			continue
		}
		pool := poolOf(state)
		pool.Assign(p.at, idQuarantine, 0, 0, nil)
		a.keep(name, pool)
		a.gone = append(a.gone, name)
	}
	return a
}

// poolOf is the pool of a state that was read, or made by a pool.
func poolOf(state rib.PoolState) *rib.Pool {
	pool, err := rib.NewPool(state)
	if err != nil {
		pool, _ = rib.NewPool(rib.PoolState{}) // an empty one contradicts nothing
	}
	return pool
}

func (a *allotment) keep(name string, pool *rib.Pool) {
	if s := pool.State(); len(s.Held)+len(s.Resting) > 0 {
		a.next[name] = s
	}
}

// give gives the tenants of a template their ids, by name. Those whose route distinguisher
// somebody else has are passed over; at a start a tenant gives way too.
func (a *allotment) give(t *template, names []string, others []holder) map[string]rib.Grant {
	pool := poolOf(a.ids[t.name])
	for _, name := range names {
		a.inherit(pool, name)
	}
	taken := t.takenBy(others)
	if a.starts {
		for _, name := range names {
			if by, is := taken[pool.Of(name)]; is && by != name {
				pool.Drop(name, a.at.Add(t.quarantine))
			}
		}
	}
	passed := make(map[uint32]bool, len(taken))
	for id := range taken {
		passed[id] = true
	}
	pool.Pass(passed)
	claims := make([]rib.Claim, len(names))
	for i, name := range names {
		claims[i].Name = name
	}
	grants := pool.Assign(a.at, t.quarantine, t.ids.first, t.ids.last, claims)
	a.keep(t.name, pool)
	for _, g := range grants {
		if g.Number == 0 && !g.Until.IsZero() && (a.soon.IsZero() || g.Until.Before(a.soon)) {
			a.soon = g.Until
		}
	}
	return grants
}

// inherit gives a tenant the id that it had of a template with another name, which is no more.
func (a *allotment) inherit(pool *rib.Pool, name string) {
	for _, template := range a.gone {
		id := a.ids[template].Held[name]
		if id == 0 || !pool.Adopt(name, id, a.at) {
			continue
		}
		state := a.next[template]
		state.Resting = slices.DeleteFunc(slices.Clone(state.Resting), func(r rib.Rested) bool { return r.Number == id })
		a.next[template] = state
	}
}
