package reload

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Drift is how BGP differs from the configuration in force.
type Drift struct {
	Claim *Claim
	Now   *Held
	Known map[speaker.Thing]speaker.Difference // with who made the difference
}

// Effects are what a reload does to routes that are there.
type Effects struct {
	Rejudged                   // by other policies
	Lost       map[string]Loss // by the neighbour's address
	Anew       map[string]bool // VRFs that go, or are made anew
	Retargeted map[string]bool // VRFs that have other route targets
}

// Compare says what a reload from old to next would change in BGP: a Preview of which
// Feeds, Tables and Told are the caller's to set, and what it does to routes. drift has the
// differences that a reload would put right besides; nil: none is known.
func Compare(old, next *conf.Config, drift *Drift) (*speaker.Preview, *Effects) {
	c := &comparison{old: old, next: next, was: New(nil, nil, old), is: stateOf(next), lost: make(map[string]Loss)}
	if drift != nil {
		c.correct(drift)
	}
	c.out.Anew, c.out.Retargeted = make(map[string]bool), make(map[string]bool)
	for name := range c.was.vrfs {
		switch {
		case !c.was.vrfKept(name, c.is):
			c.out.Anew[name] = true
		case retargets(c.was, name, c.is):
			c.out.Retargeted[name] = true
		}
	}
	c.neighbors()
	c.others()
	c.corrections()
	c.terms()
	c.out.Old, c.out.Next = old.VRFs, next.VRFs
	c.out.OldRules, c.out.NextRules = old.Extras.Leaks, next.Extras.Leaks
	if len(c.lost) > 0 {
		c.out.Goes = c.goes
	}
	x := &Effects{Rejudged: c.rejudged(drift), Lost: c.lost, Anew: c.out.Anew, Retargeted: c.out.Retargeted}
	c.out.Rejudged = len(x.In) > 0 || x.Local
	return &c.out, x
}

// rejudged says whose routes other policies would judge. Of a server that is not known it
// says that of what originates here alone.
func (c *comparison) rejudged(drift *Drift) Rejudged {
	c.was.judged = append(c.was.judged, conf.NewJudging(&c.next.Set))
	c.was.judgedByOthers = c.was.policiesAltered()
	now := make(map[string]Neighbor)
	if drift != nil {
		now = drift.Now.Neighbors
	}
	for addr, n := range now {
		if is, stays := c.is.neighbors[addr]; stays && n.RouteServer.Config.RouteServerClient && !is.ApplyPolicy.Equal(&n.ApplyPolicy) {
			c.was.again[addr] = true
		}
	}
	return c.was.Rejudged(now)
}

// comparison of two configurations.
type comparison struct {
	old, next *conf.Config
	was       *Reconciler // it changes nothing: the state that a reload would begin with
	is        *state
	drifted   map[speaker.Thing]speaker.Difference
	lost      map[string]Loss // by the neighbour's address
	out       speaker.Preview
}

// Loss says which routes of a neighbour go: all, or those of some families.
type Loss struct {
	all      bool
	families []bgp.RouteFamily
}

// Whole tells whether all of them go.
func (l Loss) Whole() bool { return l.all }

// Has tells whether those of a family go, in which the neighbour sent them.
func (l Loss) Has(f bgp.RouteFamily) bool { return l.all || slices.Contains(l.families, f) }

// correct corrects the state that a reload would begin with.
func (c *comparison) correct(d *Drift) {
	c.was.Correct(d.Claim, d.Now, All)
	c.drifted = make(map[speaker.Thing]speaker.Difference)
	for _, x := range d.Claim.Differences(d.Now) {
		if known, is := d.Known[x.Thing()]; is && known.Missing == x.Missing {
			x = known
		}
		c.drifted[x.Thing()] = x
	}
}

