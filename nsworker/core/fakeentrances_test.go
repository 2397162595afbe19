package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// fakeEntrances are the labels and SIDs of one namespace.
type fakeEntrances struct {
	mu       sync.Mutex
	standing map[Number]rib.StandingEntrance // guarded by mu
	beside   []rib.StandingEntrance          // guarded by mu: what others have of the same numbers
	room     uint32                          // guarded by mu
	fails    error                           // guarded by mu: of Add and Remove
	refuse   map[Number]bool                 // guarded by mu: what Add refuses
	blind    error                           // guarded by mu: of Read
	wrote    []string                        // guarded by mu
	news     chan struct{}
	closed   int // guarded by mu
}

func newFakeEntrances() *fakeEntrances {
	return &fakeEntrances{standing: make(map[Number]rib.StandingEntrance), room: 1000, news: make(chan struct{}, 1)}
}

// door is the fake of a namespace.
func (k *fakeKernel) door(netns string) *fakeEntrances {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.doors == nil {
		k.doors = make(map[string]*fakeEntrances)
	}
	if k.doors[netns] == nil {
		k.doors[netns] = newFakeEntrances()
	}
	return k.doors[netns]
}

func (k *fakeKernel) OpenEntrances(_ context.Context, in rib.Binding, protocol uint8) (Entrances, error) {
	k.mu.Lock()
	fails := k.fails
	k.opened++
	k.mu.Unlock()
	if protocol != 179 && protocol != 0 {
		return nil, fmt.Errorf("opened with protocol %d", protocol)
	}
	return k.door(in.Netns), fails
}

func (k *fakeKernel) did(format string, args ...any) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made = append(k.made, fmt.Sprintf(format, args...))
	return k.fails
}

func (k *fakeKernel) MakeVRF(_ context.Context, in rib.Binding, d rib.VRFDevice, _ uint8) error {
	return k.did("make %s in %s: mtu %d, table over 2^31 %t, %s", d.Name, in, d.MTU, d.Table > 1<<31, d.Alias)
}

func (k *fakeKernel) RemoveVRF(_ context.Context, in rib.Binding, d rib.VRFDevice, _ uint8) error {
	return k.did("remove %s in %s: %s", d.Name, in, d.Alias)
}

func (k *fakeKernel) AddRule(_ context.Context, _ rib.Binding, r rib.Rule, _ uint8) error {
	return k.did("add rule %s", r)
}

func (k *fakeKernel) RemoveRule(_ context.Context, _ rib.Binding, r rib.Rule, _ uint8) error {
	return k.did("remove rule %s", r)
}

func (k *fakeKernel) AddUnreachable(_ context.Context, _ rib.Binding, u rib.Unreachable, _ uint8) error {
	return k.did("add unreachable %s in %d", u.Prefix, u.Table)
}

func (k *fakeKernel) RemoveUnreachable(_ context.Context, _ rib.Binding, u rib.Unreachable, _ uint8) error {
	return k.did("remove unreachable %s in %d", u.Prefix, u.Table)
}

// text is an entrance as a test reads it.
func text(e *rib.Entrance) string {
	s := e.Of()
	if e.Does != 0 {
		s += " " + e.Does.String()
	}
	s += fmt.Sprintf(" by %d", e.Ifindex)
	if e.Table != 0 {
		s += fmt.Sprintf(" table %d", e.Table)
	}
	if e.Via.IsValid() {
		s += " via " + e.Via.String()
	}
	return s
}

func (f *fakeEntrances) Read(context.Context) ([]rib.StandingEntrance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.beside, slices.Collect(maps.Values(f.standing)), f.beside), f.blind
}

func (f *fakeEntrances) Add(_ context.Context, e rib.Entrance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrote = append(f.wrote, "add "+text(&e))
	n := numberOf(&e)
	switch _, taken := f.standing[n]; {
	case f.fails != nil:
		return f.fails
	case f.refuse[n]:
		return errors.New("injected")
	case taken:
		return fmt.Errorf("%s: %w", e.Of(), rib.ErrTaken)
	case e.Label >= f.room:
		return fmt.Errorf("no room for %s", e.Of())
	}
	f.standing[n] = rib.StandingEntrance{Entrance: e, Protocol: 179}
	return nil
}

func (f *fakeEntrances) Remove(_ context.Context, e rib.Entrance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrote = append(f.wrote, "remove "+text(&e))
	is, there := f.standing[numberOf(&e)]
	switch {
	case f.fails != nil:
		return f.fails
	case there && (is.Entrance != e || is.Protocol != 179):
		return rib.ErrTaken
	}
	delete(f.standing, numberOf(&e))
	return nil
}

func (f *fakeEntrances) Labels(context.Context) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.room, nil
}

func (f *fakeEntrances) Changed() <-chan struct{} { return f.news }

func (f *fakeEntrances) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

// happens has something changed by others, and told.
func (f *fakeEntrances) happens(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	f.news <- struct{}{}
	synctest.Wait()
}

// writes takes what was written since the last call.
func (f *fakeEntrances) writes() string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.wrote, ", ")
	f.wrote = nil
	return s
}

// has is what stands, ours and others'.
func (f *fakeEntrances) has() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, e := range f.standing {
		s := text(&e.Entrance)
		if e.Protocol != 179 {
			s += fmt.Sprintf(" of %d", e.Protocol)
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// put has an entrance stand.
func (f *fakeEntrances) put(e rib.Entrance, protocol uint8) {
	f.standing[numberOf(&e)] = rib.StandingEntrance{Entrance: e, Protocol: protocol}
}
