package devices

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// fakeKernel is one namespace, which writes down what it was asked for in the words of ip.
type fakeKernel struct {
	mu      sync.Mutex
	links   rib.Links                         // guarded by mu
	wrote   []string                          // guarded by mu
	next    int                               // guarded by mu: an index
	refuses map[string]error                  // guarded by mu: by what was asked for
	absent  bool                              // guarded by mu
	follows map[string]map[*func()]func()     // guarded by mu: by namespace
	rule    map[string]bool                   // guarded by mu
	strange func(k *fakeKernel, asked string) // another program, which acts after a request; nil: none
}

func newFake() *fakeKernel {
	return &fakeKernel{links: make(rib.Links), next: 10, refuses: make(map[string]error), follows: make(map[string]map[*func()]func()), rule: make(map[string]bool)}
}

// ask takes in a request; its error is what it is refused with. The caller holds mu.
func (k *fakeKernel) ask(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	k.wrote = append(k.wrote, what)
	return k.refuses[what]
}

func (k *fakeKernel) Links(context.Context, rib.Binding) (rib.Links, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.absent {
		return nil, fmt.Errorf("read the interfaces: %w", rib.Absent("the network namespace is not there"))
	}
	return maps.Clone(k.links), nil
}

func (k *fakeKernel) MakeVRF(_ context.Context, _ rib.Binding, d rib.VRFDevice, _ uint8) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ask("make %s table %d alias %s", d.Name, d.Table, d.Alias); err != nil {
		return err
	}
	is, there := k.links.ByName(d.Name)
	if there && is.Alias != d.Alias {
		return errors.New("it is another's")
	}
	if !there || is.VRFTable != d.Table {
		k.drop(is.Index)
		k.next++
		is.Index = k.next
	}
	k.links[is.Index] = rib.Link{Index: is.Index, Name: d.Name, VRFTable: d.Table, Alias: d.Alias, Admin: true}
	return nil
}

// drop removes a link, and lets go of those in it. The caller holds mu.
func (k *fakeKernel) drop(index int) {
	delete(k.links, index)
	for i, l := range k.links {
		if l.Master == index && index != 0 {
			l.Master = 0
			k.links[i] = l
		}
	}
}

func (k *fakeKernel) RemoveVRF(_ context.Context, _ rib.Binding, d rib.VRFDevice, _ uint8) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	is, there := k.links.ByName(d.Name)
	if !there || is.Alias != d.Alias {
		return nil
	}
	if err := k.ask("remove %s", d.Name); err != nil {
		return err
	}
	k.drop(is.Index)
	return nil
}

func (k *fakeKernel) Enslave(_ context.Context, _ rib.Binding, link, device int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.links[link]
	what := fmt.Sprintf("%s into %s", l.Name, k.links[device].Name)
	if device == 0 {
		what = l.Name + " out"
	}
	if err := k.ask("%s", what); err != nil {
		return err
	}
	l.Master = device
	k.links[link] = l
	if k.strange != nil {
		k.strange(k, what)
	}
	return nil
}

func (k *fakeKernel) AddDeviceRule(_ context.Context, in rib.Binding, _ uint8) (added bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rule[in.Netns] {
		return false, nil
	}
	if err := k.ask("rule l3mdev"); err != nil {
		return false, err
	}
	k.rule[in.Netns] = true
	return true, nil
}

func (k *fakeKernel) Follow(ctx context.Context, in rib.Binding, changed func()) error {
	k.mu.Lock()
	if k.follows[in.Netns] == nil {
		k.follows[in.Netns] = make(map[*func()]func())
	}
	k.follows[in.Netns][&changed] = changed
	k.mu.Unlock()
	changed()
	<-ctx.Done()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.follows[in.Netns], &changed)
	return nil
}

// happens has another program change something, which is told.
func (k *fakeKernel) happens(change func(k *fakeKernel)) {
	k.mu.Lock()
	change(k)
	var tell []func()
	for _, in := range k.follows {
		for _, f := range in {
			tell = append(tell, f)
		}
	}
	k.mu.Unlock()
	for _, f := range tell {
		f()
	}
	synctest.Wait()
}

// add adds an interface. The caller holds mu.
func (k *fakeKernel) add(l rib.Link) {
	k.next++
	l.Index = k.next
	k.links[l.Index] = l
}

// change changes an interface. The caller holds mu.
func (k *fakeKernel) change(name string, f func(*rib.Link)) {
	l, _ := k.links.ByName(name)
	f(&l)
	k.links[l.Index] = l
}

// writes takes what was asked for since the last call.
func (k *fakeKernel) writes() string {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := strings.Join(k.wrote, ", ")
	k.wrote = nil
	return s
}

// run tells a story of a keeper that runs.
func run(t *testing.T, tell func(k *fakeKernel, d *Keeper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := newFake()
		d := New(k, slog.New(slog.DiscardHandler))
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		tell(k, d)
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// expect holds what was asked for, and what is said of VRF red's device, against what is wanted.
func expect(t *testing.T, k *fakeKernel, d *Keeper, writes, why, trouble string) {
	t.Helper()
	if got := k.writes(); got != writes {
		t.Errorf("it asked for %q, want %q", got, writes)
	}
	for _, is := range []struct{ what, got, want string }{{"Why", d.Why(inRed), why}, {"Trouble", d.Trouble(inRed), trouble}} {
		if is.got == is.want {
			continue
		}
		if is.want == "" || !strings.Contains(is.got, is.want) {
			t.Errorf("%s is %q, want %q", is.what, is.got, is.want)
		}
	}
}

var inRed = rib.Binding{Device: "red-dev"}

func red(table uint32, interfaces ...string) Wanted {
	return Wanted{VRF: "red", In: inRed, OwnDevice: rib.OwnDevice{Table: table, Interfaces: interfaces}, Protocol: 179}
}

func configure(d *Keeper, wanted ...Wanted) { d.Configure(wanted, nil) }
