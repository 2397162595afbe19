package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// Preview is what a Reload with another configuration would change in BGP.
// Nothing of it has happened. It is immutable, and its methods may be called
// from any goroutine.
type Preview struct {
	// Neighbors are ordered by address.
	Neighbors []NeighborChange
	// Others are the changes of peer groups, dynamic neighbours and policies, a
	// line each.
	Others []string
	// Notes say what of the effect cannot be known before.
	Notes []string

	speaker   *Speaker
	old, next *conf
	lost      map[string]loss // by the neighbour's address as events have it
	anew      map[string]bool // VRFs that go, or are made anew
}

// ChangeKind is what becomes of a neighbour.
type ChangeKind uint8

// The kinds of change.
const (
	Added ChangeKind = iota + 1
	Removed
	Changed
)

// NeighborChange is a neighbour that a configuration adds, removes or changes.
type NeighborChange struct {
	Kind     ChangeKind
	Address  string // GoBGP's: the alias of one in a namespace
	VRF      string // "": the global table
	PeerAS   uint32
	Keys     []string // of Changed: "timers.config.hold-time: 90 -> 30", a line each
	Restarts bool     // its session ends, and another begins
	Notes    []string
}

// loss says which routes of a neighbour go: all, or those of some families.
type loss struct {
	all      bool
	families []bgp.RouteFamily
}

// Preview compares a configuration with the one in force. Its error is what
// Reload would refuse the configuration with.
func (s *Speaker) Preview(text []byte, extras rib.Extras) (*Preview, error) {
	if err := Check(text); err != nil {
		return nil, err
	}
	next, err := s.fit(context.Background(), text, extras, s.inForce())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	old, ended := s.conf, s.ended
	s.mu.Unlock()
	if ended {
		return nil, errStopped
	}
	if err := unchangeable(old, next); err != nil {
		return nil, err
	}
	was, is := newReconciler(s, old), newReconciler(s, next)
	drifted, err := s.drifted(was, old)
	if err != nil {
		return nil, err
	}
	p := &Preview{speaker: s, old: old, next: next, lost: make(map[string]loss), anew: make(map[string]bool)}
	for name := range was.vrfs {
		if !was.vrfKept(name, is) {
			p.anew[name] = true
		}
	}
	p.neighbours(was, is, drifted)
	p.others(was, is)
	p.drifted(drifted)
	p.terms()
	return p, nil
}

// drifted corrects what a reload would begin with, and returns what differs, and who
// made it so.
func (s *Speaker) drifted(was *reconciler, old *conf) (map[thing]Difference, error) {
	out := make(map[thing]Difference)
	c := s.drift.held()
	if c == nil || c.conf != old {
		return out, nil // BGP does not run, or another reload does
	}
	now, err := readBack(context.Background(), was.bgp)
	if err != nil {
		return nil, err
	}
	was.correct(c, now, all)
	for _, d := range c.differences(now) {
		if known, is := s.differs(d.thing()); is && known.Missing == d.Missing {
			d = known
		}
		out[d.thing()] = d
	}
	return out, nil
}

func (p *Preview) neighbours(was, is *reconciler, drifted map[thing]Difference) {
	for _, addr := range sortedNames(was.neighbors) {
		have := was.neighbors[addr]
		n, stays := is.neighbors[addr]
		switch {
		case !stays:
			p.Neighbors = append(p.Neighbors, neighborChange(Removed, addr, have))
			p.lost[bare(addr)] = loss{all: true}
		case !n.Equal(&have):
			p.changed(addr, have, n)
		case was.altered[thing{KindNeighbor, addr}]:
			c := neighborChange(Changed, addr, n)
			d := drifted[thing{KindNeighbor, addr}]
			c.Keys, c.Notes = d.Keys, []string{d.Reason()}
			p.Neighbors = append(p.Neighbors, c)
		case p.anew[have.Config.Vrf]:
			c := neighborChange(Changed, addr, n)
			c.Restarts = true
			c.Notes = []string{"its session restarts with its VRF: its routes go and come back"}
			p.Neighbors = append(p.Neighbors, c)
		}
	}
	for _, addr := range sortedNames(is.neighbors) {
		if _, had := was.neighbors[addr]; !had {
			c := neighborChange(Added, addr, is.neighbors[addr])
			if d, lost := drifted[thing{KindNeighbor, addr}]; lost {
				c.Notes = append(c.Notes, d.Reason())
			}
			c.Notes = append(c.Notes, "which routes it will send cannot be known before")
			p.Neighbors = append(p.Neighbors, c)
		}
	}
	p.Neighbors = append(p.Neighbors, absenteeChanges(Removed, p.old, p.next)...)
	p.Neighbors = append(p.Neighbors, absenteeChanges(Added, p.next, p.old)...)
	slices.SortStableFunc(p.Neighbors, func(a, b NeighborChange) int { return strings.Compare(a.Address, b.Address) })
}

