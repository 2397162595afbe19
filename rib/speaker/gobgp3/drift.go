package gobgp3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v3/pkg/server"
)

// doubtEvery is how often BGP is compared with the configuration where nobody was
// seen to change anything. settleTime is how long after a change it is compared
// once more: GoBGP carries some of them out after it has answered.
// touchTime is how long a call counts as what made a difference.
const (
	doubtEvery = time.Minute
	settleTime = time.Second
	touchTime  = 10 * time.Second
)

// drift is how BGP differs from the configuration, and who was at it.
type drift struct {
	wake   chan struct{} // somebody was at it; holds one
	forged atomic.Bool   // a client added paths under our identifier

	mu      sync.Mutex
	claim   *claim               // guarded by mu; nil before BGP runs
	found   map[thing]Difference // guarded by mu
	touches []touch              // guarded by mu; the latest, the last of them last
	lost    scope                // guarded by mu; announcements to look after
	stopped map[string]string    // guarded by mu; neighbours that somebody disabled, and who
	foreign map[thing]string     // guarded by mu; what is of no configuration, and who added it
}

// touch is a call of a client that may have made a difference.
type touch struct {
	effect effect
	name   string // "": not of one thing
	by     string
	at     time.Time
}

// maxTouches bounds what is kept of clients' calls until they are looked into.
const maxTouches = 256

func newDrift() *drift {
	return &drift{wake: make(chan struct{}, 1), found: make(map[thing]Difference), lost: make(scope), stopped: make(map[string]string)}
}

// note keeps a call, and has BGP looked at.
func (d *drift) note(t touch, lost scope) {
	d.mu.Lock()
	d.touches = append(d.touches, t)
	if over := len(d.touches) - maxTouches; over > 0 {
		d.touches = slices.Delete(d.touches, 0, over)
	}
	d.lost.add(lost)
	d.mu.Unlock()
	d.look()
}

// look has BGP looked at soon.
func (d *drift) look() {
	select {
	case d.wake <- struct{}{}:
	default: // it is due already
	}
}

// Drift returns what BGP has otherwise than the configuration says, ordered by kind
// and name.
func (s *Speaker) Drift() []Difference {
	s.drift.mu.Lock()
	defer s.drift.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.drift.found), func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// oversee compares BGP with the configuration until ctx ends: whenever a client was
// at it, and now and then.
func (s *Speaker) oversee(ctx context.Context) {
	doubt, again := time.NewTicker(doubtEvery), time.NewTimer(settleTime)
	defer doubt.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-doubt.C:
		case <-again.C:
		case <-s.drift.wake:
			again.Reset(settleTime)
		}
		if err := errors.Join(s.examine(ctx), s.mendAnnouncements(ctx)); err != nil && ctx.Err() == nil {
			s.log.slog.Error("BGP could not be compared with the configuration; it is tried again", "err", err)
		}
	}
}

// examine finds what differs, and says what is new of it.
func (s *Speaker) examine(ctx context.Context) error {
	s.reloading.Lock() // a configuration half in force is no difference
	defer s.reloading.Unlock()
	bgp := s.server()
	now, err := readBack(ctx, bgp)
	if err != nil {
		return err
	}
	d := s.drift
	d.mu.Lock()
	if d.claim == nil {
		d.mu.Unlock()
		return nil
	}
	before := d.found
	d.found = make(map[thing]Difference)
	var came []Difference
	for _, diff := range d.claim.differences(now) {
		was, known := before[diff.thing()]
		if known && was.Missing == diff.Missing && slices.Equal(was.Keys, diff.Keys) {
			diff.By, diff.Since, diff.Shown = was.By, was.Since, was.Shown
		} else {
			diff.By, diff.Since = d.author(diff.thing()), time.Now()
			if diff.Kind == KindNeighbor && s.options.Called != nil {
				diff.Shown = s.options.Called(diff.Name)
			}
			came = append(came, diff)
		}
		d.found[diff.thing()] = diff
	}
	changed := len(came) > 0 || len(before) != len(d.found)
	disabled := d.stoppings(now)
	d.additions(now)
	d.touches = slices.DeleteFunc(d.touches, func(t touch) bool { return time.Since(t.at) > touchTime })
	d.mu.Unlock()

	s.sessions.disabled(disabled)
	for _, diff := range came {
		s.log.slog.Warn("BGP is not as the configuration says; `vrfredist reload` puts it right", "what", diff.String())
	}
	for t, diff := range before {
		if _, still := s.differs(t); !still {
			s.log.slog.Info("BGP is as the configuration says again", "what", fmt.Sprintf("%s %s", diff.Kind, diff.Name))
		}
	}
	if changed && s.options.Drifted != nil {
		s.options.Drifted()
	}
	return nil
}

