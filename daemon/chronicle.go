package daemon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// chronicle tells the story of the VRFs and of their BGP sessions in the log: a line for each
// change, worse ones at WARN and better ones at INFO, and nothing of single routes. It compares
// what there is with what it told last, at most twice a second, so that a VRF or a session which
// comes and goes without end fills no log.
type chronicle struct {
	vrfs     faring
	sessions func() map[string][]vrf.Session
	turned   <-chan struct{} // a session may fare otherwise
	nudge    func()          // wakes those who wait for changes of the VRFs
	log      *slog.Logger

	quiet int                   // looks since the VRFs were looked at
	told  map[string]vrf.Status // by VRF
	known map[string]*tale      // by VRF and BGP's name of the neighbour
}

// tale is what was told of a neighbour.
type tale struct {
	vrf     string
	session vrf.Session
	reasons map[string]struct{} // since it was last up
}

const (
	// chronicleGap is the least time between two looks, and chronicleEach the most.
	chronicleGap  = 500 * time.Millisecond
	chronicleEach = time.Second
	// chronicleAll is after how many looks in which no VRF changed all of them are looked at nevertheless:
	// what of a VRF's announcements BGP has lost is no change of its own.
	chronicleAll = 10
	// familiesKnown is how long after its beginning the families of a session are known: BGP's
	// figures are of a second ago.
	familiesKnown = 2 * time.Second
	// mostReasons is how many reasons for one absence are told.
	mostReasons = 8
)

func newChronicle(vrfs faring, sessions func() map[string][]vrf.Session, turned <-chan struct{}, nudge func(), log *slog.Logger) *chronicle {
	return &chronicle{
		vrfs: vrfs, sessions: sessions, turned: turned, nudge: nudge, log: log,
		told: make(map[string]vrf.Status), known: make(map[string]*tale),
	}
}

// run tells until ctx ends.
func (c *chronicle) run(ctx context.Context) {
	each := time.NewTicker(chronicleEach)
	defer each.Stop()
	select { // workers begin
	case <-ctx.Done():
		return
	case <-time.After(chronicleGap):
	}
	for news := true; ; {
		changed, began := c.vrfs.Changed(), time.Now()
		if c.look(c.due(news)) {
			c.nudge()
			changed = c.vrfs.Changed() // that was us
		}
		gap := max(chronicleGap, statusShare*time.Since(began))
		select {
		case <-ctx.Done():
			return
		case <-time.After(gap):
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-c.turned:
		case <-each.C:
		}
		select {
		case <-changed: // whatever else has come too
			news = true
		default:
			news = false
		}
	}
}

// due tells whether the VRFs are to be looked at. Where there are thousands a look is dear.
func (c *chronicle) due(changed bool) bool {
	if c.quiet++; !changed && c.quiet < chronicleAll {
		return false
	}
	c.quiet = 0
	return true
}

// look tells what is new of the sessions, and of the VRFs where those are to be looked at, and whether a
// session fares otherwise.
func (c *chronicle) look(vrfs bool) (moved bool) {
	all := c.sessions()
	there := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, s := range all[name] {
			key := name + " " + cmp.Or(s.Interface, s.BGPName()) + " " + s.BGPName()
			there[key] = true
			moved = c.session(key, name, s) || moved
		}
	}
	for key, t := range c.known {
		if there[key] {
			continue
		}
		delete(c.known, key)
		moved = true
		if t.session.State == vrf.Established { // a dynamic one, or one that was taken out
			c.log.Warn("a BGP session is down", append(whose(t.vrf, t.session), "reason", "it is no neighbor any more")...)
		}
	}
	if vrfs {
		c.fare()
	}
	return moved
}

func whose(name string, s vrf.Session) []any {
	attrs := []any{"vrf", name, "neighbor", s.Name(), "as", s.PeerAS}
	if s.Netns != "" {
		attrs = append(attrs, "netns", s.Netns)
	}
	if s.Alias.IsValid() {
		attrs = append(attrs, "alias", s.Alias.String())
	}
	return attrs
}

