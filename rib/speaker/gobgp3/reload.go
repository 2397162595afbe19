package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
)

// Reload brings another configuration into force: VRFs, peer groups,
// neighbours, dynamic neighbours and policies. It returns a line for each thing
// that it changed. What is the same in both is left alone; a VRF with another
// RD or other RTs is made anew, its announcements are withdrawn and announced
// again, and the neighbours in it start new sessions.
//
// What another client of the API took out or changed of the configuration is put
// right; what one added stays, and a neighbour that one disabled stays so.
//
// Where it fails, the old configuration is in force again; where even that
// fails, the error says so. The sections that GoBGP cannot change while it runs
// are refused when they differ.
//
// When VRFs changed, the watch begins anew with a snapshot, after which the
// feeds hold what they should: a new VRF's is filled, one that is gone is
// emptied.
func (s *Speaker) Reload(ctx context.Context, text []byte, extras rib.Extras) (changes []string, err error) {
	if err := s.waitStarted(ctx); err != nil {
		return nil, err
	}
	if err := Check(text); err != nil {
		return nil, err
	}
	next, err := s.fit(ctx, text, extras, s.inForce())
	if err != nil {
		return nil, err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.replace(ctx, func(*conf) *conf { return next })
}

// Restore puts right what BGP has otherwise than the configuration in force says, and
// returns a line for each thing, as Reload does.
func (s *Speaker) Restore(ctx context.Context) (changes []string, err error) {
	if err := s.waitStarted(ctx); err != nil {
		return nil, err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.replace(ctx, func(now *conf) *conf { return now })
}

// replace puts the configuration that follows the one in force in its place. The
// caller holds reloading.
func (s *Speaker) replace(ctx context.Context, following func(*conf) *conf) (changes []string, err error) {
	s.mu.Lock()
	old, ended := s.conf, s.ended
	s.mu.Unlock()
	if ended {
		return nil, errStopped
	}
	next := following(old)
	if err := unchangeable(old, next); err != nil {
		return nil, err
	}
	r := newReconciler(s, old)
	defer r.release()
	now, err := readBack(ctx, r.bgp)
	if err != nil {
		return nil, err
	}
	c := s.drift.held()
	r.correct(c, now, all)
	r.suspendMissing(c)
	s.addFeeds(next)
	if err := s.answer(r.bgp, old, next); err != nil {
		return nil, err
	}
	// What has begun is finished: half a configuration is worse than a late one.
	ctx = context.WithoutCancel(ctx)
	if err := r.reach(ctx, next); err != nil {
		if back := r.reach(ctx, old); back != nil {
			err = errors.Join(err, fmt.Errorf("and the old configuration could not be restored: %w; restart the daemon", back))
		}
		return nil, errors.Join(err, s.adopt(ctx, old, true))
	}
	r.changes = append(append(r.changes, extraChanges(old, next)...), waitingLines(old, next)...)
	told := s.retell(old, next)
	if r.rejudged {
		told = s.retellAll()
	}
	return r.changes, errors.Join(told, s.adopt(ctx, next, r.vrfsChanged || !sameNeighbours(old, next)))
}

// adopt makes c the configuration in force, once BGP has it.
func (s *Speaker) adopt(ctx context.Context, c *conf, rewatch bool) error {
	return errors.Join(s.hold(ctx, s.server(), c), s.takeOver(ctx, c, rewatch))
}

// takeOver is adopt but for what BGP is held to.
func (s *Speaker) takeOver(ctx context.Context, c *conf, rewatch bool) error {
	s.sessions.configure(c)
	s.guarding.adopt(c)
	answering := s.answer(s.server(), c)
	s.keeper.configure(c)
	s.mu.Lock()
	s.conf = c
	var gone []*rib.Feed
	for name, f := range s.feeds {
		if _, kept := c.vrf(name); !kept && name != Default && s.mirrors[name] == "" {
			gone = append(gone, f)
			delete(s.feeds, name)
		}
	}
	s.mu.Unlock()
	s.announcer.forget(c)
	if rewatch {
		if err := s.rewatch(ctx); err != nil {
			return errors.Join(err, answering)
		}
	}
	for _, f := range gone {
		// Only now that no watch writes it. Whoever still holds it sees the
		// VRF's routes go.
		f.Retain(func(rib.Path) bool { return false })
	}
	return answering
}

// addFeeds makes feeds for the VRFs that are new in c.
func (s *Speaker) addFeeds(c *conf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range c.vrfs {
		if s.feeds[v.Name] == nil {
			s.feeds[v.Name] = rib.NewFeed()
		}
	}
}

// sameNeighbours tells whether the watch sees the same neighbours in both.
func sameNeighbours(a, b *conf) bool {
	x, y := a.neighbours(), b.neighbours()
	if len(x) != len(y) {
		return false
	}
	for addr, n := range x {
		m, ok := y[addr]
		if !ok || n.vrf != m.vrf || n.zone != m.zone || n.localAS != m.localAS || n.down != m.down || !slices.Equal(n.families, m.families) {
			return false
		}
	}
	return true
}

// unchangeable refuses what GoBGP takes at its start only.
func unchangeable(old, next *conf) error {
	a, b := old.set, next.set
	var sections []string
	differ := func(name string, same bool) {
		if !same {
			sections = append(sections, name)
		}
	}
	ga, gb := a.Global, b.Global
	ga.ApplyPolicy, gb.ApplyPolicy = oc.ApplyPolicy{}, oc.ApplyPolicy{}
	sortFamilies(&ga)
	sortFamilies(&gb)
	if !ga.Equal(&gb) {
		name := "global"
		if keys := differences("", reflect.ValueOf(ga), reflect.ValueOf(gb)); len(keys) > 0 {
			name += " (" + strings.Join(keys, ", ") + ")"
		}
		sections = append(sections, name)
	}
	differ("zebra", a.Zebra.Equal(&b.Zebra))
	differ("rpki-servers", equalLists(a.RpkiServers, b.RpkiServers, (*oc.RpkiServer).Equal))
	differ("bmp-servers", equalLists(a.BmpServers, b.BmpServers, (*oc.BmpServer).Equal))
	differ("mrt-dump", equalLists(a.MrtDump, b.MrtDump, (*oc.Mrt).Equal))
	if len(sections) == 0 {
		return nil
	}
	return fmt.Errorf("of the file's sections, %s changed, which GoBGP cannot change while it runs: restart the daemon, or take the change back; nothing was applied",
		strings.Join(sections, ", "))
}

// sortFamilies orders what GoBGP fills in from a map, in any order.
func sortFamilies(g *oc.Global) {
	g.AfiSafis = slices.Clone(g.AfiSafis)
	slices.SortFunc(g.AfiSafis, func(x, y oc.AfiSafi) int {
		return strings.Compare(string(x.Config.AfiSafiName), string(y.Config.AfiSafiName))
	})
}

func equalLists[T any](a, b []T, equal func(*T, *T) bool) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return equal(&x, &y) })
}
