package daemon

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// mostDialers bounds how many routers of a tenant may dial in: each is a neighbour from then on.
const mostDialers = 16

// dialers are the routers of tenants that dialled in from where a template lets them.
type dialers struct {
	mu sync.Mutex
	by map[string][]netip.Addr // guarded by mu: by tenant, in the order in which they came
}

// begin takes over those of an earlier run.
func (c *dialers) begin(by map[string][]netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = maps.Clone(by)
}

// add takes one in. It tells whether it is new, and whether there was no room for it.
func (c *dialers) add(tenant string, caller netip.Addr) (fresh, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.by[tenant]
	switch {
	case slices.Contains(list, caller):
		return false, false
	case len(list) >= mostDialers:
		return false, true
	}
	if c.by == nil {
		c.by = make(map[string][]netip.Addr)
	}
	c.by[tenant] = append(slices.Clone(list), caller)
	return true, false
}

func (c *dialers) of(tenant string) []netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[tenant]
}

// only forgets those of all other tenants.
func (c *dialers) only(list []rib.Tenant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.by, func(name string, _ []netip.Addr) bool {
		return !slices.ContainsFunc(list, func(t rib.Tenant) bool { return t.Name == name })
	})
}
