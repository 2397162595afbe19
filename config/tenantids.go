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
	return presenceOf(sights, t.kept, now, starts)
}

// Keep writes down the ids that tenants have with a configuration, which is to be in force.
func (t *TenantIDs) Keep(c *Config) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next, callers := c.ids, c.callers
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