// absenteeChanges are the neighbours that wait in one configuration, and are not in
// the other.
func absenteeChanges(kind ChangeKind, in, notIn *conf) (out []NeighborChange) {
	for _, w := range in.waiting {
		_, placed := notIn.placed[w.Interface]
		waits := slices.ContainsFunc(notIn.waiting, func(o absentee) bool { return o.Interface == w.Interface })
		if !placed && !waits {
			out = append(out, NeighborChange{Kind: kind, Address: w.Interface, VRF: w.VRF, PeerAS: w.PeerAS, Notes: []string{"it waits: " + w.Reason}})
		}
	}
	return out
}

// waitingLines tell of neighbours that wait, which GoBGP has nothing of.
func waitingLines(old, next *conf) (lines []string) {
	for _, c := range absenteeChanges(Removed, old, next) {
		lines = append(lines, fmt.Sprintf("neighbour on the interface %s removed", c.Address))
	}
	for _, c := range absenteeChanges(Added, next, old) {
		lines = append(lines, fmt.Sprintf("neighbour on the interface %s added; %s", c.Address, c.Notes[0]))
	}
	return lines
}

func neighborChange(kind ChangeKind, addr string, n oc.Neighbor) NeighborChange {
	return NeighborChange{Kind: kind, Address: addr, VRF: n.Config.Vrf, PeerAS: n.Config.PeerAs}
}

// bare is an address as GoBGP's events have it: without a zone.
func bare(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	return a.WithZone("").String()
}

// changed says what a changed neighbour loses, as GoBGP's UpdatePeer has it.
func (p *Preview) changed(addr string, have, n oc.Neighbor) {
	c := neighborChange(Changed, addr, n)
	c.Keys = differences("", reflect.ValueOf(have), reflect.ValueOf(n))
	c.Restarts = have.NeedsResendOpenMessage(&n) || p.anew[have.Config.Vrf]
	a, b := have.Config, n.Config
	note := func(text string) { c.Notes = append(c.Notes, text) }
	gone := slices.DeleteFunc(familiesOf(have), func(f bgp.RouteFamily) bool { return slices.Contains(familiesOf(n), f) })
	switch {
	case b.AdminDown && !a.AdminDown:
		p.lost[bare(addr)] = loss{all: true}
		note("its session ends: its routes go")
	case a.Vrf != b.Vrf, a.PeerAs != b.PeerAs:
		p.lost[bare(addr)] = loss{all: true}
		note("its session restarts as another one: its routes go, and which ones come back cannot be known before")
	case len(gone) > 0:
		p.lost[bare(addr)] = loss{families: gone}
		note("its session restarts: the routes of a family that it has no more go, the others go and come back")
	case c.Restarts:
		note("its session restarts: its routes go and come back")
	}
	if !have.ApplyPolicy.Equal(&n.ApplyPolicy) {
		note("what other policies do to its routes is not worked out here")
	}
	p.Neighbors = append(p.Neighbors, c)
}

func familiesOf(n oc.Neighbor) []bgp.RouteFamily {
	var list []bgp.RouteFamily
	for _, a := range n.AfiSafis {
		list = append(list, a.State.Family)
	}
	return list
}

// drifted says what a reload would put right, besides neighbours.
func (p *Preview) drifted(drifted map[thing]Difference) {
	var lines []string
	for t, d := range drifted {
		if t.kind != KindNeighbor {
			lines = append(lines, d.String())
		}
	}
	slices.Sort(lines)
	p.Others = append(p.Others, lines...)
}

