package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// tenantsVersion is the version of the file that this program reads and writes.
const tenantsVersion = 1

// TenantIDs are the ids that tenants of templates have: route distinguishers and route targets are
// made of them, so that they are the same after every restart, and are written down before anybody
// hears of them. It is safe for concurrent use.
type TenantIDs struct {
	dir string

	mu      sync.Mutex
	kept    keptIDs                 // guarded by mu: as the file has it
	callers map[string][]netip.Addr // guarded by mu: likewise
}

// keptIDs are the ids by the name of the template. They are immutable.
type keptIDs map[string]rib.PoolState

// tenantsFile is the file's shape.
type tenantsFile struct {
	Version   int     `json:"version"`
	Templates keptIDs `json:"templates"`
	// Callers are the routers that dialled in, by tenant: a restart waits for them as it does for
	// other neighbours.
	Callers map[string][]netip.Addr `json:"callers,omitempty"`
}

// OpenTenantIDs reads what dir keeps. What cannot be read is an error: to start without it would
// give tenants the route distinguishers of others.
func OpenTenantIDs(dir string) (*TenantIDs, error) {
	file := filepath.Join(dir, tenantsName)
	data, _, err := readFile(file, mostOverlay)
	if errors.Is(err, fs.ErrNotExist) {
		return &TenantIDs{dir: dir}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ids of tenants: %w; run vrfredist as a user that may read it, or keep the state elsewhere with --state-dir", err)
	}
	var kept tenantsFile
	if err = json.Unmarshal(data, &kept); err == nil && kept.Version != tenantsVersion {
		err = fmt.Errorf("it has version %d, and this program reads version %d", kept.Version, tenantsVersion)
	}
	for _, name := range slices.Sorted(maps.Keys(kept.Templates)) {
		if _, bad := rib.NewPool(kept.Templates[name]); err == nil && bad != nil {
			err = fmt.Errorf("template %q: %w", name, bad)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which holds the ids of tenants, is damaged: %w; correct it, or remove it to give all tenants new ids", file, err)
	}
	return &TenantIDs{dir: dir, kept: kept.Templates, callers: kept.Callers}, nil
}

// Presence is what there is now, with the ids that tenants have. starts says that the daemon
// starts.
func (t *TenantIDs) Presence(sights []Sight, now time.Time, starts bool) *Presence {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &Presence{sights: sights, ids: t.kept, at: now, starts: starts}
}

// Keep writes down the ids that tenants have with a configuration, which is to be in force.
func (t *TenantIDs) Keep(c *Config) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next, callers := c.tenancy.ids, c.tenancy.callers
	if next.equal(t.kept) && maps.EqualFunc(callers, t.callers, slices.Equal) {
		return nil
	}
	data, err := json.MarshalIndent(tenantsFile{tenantsVersion, next, callers}, "", "  ")
	if err == nil {
		err = writeState(t.dir, tenantsName, append(data, '\n'), 0o640)
	}
	if err != nil {
		return fmt.Errorf("keeping the ids of tenants, which have to be the same after a restart: %w", err)
	}
	t.kept, t.callers = next, callers
	return nil
}

// Callers are the routers of a tenant that dialled in.
func (t *TenantIDs) Callers() map[string][]netip.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.callers
}

func (k keptIDs) equal(other keptIDs) bool { return maps.EqualFunc(k, other, rib.PoolState.Equal) }

// heldBy tells whether a tenant has an id of a template.
func (k keptIDs) heldBy(template, name string) bool { return k[template].Held[name] != 0 }

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
