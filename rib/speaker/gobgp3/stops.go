package gobgp3

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Stops is where it is kept over restarts which neighbours somebody disabled. A neighbour's name
// is its interface where the configuration names it by that, and else BGP's own.
type Stops interface {
	// All are the neighbours that are kept.
	All() map[string]rib.Disabled
	// Change makes changes, and returns when they are kept; nil: a neighbour is forgotten.
	Change(changes map[string]*rib.Disabled) error
	// Left forgets neighbours that have left the configuration, once they cannot come back by a
	// reload that is undone. It is called again for those that it did not forget.
	Left(names []string) error
}

// stops are the neighbours that somebody disabled, of the configuration or let in by one of its peer
// groups: others are not there after a restart. Whoever disables one has it kept before, so that it
// holds over the end of the daemon, whenever that comes.
type stops struct {
	*embedded
	sessions *sessions
	guests   *guests
	kept     Stops // nil: nothing is kept
}

// stopName is a neighbour's name for what is kept.
func stopName(n *oc.Neighbor) string {
	return cmp.Or(n.Config.NeighborInterface, n.State.NeighborAddress)
}

// of returns what is kept of the neighbours of a configuration, by BGP's names.
func (s *stops) of(c *conf.Config) map[string]rib.Disabled {
	if s.kept == nil {
		return nil
	}
	kept, found := s.kept.All(), make(map[string]rib.Disabled)
	for i := range c.Set.Neighbors {
		if one, is := kept[stopName(&c.Set.Neighbors[i])]; is {
			found[c.Set.Neighbors[i].State.NeighborAddress] = one
		}
	}
	return found
}

// put keeps that a neighbour is disabled, or of nil that it is not any more; name "": all are.
func (s *stops) put(name string, to *rib.Disabled) error {
	if s.kept == nil {
		return nil
	}
	changes, kept := make(map[string]*rib.Disabled), s.kept.All()
	c := s.inForce()
	for i := range c.Set.Neighbors {
		n := &c.Set.Neighbors[i]
		if name != "" && n.State.NeighborAddress != name {
			continue
		}
		changes[stopName(n)] = anew(kept, stopName(n), to)
	}
	for _, guest := range s.guestsOf(name) {
		changes[guest] = anew(kept, guest, to)
	}
	return s.change(changes)
}

// anew is what becomes of a neighbour that may be disabled already.
func anew(kept map[string]rib.Disabled, name string, to *rib.Disabled) *rib.Disabled {
	was, is := kept[name]
	if !is || to == nil || was.Draining() || to.Draining() {
		return to
	}
	since := *to
	since.Since = was.Since
	return &since
}

// change has changes kept, and the dynamic neighbours among them held to it.
func (s *stops) change(changes map[string]*rib.Disabled) error {
	err := s.kept.Change(changes)
	down := s.kept.All()
	maps.DeleteFunc(down, func(name string, _ rib.Disabled) bool { return s.configured(name) })
	s.guests.set(down)
	return err
}

// configured tells whether what is kept under a name is of a neighbour with a section of its own.
func (s *stops) configured(name string) bool {
	c := s.inForce()
	return slices.ContainsFunc(c.Set.Neighbors, func(n oc.Neighbor) bool { return stopName(&n) == name }) ||
		slices.ContainsFunc(c.Waiting, func(w conf.Absentee) bool { return w.Interface == name })
}

// guestsOf are the dynamic neighbours that a name means, "": all, be they there or be they disabled.
func (s *stops) guestsOf(name string) []string {
	list := s.guests.present(name)
	for kept := range s.kept.All() {
		if (name == "" || kept == name) && !s.configured(kept) && !slices.Contains(list, kept) {
			list = append(list, kept)
		}
	}
	return list
}