// others compares what has no routes of its own.
func (p *Preview) others(was, is *reconciler) {
	for _, name := range sortedNames(was.groups) {
		a := was.groups[name]
		if b, stays := is.groups[name]; !stays {
			p.Others = append(p.Others, fmt.Sprintf("peer group %s removed", name))
		} else if !a.Equal(&b) {
			p.Others = append(p.Others, fmt.Sprintf("peer group %s changed", name))
		}
	}
	for _, name := range sortedNames(is.groups) {
		if _, had := was.groups[name]; !had {
			p.Others = append(p.Others, fmt.Sprintf("peer group %s added", name))
		}
	}
	for _, prefix := range sortedNames(was.dynamic) {
		if _, stays := is.dynamic[prefix]; !stays {
			p.Others = append(p.Others, fmt.Sprintf("dynamic neighbours of %s removed", prefix))
			p.Notes = append(p.Notes, fmt.Sprintf("sessions of dynamic neighbours of %s that are up stay until they end by themselves", prefix))
		}
	}
	for _, prefix := range sortedNames(is.dynamic) {
		if _, had := was.dynamic[prefix]; !had {
			p.Others = append(p.Others, fmt.Sprintf("dynamic neighbours of %s added", prefix))
			p.Notes = append(p.Notes, fmt.Sprintf("which routes neighbours of %s will send cannot be known before", prefix))
		}
	}
	p.Others = append(p.Others, was.limits.changes(is.limits)...)
	if !reflect.DeepEqual(withoutRules(was.policies), withoutRules(is.policies)) {
		p.Others = append(p.Others, "policies changed")
		p.Notes = append(p.Notes, "policies changed: what they do to routes is not worked out here, and routes that they let through or refuse are not in this plan; `vrfredist reload --confirm 2m` applies them and takes them back by itself, and `vrfredist monitor` shows meanwhile what they do")
	}
}

// differences names the keys of a configuration that differ, with both values.
func differences(path string, a, b reflect.Value) (out []string) {
	switch {
	case a.Kind() == reflect.Struct:
		for f := range fieldsOf(a.Type()) {
			if tag := tagOf(f); tag != "state" {
				out = append(out, differences(join(path, tag), a.FieldByIndex(f.Index), b.FieldByIndex(f.Index))...)
			}
		}
	case isSectionList(a.Type()):
		for i := range max(a.Len(), b.Len()) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= a.Len():
				out = append(out, at+" added"+called(b.Index(i)))
			case i >= b.Len():
				out = append(out, at+" removed"+called(a.Index(i)))
			default:
				out = append(out, differences(at, a.Index(i), b.Index(i))...)
			}
		}
	case reflect.DeepEqual(a.Interface(), b.Interface()):
	case strings.HasSuffix(path, "auth-password"):
		out = append(out, path+" changed")
	default:
		out = append(out, fmt.Sprintf("%s: %s -> %s", path, shown(a), shown(b)))
	}
	return out
}

// called names the address family that a section is of.
func called(v reflect.Value) string {
	if a, ok := v.Interface().(oc.AfiSafi); ok {
		return " (" + string(a.Config.AfiSafiName) + ")"
	}
	return ""
}

func shown(v reflect.Value) string {
	if s := fmt.Sprint(v.Interface()); s != "" {
		return s
	}
	return `""`
}

// goes tells whether a path goes with its neighbour.
func (p *Preview) goes(path rib.Path) bool {
	if len(p.lost) == 0 || !path.Attrs.Peer.IsValid() {
		return false
	}
	l, hit := p.lost[path.Attrs.Peer.WithZone("").String()]
	return hit && (l.all || slices.Contains(l.families, familyOf(path)))
}

// familyOf is the family in which the neighbour sent a path: one in a VRF sends
// unicast, which GoBGP makes a VPN path of.
func familyOf(path rib.Path) bgp.RouteFamily {
	v4, vpn := path.Prefix.Addr().Is4(), path.RD != 0 && path.Attrs.Source == ""
	switch {
	case v4 && vpn:
		return bgp.RF_IPv4_VPN
	case vpn:
		return bgp.RF_IPv6_VPN
	case v4:
		return bgp.RF_IPv4_UC
	}
	return bgp.RF_IPv6_UC
}