// session tells what is new of one neighbour.
func (c *chronicle) session(key, name string, s vrf.Session) (moved bool) {
	t := c.known[key]
	if t == nil {
		t = &tale{vrf: name, session: vrf.Session{State: "idle", Stopped: s.Stopped}, reasons: make(map[string]struct{})}
		c.known[key] = t
		moved = true
	}
	was := t.session
	t.vrf, t.session = name, s
	moved = moved || was.State != s.State || was.Reason != s.Reason || was.Draining != s.Draining || was.Established != s.Established
	wasUp, up := was.State == vrf.Established, s.State == vrf.Established
	attrs := whose(name, s)
	switch {
	case up && !wasUp && len(s.Families) == 0 && time.Since(s.Since) < familiesKnown:
		t.session.State, t.session.Established = was.State, was.Established // it is told at a later look
		return moved
	case up && !wasUp:
		clear(t.reasons)
		c.log.Info("a BGP session is up", append(attrs, "families", s.Families)...)
	case up && s.Established > was.Established:
		c.log.Warn("a BGP session went down, and is up again", append(attrs, "times", s.Established-was.Established)...)
	case wasUp && !up:
		level := slog.LevelWarn
		if s.Stopped {
			level = slog.LevelInfo // somebody wants it so
		}
		if !was.Since.IsZero() {
			attrs = append(attrs, "up_for", vrf.Span(time.Since(was.Since)))
		}
		c.log.Log(context.Background(), level, "a BGP session is down", append(attrs, "reason", s.Why())...)
		t.reasons[s.Why()] = struct{}{}
		return moved
	}
	if s.Draining != was.Draining {
		c.log.Info(map[bool]string{true: "a graceful shutdown of a BGP session has begun (RFC 8326)", false: "a graceful shutdown of a BGP session has ended"}[s.Draining], attrs...)
	}
	switch _, said := t.reasons[s.Why()]; {
	case s.Reason == "" || said || len(t.reasons) >= mostReasons:
		return moved
	case s.Stopped && was.Stopped:
		return moved // as the configuration says
	case up && was.Reason == s.Reason:
		return moved
	}
	t.reasons[s.Why()] = struct{}{}
	switch {
	case up:
		c.log.Warn("a BGP session is up, and something is wrong with it", append(attrs, "reason", s.Why())...)
	case s.Stopped:
		c.log.Info("a neighbor is to have no BGP session", append(attrs, "reason", s.Why())...)
	case s.Netns == "" || !s.FromRelay():
		c.log.Warn("no BGP session with a neighbor", append(attrs, "reason", s.Why())...)
	}
	return moved
}

// rank orders the states of a VRF, the best first.
var rank = map[vrf.State]int{vrf.Ready: 0, vrf.Syncing: 1, vrf.Degraded: 2, vrf.Pending: 3, vrf.Failed: 4}

// fare tells what is new of the VRFs.
func (c *chronicle) fare() {
	there := make(map[string]bool)
	for _, st := range c.vrfs.List() {
		name := st.Spec.Name
		there[name] = true
		if st.Starting() {
			continue // a start is no worsening: how it fares is told once the worker says it
		}
		was, known := c.told[name]
		c.told[name] = st
		c.state(st, was, known)
		c.begun(st, was)
	}
	for name := range c.told {
		if !there[name] {
			delete(c.told, name)
			c.log.Info("nothing is redistributed for a VRF any more", "vrf", name)
		}
	}
}

// state tells of the change of a VRF's state.
func (c *chronicle) state(st, was vrf.Status, known bool) {
	if known && st.State == was.State || !known && st.State == vrf.Syncing {
		return
	}
	level := slog.LevelInfo
	if rank[st.State] > rank[was.State] && st.State != vrf.Syncing {
		level = slog.LevelWarn
	}
	n := st.Counts.Total()
	attrs := []any{"vrf", st.Spec.Name, "state", string(st.State)}
	if known {
		attrs = append(attrs, "was", string(was.State))
	}
	if st.Reason != "" {
		attrs = append(attrs, "reason", st.Reason)
	}
	attrs = append(attrs, "imported", n.Imported, "installed", n.Installed)
	for _, more := range []struct {
		key string
		n   int
	}{{"unresolved", n.Unresolved}, {"conflict", n.Conflict}, {"over_quota", n.OverQuota}, {"failed", n.Failed}, {"stale", n.Stale}} {
		if more.n > 0 {
			attrs = append(attrs, more.key, more.n)
		}
	}
	c.log.Log(context.Background(), level, fmt.Sprintf("a VRF is %s", st.State), attrs...)
}

// begun tells what of a VRF began, or ended: routes over its quota, conflicts, and contention.
func (c *chronicle) begun(st, was vrf.Status) {
	n, before := st.Counts.Total(), was.Counts.Total()
	for _, what := range []struct {
		now, before  int
		begins, ends string
		attrs        []any
	}{
		{n.OverQuota, before.OverQuota, "a VRF is over its quota: further routes are kept out of its table; raise max_routes, or send fewer",
			"a VRF is within its quota again", []any{"max_routes", st.Spec.Export.Quota(), "kept_out", n.OverQuota}},
		{n.Conflict, before.Conflict, "routes of other programs are in the place of a VRF's: they are left alone, and ours wait; `vrfredist route export --state conflict` lists them",
			"no route of another program is in the place of a VRF's any more", []any{"routes", n.Conflict}},
		{contestedIn(st), contestedIn(was), "another program keeps changing what a VRF has in the kernel: that is left alone for a while",
			"no other program changes what a VRF has in the kernel any more",
			[]any{"routes", st.Contested.Routes, "strangers", st.Contested.Strangers, "nexthops", st.Contested.Nexthops}},
	} {
		of := append([]any{"vrf", st.Spec.Name}, what.attrs...)
		switch {
		case what.now > 0 && what.before == 0:
			c.log.Warn(what.begins, of...)
		case what.now == 0 && what.before > 0:
			c.log.Info(what.ends, "vrf", st.Spec.Name)
		}
	}
}

func contestedIn(st vrf.Status) int {
	return st.Contested.Routes + st.Contested.Strangers + st.Contested.Nexthops
}
