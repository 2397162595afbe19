package nsworker

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeCore is a core of which the test says how PEs are reached.
type fakeCore struct {
	mu        sync.Mutex
	leads     map[netip.Addr]rib.Lead
	watched   map[netip.Addr]int
	followers map[chan struct{}]bool
	needs     []string
	making    string
	entrance  string      // why labels and SIDs do not stand
	before    rib.Carried // by which packets come in meanwhile
	moves     bool
	asked     map[string]rib.Carriage
	told      []string
	fails     error // of Link
	inside    map[string]rib.Inside
	links     map[string]rib.CoreLink
	found     map[netip.Addr]rib.Lead // what it finds out once somebody asks
}

func newFakeCore(pes ...string) *fakeCore {
	c := &fakeCore{leads: make(map[netip.Addr]rib.Lead), watched: make(map[netip.Addr]int), followers: make(map[chan struct{}]bool)}
	for _, pe := range pes {
		c.leads[netip.MustParseAddr(pe)] = reachedPE(pe)
	}
	return c
}

// reachedPE is a PE that a host route leads to.
func reachedPE(pe string) rib.Lead {
	return rib.Lead{By: &rib.Route{Prefix: netip.MustParsePrefix(pe + "/32"), Kind: rib.KindUnicast}}
}

func (c *fakeCore) PE(addr netip.Addr) (rib.Lead, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, known := c.leads[addr]
	return l, known
}

func (c *fakeCore) Watch(addr netip.Addr, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lead, is := c.found[addr]; is {
		c.leads[addr] = lead
		for ch := range c.followers {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
	if c.watched[addr] += by; c.watched[addr] == 0 {
		delete(c.watched, addr)
	}
}

func (c *fakeCore) Follow(string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers[ch] = true
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.followers, ch)
	}
}

func (c *fakeCore) Making(uint32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.making
}

func (c *fakeCore) Link(name string) (rib.CoreLink, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to, is := c.links[name]; is && c.fails == nil {
		return to, nil
	}
	return rib.CoreLink{}, cmp.Or(c.fails, fmt.Errorf("the core has no interface %s", name))
}

func (c *fakeCore) Need(vrf string, _ rib.Binding, is rib.Carriage, at rib.Inside) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside == nil {
		c.inside = make(map[string]rib.Inside)
	}
	c.inside[vrf] = at
	if c.asked == nil {
		c.asked = make(map[string]rib.Carriage)
	}
	c.asked[vrf] = is
	c.needs = append(c.needs, "need "+vrf+" "+is.Device)
}

func (c *fakeCore) Entrance(string) rib.Arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	return rib.Arrival{Why: c.entrance, Meanwhile: c.before, Moves: c.moves}
}

func (c *fakeCore) Told(vrf string, by rib.Carried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, vrf+" by "+by.Address())
	if c.moves && c.entrance == "" {
		c.moves = false
		c.news()
	}
}

// heard is of what PEs have been told, as the core was told.
func (c *fakeCore) heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// wanted is how often the core was asked for something, and for what last for a VRF.
func (c *fakeCore) wanted(vrf string) (times int, last rib.Carriage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.needs), c.asked[vrf]
}

// news wakes who follows. The caller holds mu.
func (c *fakeCore) news() {
	for ch := range c.followers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (c *fakeCore) Drop(vrf string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.needs = append(c.needs, "drop "+vrf)
}

func (c *fakeCore) Wrote(rib.Where, []rib.Change) {}

// says changes how a PE is reached, and wakes who follows.
func (c *fakeCore) says(pe string, lead rib.Lead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads[netip.MustParseAddr(pe)] = lead
	c.news()
}

// The parts of a VRF whose packets go by VXLAN.
var (
	ownMAC = rib.MAC{2, 0, 0, 0, 1, 1}
	peMAC  = rib.MAC{2, 0, 0, 0, 2, 1}
	vtep   = netip.MustParseAddr("10.255.0.1")
)

const vxIndex = 9

// overVXLAN is a VRF with VNI 100.
func overVXLAN() vrf.Spec {
	s := spec("red")
	s.Carriage = rib.Carriage{Kind: rib.EncapVXLAN, Core: rib.Core{VTEP: vtep, Port: 4789}, VNI: 100, Router: ownMAC, Device: "vx100"}
	return s
}

// vxlan gives the table the VRF's device.
func (t *fakeTable) vxlan(change ...func(*rib.Link)) {
	l := rib.Link{Index: vxIndex, Name: "vx100", Up: true, Admin: true, VXLAN: rib.VXLAN{VNI: 100, Local: vtep, Port: 4789, MAC: ownMAC}}
	for _, c := range change {
		c(&l)
	}
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.links = maps.Clone(t.links)
	t.links[vxIndex] = l
	t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncLink, Links: maps.Clone(t.links)})
}

// applyEndpoint keeps the kernel's rules for the entries of other PEs.
func (t *fakeTable) applyEndpoint(c rib.Change) error {
	if t.endpoints == nil {
		t.endpoints = make(map[netip.Addr]rib.Endpoint)
	}
	if err := t.refuseVia[c.Endpoint.Gateway]; err != nil {
		return err
	}
	if c.Op == rib.OpDeleteEndpoint {
		delete(t.endpoints, c.Endpoint.Gateway)
		return nil
	}
	if l := t.links[c.Endpoint.Ifindex]; !l.Admin {
		return fmt.Errorf("interface %d is down", c.Endpoint.Ifindex)
	}
	t.endpoints[c.Endpoint.Gateway] = c.Endpoint
	return nil
}

// pes prints the endpoints of a table.
func (t *fakeTable) pes() string {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	var list []string
	for _, e := range t.endpoints {
		s := fmt.Sprintf("%s lladdr %s dst %s", e.Gateway, e.MAC, e.VTEP)
		if e.VNI != 0 {
			s += fmt.Sprintf(" vni %d", e.VNI)
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// byEVPN makes a path one that a PE sent by EVPN.
func byEVPN(vni uint32, mac rib.MAC) func(*rib.Path) {
	return func(p *rib.Path) {
		p.Label = vni
		p.Attrs.Carrier, p.Attrs.EncapKind, p.Attrs.RouterMAC = rib.ByEVPN, rib.EncapVXLAN, mac
	}
}

func vtepOf(s string) netip.Addr { return netip.MustParseAddr(s) }

// loseEndpoints takes all entries of other PEs away, without a word.
func (t *fakeTable) loseEndpoints() {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	clear(t.endpoints)
}

// emitResync has the table read again.
func (t *fakeTable) emitResync() {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncOther})
}
