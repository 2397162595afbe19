package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// layering has what was applied over the API, in force or not. Its methods but applied are called
// one at a time, by the changer and before it is there.
type layering struct {
	file string // of the configuration, for messages
	kept *config.LayerFile
	// parse reads the text of a file as the file, with layers over it, and again that of a
	// configuration that was read so.
	parse func(text []byte, layers *config.Layers) (*config.Config, error)
	again func(c *config.Config, layers *config.Layers) (*config.Config, error)
	ids   *config.TenantIDs // of the tenants of templates

	mu     sync.Mutex
	people people                  // guarded by mu
	all    *config.Layers          // guarded by mu: as they are kept
	failed map[vrf.LayerKey]string // guarded by mu: why one could not be had, when it was tried
}

// openLayering reads what the state directory keeps.
func openLayering(o Options, judge config.BGP) (*layering, error) {
	kept, all, err := config.OpenLayers(o.StateDir)
	if err != nil {
		return nil, err
	}
	ids, err := config.OpenTenantIDs(o.StateDir)
	return &layering{
		file: o.File, kept: kept, all: all, ids: ids, people: people{starts: true},
		parse: func(text []byte, layers *config.Layers) (*config.Config, error) {
			return config.ParseUnder(o.File, text, layers, judge)
		},
		again: func(c *config.Config, layers *config.Layers) (*config.Config, error) {
			return config.ParseAgain(o.File, c, layers, judge)
		},
	}, err
}

// people are what templates may match.
type people struct {
	sights []config.Sight
	starts bool // the daemon starts
}

// layers are all that there are, over what templates make of what there is.
func (l *layering) layers() *config.Layers {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		return l.all
	}
	return l.all.Over(l.ids.Presence(l.people.sights, time.Now(), l.people.starts))
}

// appear takes over what there is now.
func (l *layering) appear(p people) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.people = p
}

// sights are what there was the last time that it was looked at.
func (l *layering) sights() []config.Sight {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.people.sights
}

// settle makes a configuration with all layers that go with it. Those of now, which is in force,
// must go with it; nil: none must.
func (l *layering) settle(all *config.Layers, now *config.Config, make func(*config.Layers) (*config.Config, error)) (*config.Config, error) {
	must := config.None
	if now != nil {
		must = now.Layers().Has
	}
	got, err := config.Settle(make, all, must)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
	for key, why := range got.Failed {
		if l.failed == nil {
			l.failed = map[vrf.LayerKey]string{}
		}
		l.failed[key], _, _ = strings.Cut(why.Error(), "\n") // its first fault
	}
	return got.Config, nil
}

// foresee is settle for a configuration that does not come into force.
func (l *layering) foresee(now *config.Config, make func(*config.Layers) (*config.Config, error)) (*config.Config, error) {
	got, err := config.Settle(make, l.layers(), now.Layers().Has)
	return got.Config, err
}

// under is a configuration of before with the layers of today, in place of those that it had.
func (l *layering) under(c *config.Config) (*config.Config, error) {
	all := l.layers()
	if all == c.Layers() {
		return c, nil
	}
	return l.settle(all, nil, func(layers *config.Layers) (*config.Config, error) { return l.again(c, layers) })
}

// applying returns the layers and the configuration that are in force after a request. Where
// nothing changes the latter is nil.
func (l *layering) applying(now *config.Config, r vrf.ApplyRequest) (*config.Layers, *config.Config, error) {
	was := l.layers()
	all, err := config.Applying(now, was, l.file, r)
	if err != nil {
		return nil, nil, err
	}
	if _, is := now.Layers().Get(r.Key); all == was && is {
		return all, nil, nil
	}
	next, err := l.over(now, all, r.Key)
	return all, next, faultsOf(r.Key, err)
}

// over is the configuration that is in force with other layers over the file. Those of keys must be
// in it.
func (l *layering) over(now *config.Config, all *config.Layers, keys ...vrf.LayerKey) (*config.Config, error) {
	make := func(layers *config.Layers) (*config.Config, error) { return l.again(now, layers) }
	in := all.Only(func(k vrf.LayerKey) bool {
		return now.Layers().Has(k) || slices.Contains(keys, k)
	})
	if in.Len() == all.Len() {
		return make(all)
	}
	// Who was left out before may find room now.
	base, err := make(in)
	if err != nil {
		return nil, err
	}
	return l.settle(all, base, make)
}

// faultsOf says which fields of a request are to blame for what is wrong with a configuration.
func faultsOf(key vrf.LayerKey, err error) error {
	var list config.Errors
	if !errors.As(err, &list) {
		return err
	}
	var faults vrf.FieldFaults
	for _, e := range list {
		if e.Layer != nil && *e.Layer == key {
			faults = append(faults, vrf.FieldFault{Field: e.Key, Why: e.Message})
		} else {
			faults = append(faults, vrf.FieldFault{Why: e.Error()})
		}
	}
	return faults
}

// become is the step that keeps other layers.
func (l *layering) become(all *config.Layers) step {
	was := l.layers()
	set := func(all *config.Layers) error {
		if err := l.kept.Write(all); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = all
		return nil
	}
	return step{
		name: "what was applied over the API",
		do:   func(context.Context) error { return set(all) },
		undo: func(context.Context) error {
			return about("for what the state directory keeps of it, which the next start has", set(was))
		},
	}
}

// applied are all layers, with why one is not in force.
func (l *layering) applied(now *config.Config) []vrf.Layer {
	l.mu.Lock()
	all, failed := l.all, l.failed
	l.mu.Unlock()
	list := config.AppliedLayers(now, all, l.file)
	for i := range list {
		if _, is := now.Layers().Get(list[i].Key); !is {
			list[i].Failed = cmp.Or(failed[list[i].Key], "it is left out until the next change")
		}
	}
	return list
}

// absent are the VRFs that are wanted and are not in force: what was applied, and tenants of templates.
func (l *layering) absent(now *config.Config) (list []vrf.Status) {
	add := func(name string, state vrf.State, reason string, since time.Time) {
		list = append(list, vrf.Status{Spec: vrf.Spec{Name: name}, WorkerStatus: vrf.WorkerStatus{State: state, Reason: reason}, Since: since})
	}
	for _, layer := range l.leftOut(now) {
		if !layer.Key.Neighbor {
			add(layer.VRF, vrf.Failed, layer.Failed, layer.Changed)
		}
	}
	for _, t := range now.Tenants() {
		if t.Waits != "" {
			add(t.Name, vrf.Pending, t.Waits, time.Time{})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, why := range l.failed {
		if key.Template {
			add(key.Name, vrf.Failed, why, time.Time{})
		}
	}
	return list
}

// leftOut are the layers that are not in force.
func (l *layering) leftOut(now *config.Config) []vrf.Layer {
	l.mu.Lock()
	all := l.all.Applied()
	l.mu.Unlock()
	if now.Layers().Applied() == all { // it is asked for each VRF that comes
		return nil
	}
	return slices.DeleteFunc(l.applied(now), func(layer vrf.Layer) bool { return layer.Failed == "" })
}
