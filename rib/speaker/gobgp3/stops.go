package gobgp3

import (
	"cmp"
	"errors"
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

// stops are the neighbours of the configuration that somebody disabled: others are not there after
// a restart. Whoever disables one has it kept before, so that it holds over the end of
// the daemon, whenever that comes.
type stops struct {
	*embedded
	sessions *sessions
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
		one := to
		if was, is := kept[stopName(n)]; is && to != nil && !was.Draining() && !to.Draining() {
			since := *to
			since.Since = was.Since // it was already
			one = &since
		}
		changes[stopName(n)] = one
	}
	return s.kept.Change(changes)
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
	for name := range kept {
		if !there[name] {
			over[name] = nil // it has left the file
		}
	}
	return s.kept.Change(over)
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
	for name := range kept {
		if !stay[name] {
			left = append(left, name)
		}
	}
	return errors.Join(s.kept.Change(changes), s.kept.Left(left))
}