func (c *comparison) neighbors() {
	add := func(n speaker.NeighborChange) { c.out.Neighbors = append(c.out.Neighbors, n) }
	for _, addr := range sortedNames(c.was.neighbors) {
		have := c.was.neighbors[addr]
		n, stays := c.is.neighbors[addr]
		switch {
		case !stays:
			add(neighborChange(speaker.Removed, addr, have))
			c.lost[addr] = Loss{all: true}
		case !n.Equal(&have):
			add(c.changed(addr, have, n))
		case c.was.altered[thing(speaker.KindNeighbor, addr)]:
			x := neighborChange(speaker.Changed, addr, n)
			d := c.drifted[thing(speaker.KindNeighbor, addr)]
			x.Keys, x.Notes = d.Keys, []string{d.Reason()}
			add(x)
		case c.out.Anew[have.Config.Vrf]:
			x := neighborChange(speaker.Changed, addr, n)
			x.Restarts = true
			x.Notes = []string{"its session restarts with its VRF: its routes go and come back"}
			add(x)
		}
	}
	for _, addr := range sortedNames(c.is.neighbors) {
		if _, had := c.was.neighbors[addr]; !had {
			x := neighborChange(speaker.Added, addr, c.is.neighbors[addr])
			if d, lost := c.drifted[thing(speaker.KindNeighbor, addr)]; lost {
				x.Notes = append(x.Notes, d.Reason())
			}
			x.Notes = append(x.Notes, "which routes it will send cannot be known before")
			add(x)
		}
	}
	c.out.Neighbors = append(c.out.Neighbors, absenteeChanges(speaker.Removed, c.old, c.next)...)
	c.out.Neighbors = append(c.out.Neighbors, absenteeChanges(speaker.Added, c.next, c.old)...)
	sortNeighbors(c.out.Neighbors)
}

func sortNeighbors(list []speaker.NeighborChange) {
	slices.SortStableFunc(list, func(a, b speaker.NeighborChange) int { return strings.Compare(a.Address, b.Address) })
}

// absenteeChanges are the neighbours that wait in one configuration, and are not in
// the other.
func absenteeChanges(kind speaker.ChangeKind, in, notIn *conf.Config) (out []speaker.NeighborChange) {
	for _, w := range in.Missing(notIn.Unnumbered) {
		out = append(out, speaker.NeighborChange{Kind: kind, Address: w.Interface, VRF: w.VRF, PeerAS: w.PeerAS, Notes: []string{"it waits: " + w.Reason}})
	}
	return out
}

// WaitingLines tell of neighbours that wait for their interface and come or go: GoBGP
// has nothing of them.
func WaitingLines(old, next *conf.Config) (lines []string) {
	for _, c := range absenteeChanges(speaker.Removed, old, next) {
		lines = append(lines, fmt.Sprintf("neighbour on the interface %s removed", c.Address))
	}
	for _, c := range absenteeChanges(speaker.Added, next, old) {
		lines = append(lines, fmt.Sprintf("neighbour on the interface %s added; %s", c.Address, c.Notes[0]))
	}
	return lines
}

func neighborChange(kind speaker.ChangeKind, addr string, n oc.Neighbor) speaker.NeighborChange {
	return speaker.NeighborChange{Kind: kind, Address: addr, VRF: n.Config.Vrf, PeerAS: n.Config.PeerAs}
}

// changed says which routes a changed neighbour loses, as GoBGP's UpdatePeer has it.
func (c *comparison) changed(addr string, have, n oc.Neighbor) speaker.NeighborChange {
	x := neighborChange(speaker.Changed, addr, n)
	x.Keys = conf.Differences(have, n)
	x.Restarts = have.NeedsResendOpenMessage(&n) || c.out.Anew[have.Config.Vrf]
	a, b := have.Config, n.Config
	note := func(text string) { x.Notes = append(x.Notes, text) }
	gone := slices.DeleteFunc(conf.FamiliesOf(have), func(f bgp.RouteFamily) bool { return slices.Contains(conf.FamiliesOf(n), f) })
	switch {
	case b.AdminDown && !a.AdminDown:
		c.lost[addr] = Loss{all: true}
		note("its session ends: its routes go")
	case a.Vrf != b.Vrf, a.PeerAs != b.PeerAs:
		c.lost[addr] = Loss{all: true}
		note("its session restarts as another one: its routes go, and which ones come back cannot be known before")
	case len(gone) > 0:
		c.lost[addr] = Loss{families: gone}
		note("its session restarts: the routes of a family that it has no more go, the others go and come back")
	case x.Restarts:
		note("its session restarts: its routes go and come back")
	}
	return x
}