func (s *Speaker) differs(t thing) (Difference, bool) {
	s.drift.mu.Lock()
	defer s.drift.mu.Unlock()
	d, is := s.drift.found[t]
	return d, is
}

// author returns who can have made a difference: the last one whose call could. The
// caller holds mu.
func (d *drift) author(of thing) string {
	for _, t := range slices.Backward(d.touches) {
		if slices.Contains(kindsOf[t.effect], of.kind) && (t.name == "" || t.name == of.name) {
			return t.by
		}
	}
	return ""
}

// stoppings returns the neighbours that somebody disabled, and who. The caller holds
// mu.
func (d *drift) stoppings(now *held) map[string]string {
	stopped := make(map[string]string)
	for name, n := range now.neighbors {
		if !n.disabled {
			continue
		}
		by, known := d.stopped[name]
		if by == "" || !known {
			by = d.author(thing{KindNeighbor, name})
		}
		stopped[name] = by
	}
	d.stopped = stopped
	return maps.Clone(stopped)
}

// additions takes in what is of no configuration. The caller holds mu.
func (d *drift) additions(now *held) {
	foreign := make(map[thing]string)
	for _, t := range d.claim.additions(now) {
		by := d.foreign[t]
		if by == "" {
			by = d.author(t)
		}
		foreign[t] = by
	}
	d.foreign = foreign
}

// Addition is something in BGP that is of no configuration: another client of the API
// added it, and it stays until one deletes it, or the daemon ends.
type Addition struct {
	Kind     Kind
	Name, By string
}

// Additions returns what other clients added, ordered by kind and name.
func (s *Speaker) Additions() []Addition {
	s.drift.mu.Lock()
	defer s.drift.mu.Unlock()
	var out []Addition
	for t, by := range s.drift.foreign {
		out = append(out, Addition{t.kind, t.name, by})
	}
	slices.SortFunc(out, func(a, b Addition) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return out
}

// hold makes a configuration that has been put in place the one that BGP is held to.
// The caller holds reloading.
func (s *Speaker) hold(ctx context.Context, bgp *server.BgpServer, c *conf) error {
	base, err := readBack(ctx, bgp)
	if err != nil {
		return err
	}
	s.drift.mu.Lock()
	had := len(s.drift.found) > 0
	s.drift.claim = &claim{conf: c, base: base}
	clear(s.drift.found)
	s.drift.mu.Unlock()
	s.drift.look()
	if had && s.options.Drifted != nil {
		s.options.Drifted()
	}
	return nil
}

// holdOn is hold where only some neighbours were put in place anew: what differs
// elsewhere goes on to differ. The caller holds reloading.
func (s *Speaker) holdOn(ctx context.Context, bgp *server.BgpServer, c *conf) error {
	base, err := readBack(ctx, bgp)
	if err != nil {
		return err
	}
	d := s.drift
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, diff := range d.claim.differences(base) {
		if !diff.Missing && (diff.Kind != KindNeighbor || !c.isPlaced(diff.Name)) {
			base.put(diff.thing(), d.claim.base)
		}
	}
	d.claim = &claim{conf: c, base: base}
	d.look()
	return nil
}

// rename is for a configuration that says the same to BGP.
func (d *drift) rename(c *conf) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claim != nil {
		d.claim = &claim{conf: c, base: d.claim.base}
	}
}

// holdFirst is hold at the start.
func (s *Speaker) holdFirst(ctx context.Context, bgp *server.BgpServer, c *conf) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.hold(ctx, bgp, c)
}

// held is the claim that BGP is held to, once it runs.
func (d *drift) held() *claim {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claim
}
