package config

import (
	"cmp"
	"slices"

	"github.com/vrfredist/vrfredist/vrf"
)

// A VRF or a neighbour is configured in layers, of which each is a section with the keys of the
// file: below is the file, and over it what was applied over the API, as a whole or in some
// fields. They are laid over each other as trees, before anything is read of them: so what was
// applied is read, checked and compared by what does that for a file, and by nothing else. What
// is enabled and disabled at run time (Overlay) is over both.

// Layers are what was applied over the API. They are immutable; nil is none.
type Layers struct {
	// Generation is that of the last change.
	Generation uint64
	of         layerSet
	// below is who has a VRF by a template of the file; nil: nobody.
	below *Presence
}

// Get returns the layer of a VRF or neighbour.
func (l *Layers) Get(key vrf.LayerKey) (Layer, bool) {
	if l == nil {
		return Layer{}, false
	}
	return l.of.get(key)
}

// Keys are those of all layers: VRFs by name, and then neighbours.
func (l *Layers) Keys() []vrf.LayerKey {
	if l == nil {
		return nil
	}
	return slices.SortedFunc(l.of.keys(), func(a, b vrf.LayerKey) int {
		if a.Neighbor != b.Neighbor {
			if b.Neighbor {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
}

// Len is how many there are, with what templates may match.
func (l *Layers) Len() int {
	if l == nil {
		return 0
	}
	return l.of.n + l.below.len()
}

// Applied is how many there are without what templates may match.
func (l *Layers) Applied() int {
	if l == nil {
		return 0
	}
	return l.of.n
}

// Has tells whether there is a layer, or something that a template may make a VRF of.
func (l *Layers) Has(key vrf.LayerKey) bool {
	if key.Template {
		return l != nil && l.below.has(key.Name)
	}
	_, is := l.Get(key)
	return is
}

// Over returns the same layers, over the VRFs that templates make of what there is.
func (l *Layers) Over(p *Presence) *Layers {
	next := &Layers{below: p}
	if l != nil {
		next.Generation, next.of = l.Generation, l.of
	}
	return next
}

// At is the generation of the last change.
func (l *Layers) At() uint64 {
	if l == nil {
		return 0
	}
	return l.Generation
}

// With returns layers in which one is another one, or is new. The next generation is its own.
func (l *Layers) With(key vrf.LayerKey, layer Layer) *Layers {
	next := l.next()
	layer.Generation = next.Generation
	next.of.put(key, layer)
	return next
}

// Without returns layers in which one is not.
func (l *Layers) Without(key vrf.LayerKey) *Layers {
	next := l.next()
	next.of.remove(key)
	return next
}

// Only returns the layers that are wanted, of the same generation.
func (l *Layers) Only(wants func(vrf.LayerKey) bool) *Layers {
	next := new(Layers)
	if l != nil {
		next.Generation, next.below, next.of = l.Generation, l.below, l.of.only(wants)
	}
	next.below = next.below.only(func(name string) bool { return wants(vrf.LayerKey{Name: name, Template: true}) })
	return next
}

// one is the layer of one VRF or neighbour, without the others, over what templates may match.
func (l *Layers) one(key vrf.LayerKey) *Layers {
	if l == nil {
		return nil
	}
	one := &Layers{Generation: l.Generation, below: l.below}
	if layer, is := l.of.get(key); is {
		one.of.put(key, layer)
	}
	return one
}

func (l *Layers) next() *Layers {
	if l == nil {
		return &Layers{Generation: 1}
	}
	return &Layers{Generation: l.Generation + 1, of: l.of, below: l.below}
}

// saidAt is the generation in which a VRF's import or export was said the last time over the API.
func (l *Layers) saidAt(name string, d vrf.Direction) uint64 {
	layer, _ := l.Get(vrf.LayerKey{Name: name})
	if d == vrf.Import {
		return layer.Imports
	}
	return layer.Exports
}

// templated are the keys of what templates may match.
func (l *Layers) templated() (keys []vrf.LayerKey) {
	if l == nil {
		return nil
	}
	for _, s := range l.below.Sights() {
		keys = append(keys, vrf.LayerKey{Name: s.Name, Template: true})
	}
	return keys
}

// Presence is what the layers are laid over beside the file.
func (l *Layers) Presence() *Presence {
	if l == nil {
		return nil
	}
	return l.below
}
