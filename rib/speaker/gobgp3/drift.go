package gobgp3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// driftEvery is how often BGP is compared with the configuration where nobody was
// seen to change anything. settleTime is how long after a change it is compared
// once more: GoBGP carries some of them out after it has answered.
// touchTime is how long a call counts as the one that made a difference.
const (
	driftEvery = time.Minute
	settleTime = time.Second
	touchTime  = 10 * time.Second
)

// drift watches how BGP differs from the configuration, and who made it so.
type drift struct {
	*embedded
	keeper   *keeper
	sessions *sessions
	mender   *mender
	stops    *stops
	called   func(name string) string // Options.Called
	drifted  func()                   // Options.Drifted
	wake     chan struct{}            // somebody made a change; holds one

	mu      sync.Mutex
	claim   *reload.Claim                        // guarded by mu; nil before BGP runs
	found   map[speaker.Thing]speaker.Difference // guarded by mu
	touches []touch                              // guarded by mu; the latest, the last of them last
	stopped map[string]string                    // guarded by mu; neighbours that somebody disabled, and who
	foreign map[speaker.Thing]string             // guarded by mu; things of no configuration, and who added them
}

// touch is a call of a client that may have made a difference.
type touch struct {
	effect effect
	name   string // "": not of one thing
	by     string
	at     time.Time
}

// maxTouches bounds how many calls are kept until they are looked into.
const maxTouches = 256

func newDrift(e *embedded, k *keeper, s *stops, m *mender) *drift {
	return &drift{
		embedded: e, keeper: k, sessions: s.sessions, stops: s, mender: m,
		wake: make(chan struct{}, 1), found: make(map[speaker.Thing]speaker.Difference), stopped: make(map[string]string),
	}
}

