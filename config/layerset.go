package config

import (
	"hash/maphash"
	"iter"
	"maps"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// Layer is what was applied over the API to one VRF or neighbour.
type Layer struct {
	// Section is a JSON object of vrfredistv1.VrfSpec's, or NeighborSpec's, shape: the keys of the
	// configuration, with those of [vrfs.config] and of [netlink.vrfs] side by side.
	Section []byte
	// Fields are those that it is about, as paths: "export.metric". None: it is the whole.
	Fields     []string
	Generation uint64
	// Imports and Exports are the generations in which it said the last time what is imported
	// and exported, which ended what had been enabled or disabled before; 0: it never did.
	Imports, Exports uint64
	Owner            string
	Changed          time.Time

	// tree is Section as it was read, for readings to copy; nil: it was not, or something is wrong with it.
	tree *node
}

// layerSet are layers by their keys. It is a value: who changes a copy of it changes no other one, and
// copies a small part, so that one change among thousands of layers costs little. The zero value has
// none.
type layerSet struct {
	parts *[layerParts]map[vrf.LayerKey]Layer // nil: none; never changed, nor are the maps
	n     int
}

// layerParts is into how many parts the layers are divided.
const layerParts = 128

var layerSeed = maphash.MakeSeed()

func layerPart(key vrf.LayerKey) int { return int(maphash.String(layerSeed, key.Name) % layerParts) }

func (s *layerSet) get(key vrf.LayerKey) (Layer, bool) {
	if s.parts == nil {
		return Layer{}, false
	}
	layer, is := s.parts[layerPart(key)][key]
	return layer, is
}

// own gives the set a part of its own, which may be changed.
func (s *layerSet) own(key vrf.LayerKey) map[vrf.LayerKey]Layer {
	parts := new([layerParts]map[vrf.LayerKey]Layer)
	if s.parts != nil {
		*parts = *s.parts
	}
	s.parts = parts
	i := layerPart(key)
	if parts[i] = maps.Clone(parts[i]); parts[i] == nil {
		parts[i] = make(map[vrf.LayerKey]Layer)
	}
	return parts[i]
}

func (s *layerSet) put(key vrf.LayerKey, layer Layer) {
	if _, there := s.get(key); !there {
		s.n++
	}
	s.own(key)[key] = layer
}

func (s *layerSet) remove(key vrf.LayerKey) {
	if _, there := s.get(key); there {
		s.n--
		delete(s.own(key), key)
	}
}

// keys are those of all layers, in no order.
func (s *layerSet) keys() iter.Seq[vrf.LayerKey] {
	parts := s.parts
	return func(yield func(vrf.LayerKey) bool) {
		if parts == nil {
			return
		}
		for _, part := range parts {
			for key := range part {
				if !yield(key) {
					return
				}
			}
		}
	}
}

// only are the layers that are wanted.
func (s *layerSet) only(wants func(vrf.LayerKey) bool) (some layerSet) {
	if s.parts == nil {
		return layerSet{}
	}
	some.parts = new([layerParts]map[vrf.LayerKey]Layer)
	for i, part := range s.parts {
		for key, layer := range part {
			if !wants(key) {
				continue
			}
			if some.parts[i] == nil {
				some.parts[i] = make(map[vrf.LayerKey]Layer)
			}
			some.parts[i][key] = layer
			some.n++
		}
	}
	return some
}
