package config

import (
	"maps"
	"net/netip"
	"path"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Sight is a network namespace, or a VRF device, that there is on this machine.
type Sight struct {
	// Name is that of a namespace below /run/netns, or of a device. A namespace that is there by an
	// absolute path alone is no tenant: a VRF of the file may be bound to it.
	Name   string
	Device bool // a VRF device of the daemon's own namespace
	// Dev and Inode say which namespace it is, whatever its names are.
	Dev, Inode uint64
	Own        bool // the daemon's own namespace
	// Links are the addresses of its interfaces, the interfaces in the order of their numbers. They
	// are known where a template asks for them (Seeks.Links).
	Links []netip.Prefix
	// Callers are who wanted to begin a BGP session from a prefix that a template lets in.
	Callers []netip.Addr
}

// Equal tells whether two are the same in everything.
func (s Sight) Equal(other Sight) bool {
	return s.Name == other.Name && s.Device == other.Device && s.Dev == other.Dev && s.Inode == other.Inode && s.Own == other.Own &&
		slices.Equal(s.Links, other.Links) && slices.Equal(s.Callers, other.Callers)
}

// Presence is what there is that templates may match, and which ids tenants have. It is immutable;
// nil: nothing is known.
type Presence struct {
	sights []Sight
	ids    keptIDs
	at     time.Time
	// starts: it is the start of the daemon, at which the file and what was applied win.
	starts bool
	names  map[string]bool // of sights
}

func presenceOf(sights []Sight, ids keptIDs, at time.Time, starts bool) *Presence {
	p := &Presence{sights: sights, ids: ids, at: at, starts: starts, names: make(map[string]bool, len(sights))}
	for i := range sights {
		p.names[sights[i].Name] = true
	}
	return p
}

// Sights are what there is.
func (p *Presence) Sights() []Sight {
	if p == nil {
		return nil
	}
	return p.sights
}

func (p *Presence) orNone() *Presence {
	if p == nil {
		return &Presence{}
	}
	return p
}

func (p *Presence) len() int { return len(p.Sights()) }

func (p *Presence) has(name string) bool { return p != nil && p.names[name] }

// only is p without what is not wanted.
func (p *Presence) only(wants func(name string) bool) *Presence {
	if p == nil {
		return nil
	}
	return presenceOf(slices.DeleteFunc(slices.Clone(p.sights), func(s Sight) bool { return !wants(s.Name) }), p.ids, p.at, p.starts)
}

// Seeks is what the templates of a configuration ask of this machine.
type Seeks struct {
	Netns   []string // patterns of names
	Devices []string
	Links   []string // the patterns of Netns and Devices of which the addresses are asked for
	Paths   []string // of namespaces to which VRFs are bound
	Bound   []string // the names of those that have one
}

// Nothing tells whether there are no templates.
func (s Seeks) Nothing() bool { return len(s.Netns)+len(s.Devices) == 0 }

// Wants tells whether a namespace or a VRF device may be a tenant.
func (s Seeks) Wants(device bool, name string) bool {
	if device {
		return matchesAny(s.Devices, name)
	}
	return matchesAny(s.Netns, name)
}

// WantsLinks tells whether the addresses of a tenant are asked for.
func (s Seeks) WantsLinks(name string) bool { return matchesAny(s.Links, name) }

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		is, _ := path.Match(p, name) // a pattern that is none was refused
		return is
	})
}

// Tenant is a namespace or VRF device that a template makes a VRF.
type Tenant struct {
	Name     string
	Template string
	ID       uint32 // 0: its template has none
	// Waits says why it is no VRF yet; "": it is one.
	Waits string
}

// tenancy is what came of templates.
type tenancy struct {
	tenants []Tenant
	ids     keptIDs   // once the configuration is in force
	next    time.Time // when an id that a tenant waits for can be had; zero: none waits for a time
	seeks   Seeks
	doors   []rib.Doorway
	callers map[string][]netip.Addr // of the tenants of which a neighbour is one that dialled in
}

// Tenants are what templates match, in their order, and then by name.
func (t *tenancy) Tenants() []Tenant { return t.tenants }

// Seeks is what the templates ask of this machine.
func (t *tenancy) Seeks() Seeks { return t.seeks }

// Doorways are where routers of tenants may dial in of which nothing is known yet.
func (t *tenancy) Doorways() []rib.Doorway { return t.doors }

// NextID is when an id that a tenant waits for can be had; zero: none waits for a time.
func (t *tenancy) NextID() time.Time { return t.next }

// keptIDs are the ids by the name of the template. They are immutable.
type keptIDs map[string]rib.PoolState

func (k keptIDs) equal(other keptIDs) bool { return maps.EqualFunc(k, other, rib.PoolState.Equal) }

// heldBy tells whether a tenant has an id of a template.
func (k keptIDs) heldBy(template, name string) bool { return k[template].Held[name] != 0 }