// note keeps a call, and has BGP looked at.
func (d *drift) note(t touch) {
	d.mu.Lock()
	d.touches = append(d.touches, t)
	if over := len(d.touches) - maxTouches; over > 0 {
		d.touches = slices.Delete(d.touches, 0, over)
	}
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

// differences is Speaker.Drift.
func (d *drift) differences() []speaker.Difference {
	return slices.SortedFunc(maps.Values(d.known()), func(a, b speaker.Difference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// known are the differences that were found.
func (d *drift) known() map[speaker.Thing]speaker.Difference {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.found)
}

// run compares BGP with the configuration until ctx ends: whenever a client made a
// change, and now and then.
func (d *drift) run(ctx context.Context) {
	unseen, again := time.NewTicker(driftEvery), time.NewTimer(settleTime)
	defer unseen.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-unseen.C:
		case <-again.C:
		case <-d.wake:
			again.Reset(settleTime)
		}
		if err := errors.Join(d.examine(ctx), d.mender.mend(ctx)); err != nil && ctx.Err() == nil {
			d.log.slog.Error("BGP could not be compared with the configuration; it is tried again", "err", err)
		}
	}
}

// examine finds the differences, and says which of them are new.
func (d *drift) examine(ctx context.Context) error {
	d.changing.Lock() // a configuration half in force is no difference
	defer d.changing.Unlock()
	now, err := reload.ReadBack(ctx, d.keeper)
	if err != nil {
		return err
	}
	before := d.known()
	came, disabled, examined := d.takeIn(now)
	if !examined {
		return nil
	}
	kept := d.stops.settle(disabled)
	d.sessions.disabled(disabled)
	for _, diff := range came {
		d.log.slog.Warn("BGP is not as the configuration says; `vrfredist reload` puts it right", "what", diff.String())
	}
	after := d.known()
	for t, diff := range before {
		if _, still := after[t]; !still {
			d.log.slog.Info("BGP is as the configuration says again", "what", fmt.Sprintf("%s %s", diff.Kind, diff.Name))
		}
	}
	if len(came) > 0 || len(before) != len(after) {
		d.tell()
	}
	return kept
}

func (d *drift) tell() {
	if d.drifted != nil {
		d.drifted()
	}
}

// takeIn compares a reading with the claim. It returns the differences that are new, and
// the neighbours that somebody disabled, with who.
func (d *drift) takeIn(now *reload.Held) (came []speaker.Difference, disabled map[string]string, examined bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claim == nil {
		return nil, nil, false
	}
	before := d.found
	d.found = make(map[speaker.Thing]speaker.Difference)
	for _, diff := range d.claim.Differences(now) {
		t := diff.Thing()
		was, known := before[t]
		if known && was.Missing == diff.Missing && slices.Equal(was.Keys, diff.Keys) {
			diff.By, diff.Since, diff.Shown = was.By, was.Since, was.Shown
		} else {
			diff.By, diff.Since = d.author(t), time.Now()
			if diff.Kind == speaker.KindNeighbor && d.called != nil {
				diff.Shown = d.called(diff.Name)
			}
			came = append(came, diff)
		}
		d.found[t] = diff
	}
	disabled = d.stoppings(now)
	d.additions(now)
	d.touches = slices.DeleteFunc(d.touches, func(t touch) bool { return time.Since(t.at) > touchTime })
	return came, disabled, true
}

// author returns who can have made a difference: the last client whose call could. The
// caller holds mu.
func (d *drift) author(of speaker.Thing) string {
	for _, t := range slices.Backward(d.touches) {
		if slices.Contains(kindsOf[t.effect], of.Kind) && (t.name == "" || t.name == of.Name) {
			return t.by
		}
	}
	return ""
}

// stoppings returns the neighbours that somebody disabled, and who. The caller holds
// mu.
func (d *drift) stoppings(now *reload.Held) map[string]string {
	stopped := make(map[string]string)
	for name, n := range now.Neighbors {
		if !n.Disabled {
			continue
		}
		by, known := d.stopped[name]
		if by == "" || !known {
			by = d.author(speaker.Thing{Kind: speaker.KindNeighbor, Name: name})
		}
		stopped[name] = by
	}
	d.stopped = stopped
	return maps.Clone(stopped)
}

// additions takes in the things of no configuration. The caller holds mu.
func (d *drift) additions(now *reload.Held) {
	foreign := make(map[speaker.Thing]string)
	for _, t := range d.claim.Additions(now) {
		by := d.foreign[t]
		if by == "" {
			by = d.author(t)
		}
		foreign[t] = by
	}
	d.foreign = foreign
}

// added is Speaker.Additions.
func (d *drift) added() []speaker.Addition {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []speaker.Addition
	for t, by := range d.foreign {
		out = append(out, speaker.Addition{Kind: t.Kind, Name: t.Name, By: by})
	}
	slices.SortFunc(out, func(a, b speaker.Addition) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// hold makes a configuration that has been put in place the one that BGP is held to.
// The caller holds changing.
func (d *drift) hold(ctx context.Context, c *conf.Config) error {
	base, err := reload.ReadBack(ctx, d.keeper)
	if err != nil {
		return err
	}
	d.mu.Lock()
	had := len(d.found) > 0
	d.claim = &reload.Claim{Conf: c, Base: base}
	clear(d.found)
	d.mu.Unlock()
	d.look()
	if had {
		d.tell()
	}
	return nil
}

// holdOn is hold where only some neighbours were put in place anew: other things that
// differ go on to differ. The caller holds changing.
func (d *drift) holdOn(ctx context.Context, c *conf.Config) error {
	base, err := reload.ReadBack(ctx, d.keeper)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, diff := range d.claim.Differences(base) {
		if !diff.Missing && (diff.Kind != speaker.KindNeighbor || !c.IsPlaced(diff.Name)) {
			base.Put(diff.Thing(), d.claim.Base)
		}
	}
	d.claim = &reload.Claim{Conf: c, Base: base}
	d.look()
	return nil
}

// rename is for a configuration that says the same to BGP.
func (d *drift) rename(c *conf.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claim != nil {
		d.claim = &reload.Claim{Conf: c, Base: d.claim.Base}
	}
}

// held is the claim that BGP is held to; nil before it runs.
func (d *drift) held() *reload.Claim {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claim
}