// corrections name the differences that a reload would put right, besides neighbours.
func (c *comparison) corrections() {
	var lines []string
	for t, d := range c.drifted {
		if t.Kind != speaker.KindNeighbor {
			lines = append(lines, d.String())
		}
	}
	slices.Sort(lines)
	c.out.Others = append(c.out.Others, lines...)
}

// others compares things that have no routes of their own.
func (c *comparison) others() {
	say := func(format string, name string) { c.out.Others = append(c.out.Others, fmt.Sprintf(format, name)) }
	note := func(format string, name string) { c.out.Notes = append(c.out.Notes, fmt.Sprintf(format, name)) }
	was, is := c.was, c.is
	for _, name := range sortedNames(was.groups) {
		a := was.groups[name]
		if b, stays := is.groups[name]; !stays {
			say("peer group %s removed", name)
		} else if !conf.SameGroup(a, b) {
			say("peer group %s changed", name)
		}
	}
	for _, name := range sortedNames(is.groups) {
		if _, had := was.groups[name]; !had {
			say("peer group %s added", name)
		}
	}
	for _, prefix := range sortedNames(was.dynamic) {
		if _, stays := is.dynamic[prefix]; !stays {
			say("dynamic neighbours of %s removed", prefix)
			note("sessions of dynamic neighbours of %s that are up stay until they end by themselves", prefix)
		}
	}
	for _, prefix := range sortedNames(is.dynamic) {
		if _, had := was.dynamic[prefix]; !had {
			say("dynamic neighbours of %s added", prefix)
			note("which routes neighbours of %s will send cannot be known before", prefix)
		}
	}
	c.out.Others = append(c.out.Others, was.limits.Changes(is.limits)...)
	c.out.Others = append(c.out.Others, conf.CarriedChanges(c.old, c.next)...)
	if !reflect.DeepEqual(conf.WithoutRules(was.policies), conf.WithoutRules(is.policies)) {
		c.out.Others = append(c.out.Others, "policies changed")
	}
}

// terms adds changed terms to the other changes of a neighbour.
func (c *comparison) terms() {
	changed := conf.ChangedTerms(c.old, c.next)
	for _, key := range sortedNames(changed) {
		keys := changed[key]
		if group, is := conf.GroupOfTerms(key); is {
			c.out.Others = append(c.out.Others, fmt.Sprintf("peer group %s: %s", group, strings.Join(keys, ", ")))
			continue
		}
		i := slices.IndexFunc(c.out.Neighbors, func(x speaker.NeighborChange) bool { return x.Address == key })
		if i < 0 {
			n, ok := c.next.Neighbor(key)
			if !ok {
				continue
			}
			c.out.Neighbors = append(c.out.Neighbors, neighborChange(speaker.Changed, n.State.NeighborAddress, n))
			i = len(c.out.Neighbors) - 1
		}
		c.out.Neighbors[i].Keys = append(c.out.Neighbors[i].Keys, keys...)
	}
	sortNeighbors(c.out.Neighbors)
}

// goes tells whether a path goes with its neighbour.
func (c *comparison) goes(path rib.Path) bool {
	if !path.Attrs.Peer.IsValid() {
		return false
	}
	l, hit := c.lost[path.Attrs.Peer.String()]
	return hit && l.Has(familyOf(path))
}

// familyOf is the family in which the neighbour sent a path: a neighbour in a VRF sends
// unicast, which GoBGP makes a VPN path of.
func familyOf(path rib.Path) bgp.RouteFamily {
	v4, vpn := path.Prefix.Addr().Is4(), path.RD != 0 && path.Attrs.Source == ""
	switch {
	case path.InEVPN():
		return bgp.RF_EVPN
	case v4 && vpn:
		return bgp.RF_IPv4_VPN
	case vpn:
		return bgp.RF_IPv6_VPN
	case v4:
		return bgp.RF_IPv4_UC
	}
	return bgp.RF_IPv6_UC
}