// enable has neighbours enabled by do, and forgets that they were not to be. Dynamic ones are
// forgotten before, since they are held to what is kept, and need not be there: they may dial in
// again.
func (s *stops) enable(name string, do func() error) error {
	if s.kept == nil {
		return do()
	}
	was := s.kept.All()
	guests, away := make(map[string]*rib.Disabled), false
	for _, guest := range s.guestsOf(name) {
		if one, is := was[guest]; is {
			guests[guest], away = &one, away || len(s.guests.present(guest)) == 0
		}
	}
	forgotten := make(map[string]*rib.Disabled)
	for guest := range guests {
		forgotten[guest] = nil
	}
	if err := s.change(forgotten); err != nil {
		return err
	}
	if err := do(); err != nil && !away {
		if back := s.change(guests); back != nil {
			err = errors.Join(err, back)
		}
		return err
	}
	return s.put(name, nil)
}

// begin has neighbours be down in a configuration that GoBGP is about to get, and tells of each.
// Of those whose graceful shutdown the end of the daemon cut short, those are down that have no
// address yet, or whose time has come.
func (s *stops) begin(set *oc.BgpConfigSet) error {
	if s.kept == nil {
		return nil
	}
	kept, there, over := s.kept.All(), make(map[string]bool), make(map[string]*rib.Disabled)
	end := func(name string, one *rib.Disabled) {
		one.Due, over[name] = time.Time{}, one
	}
	for i := range set.Neighbors {
		n := &set.Neighbors[i]
		name := stopName(n)
		one, is := kept[name]
		if there[name] = true; !is {
			continue
		}
		if !one.Ends(time.Now()) {
			continue // see Steering.Interrupted
		}
		if one.Draining() {
			end(name, &one)
		}
		n.Config.AdminDown = true // until runs
		s.sessions.stay(n.State.NeighborAddress, one)
		s.log.slog.Info("a neighbor stays disabled, as it was before vrfredist ended", "neighbor", name, "since", one.Since, "by", one.By, "reason", one.Reason)
	}
	for _, w := range s.inForce().Waiting {
		one, is := kept[w.Interface]
		if there[w.Interface] = true; is && one.Draining() {
			end(w.Interface, &one)
		}
	}
	for name, one := range kept {
		switch group, hosted := hostOf(s.inForce(), zoneless(name)); {
		case there[name]:
		case hosted:
			s.sessions.host(name, group.Config.PeerAs, one)
			s.log.slog.Info("a dynamic neighbor stays disabled, as it was before vrfredist ended", "neighbor", name, "since", one.Since, "by", one.By, "reason", one.Reason)
		default:
			over[name] = nil // it has left the file
		}
	}
	return s.change(over)
}

// runs makes GoBGP hold what begin had be down for disabled by somebody, and not by its
// configuration: whoever enables it brings it up.
func (s *stops) runs() error {
	c := s.inForce()
	return s.inLoop(func() error {
		for name, p := range s.peers() {
			if n, configured := c.Neighbor(name); configured && !n.Config.AdminDown {
				p.change(func(n *oc.Neighbor) { n.Config.AdminDown = false })
			}
		}
		return nil
	})
}

// settle has the sessions say of disabled neighbours what is kept of them, and forgets who has left
// the configuration. by are the disabled ones, with who did it. What is seen in GoBGP alone is not
// kept: who was enabled is still seen disabled for a moment.
func (s *stops) settle(by map[string]string) error {
	if s.kept == nil {
		return nil
	}
	c, kept, now := s.inForce(), s.kept.All(), time.Now()
	changes, stay := make(map[string]*rib.Disabled), make(map[string]bool)
	for i := range c.Set.Neighbors {
		key, name := c.Set.Neighbors[i].State.NeighborAddress, stopName(&c.Set.Neighbors[i])
		stay[name] = true
		_, disabled := by[key]
		one, is := kept[name]
		if !is || !disabled || !one.Ends(now) {
			continue
		}
		if one.Draining() {
			one.Due = time.Time{}
			changes[name] = &one
		}
		by[key] = one.By
		s.sessions.stay(key, one)
	}
	for _, w := range c.Waiting {
		stay[w.Interface] = true
	}
	var left []string
	for name, one := range kept {
		if stay[name] {
			continue
		}
		addr := zoneless(name)
		if group, hosted := hostOf(c, addr); hosted || s.guests.lets(addr) {
			by[name] = one.By
			s.sessions.host(name, group.Config.PeerAs, one)
			continue
		}
		left = append(left, name)
	}
	return errors.Join(s.change(changes), s.kept.Left(left))
}
