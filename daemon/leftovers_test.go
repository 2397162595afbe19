package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeDepartures is a core that VRFs leave.
type fakeDepartures struct {
	mu    sync.Mutex
	left  []string        // guarded by mu
	going map[string]bool // guarded by mu
}

func (f *fakeDepartures) Leave(name string, in rib.Binding, is rib.Carriage, protocol uint8) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = append(f.left, fmt.Sprintf("%s in %s by %s of %d", name, in, is.Address(), protocol))
	f.going[name] = true
}

func (f *fakeDepartures) Going(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.going[name]
}

func leavingVRF(name string, label uint32, table uint32) vrf.Spec {
	return vrf.Spec{Name: name, Binding: rib.Binding{Netns: name}, Protocol: 179, Carriage: rib.Carriage{
		Kind: rib.EncapMPLS, Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.1")}, Label: label,
		Through: rib.Through{Link: "vr-" + name, To: rib.Binding{Table: table}},
	}}
}

// leaving are leftovers of which a test says what the kernel and the core do.
type leaving struct {
	*testing.T
	*leftovers
	fakeDepartures
	dir     string
	mu      sync.Mutex
	cleared []string // guarded by mu
	used    []string // guarded by mu: what was said to be there until now, each once
	busy    string   // guarded by mu: the table that cannot be emptied
}

// newLeaving begins with a configuration, where there was another before.
func newLeaving(t *testing.T, before, now []vrf.Spec) *leaving {
	t.Helper()
	l := &leaving{T: t, dir: t.TempDir()}
	l.going = make(map[string]bool)
	var err error
	for _, specs := range [][]vrf.Spec{before, now} {
		if l.leftovers, err = newLeftovers(l.dir, &config.Config{VRFs: specs}, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	l.core, l.devices, l.now = &l.fakeDepartures, devices.New(nil, slog.New(slog.DiscardHandler)), func() []vrf.Spec { return vrf.WithFurther(now) }
	l.inUse = func(s *vrf.Spec) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if text := s.Name + " by " + s.Carriage.Address(); !slices.Contains(l.used, text) {
			l.used = append(l.used, text)
		}
		return nil
	}
	l.clear = func(_ context.Context, s vrf.Spec) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.cleared = append(l.cleared, s.Name)
		if s.Name == l.busy {
			return errors.New("the kernel is busy")
		}
		return nil
	}
	return l
}

// emptied holds the tables that were emptied since the last time, and who has left since, against what
// is wanted.
func (l *leaving) emptied(tables, left []string) {
	l.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Sort(l.cleared); !slices.Equal(l.cleared, tables) {
		l.Errorf("emptied were %q, want %q", l.cleared, tables)
	}
	l.fakeDepartures.mu.Lock()
	defer l.fakeDepartures.mu.Unlock()
	if slices.Sort(l.left); !slices.Equal(l.left, left) {
		l.Errorf("left have %q, want %q", l.left, left)
	}
	l.cleared, l.left = nil, nil
}

// keeps holds what the state directory has against what is wanted.
func (l *leaving) keeps(want ...string) {
	l.Helper()
	synctest.Wait()
	c, err := config.OpenCarried(l.dir)
	if err != nil {
		l.Fatal(err)
	}
	var got []string
	for _, s := range c.Specs() {
		got = append(got, fmt.Sprintf("%s %d", s.Name, s.Carriage.Label))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		l.Errorf("kept is %q, want %q", got, want)
	}
}

// gone says that of VRFs nothing is left in the core.
func (l *leaving) gone(names ...string) {
	l.Helper()
	l.fakeDepartures.mu.Lock()
	for _, name := range names {
		delete(l.going, name)
	}
	l.fakeDepartures.mu.Unlock()
	time.Sleep(tidyEvery)
}

// TestLeftovers: of VRFs that are not configured as they were both tables are emptied, but for those that
// another VRF has; then they leave the core; when nothing is left there they are forgotten, and until
// then a crash in between forgets nothing. What cannot be emptied is tried again.
func TestLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := []vrf.Spec{leavingVRF("red", 100, 3001), leavingVRF("blue", 101, 3002), leavingVRF("green", 102, 3003), leavingVRF("olive", 103, 3004)}
		crimson := leavingVRF("crimson", 200, 3001) // it has red's table in the core
		moved := leavingVRF("green", 102, 3003)
		moved.Carriage = rib.Carriage{} // it is there, and carried no more
		l := newLeaving(t, before, []vrf.Spec{before[1], crimson, moved})
		l.busy = "olive/3004"
		l.keeps("blue 101", "crimson 200", "green 102", "olive 103", "red 100")
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.run(ctx) }()
		l.emptied([]string{"green/3003", "olive", "olive/3004", "red"},
			[]string{"green in netns green by label 102 of 179", "red in netns red by label 100 of 179"})
		l.keeps("blue 101", "crimson 200", "green 102", "olive 103", "red 100")
		l.mu.Lock()
		l.busy = ""
		l.mu.Unlock()
		l.gone()
		l.emptied([]string{"olive", "olive/3004"}, []string{"olive in netns olive by label 103 of 179"})
		l.gone("red")
		l.keeps("blue 101", "crimson 200", "green 102", "olive 103")
		l.gone("green", "olive")
		l.keeps("blue 101", "crimson 200")
		l.emptied(nil, nil)
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestLeftoversOfAReload: what a reload takes out is kept until it is gone, and a VRF that is back by
// then stays.
func TestLeftoversOfAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := leavingVRF("red", 100, 3001), leavingVRF("blue", 101, 3002)
		l := newLeaving(t, nil, []vrf.Spec{red})
		l.going["blue"] = true
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.run(ctx) }()
		synctest.Wait()
		if err := l.keep(&config.Config{VRFs: []vrf.Spec{blue}}); err != nil {
			t.Fatal(err)
		}
		l.keeps("blue 101", "red 100")
		l.mu.Lock()
		if !slices.Equal(l.used, []string{"blue by label 101"}) {
			t.Errorf("in use are %q", l.used)
		}
		l.mu.Unlock()
		l.gone("blue")
		l.keeps("red 100") // which is in force
		l.emptied(nil, nil)
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
