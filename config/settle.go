package config

import (
	"slices"

	"github.com/vrfredist/vrfredist/vrf"
)

// Settled are layers of which some may not be in force.
type Settled struct {
	*Config
	// Failed says why a layer is not in force.
	Failed map[vrf.LayerKey]error
}

// None is for Settle where every layer may be left out.
func None(vrf.LayerKey) bool { return false }

// Settle makes a configuration of a file with all layers that go with it. A layer that contradicts
// the file, or a layer before it, is left out, and no other; but for those that must be in. Its
// error is about the file and these.
func Settle(make func(*Layers) (*Config, error), all *Layers, must func(vrf.LayerKey) bool) (Settled, error) {
	c, err := make(all)
	if err == nil || all.Len() == 0 {
		return Settled{Config: c}, err
	}
	s := &settling{make: make, all: all, in: map[vrf.LayerKey]bool{}, failed: map[vrf.LayerKey]error{}}
	var left []vrf.LayerKey
	for _, key := range append(all.Keys(), all.templated()...) { // templates are the lowest layer, and give way
		if must(key) {
			s.in[key] = true
		} else {
			left = append(left, key)
		}
	}
	if len(left) == 0 {
		return Settled{}, err
	}
	if s.config, err = make(all.Only(s.has)); err != nil {
		return Settled{}, err
	}
	for before := len(left) + 1; len(left) < before && len(left) > 0; {
		// One may need another that comes behind it: a leak from a VRF, say.
		before = len(left)
		s.add(left)
		left = slices.DeleteFunc(left, s.has)
	}
	return Settled{s.config, s.failed}, nil
}

// settling adds layers to a configuration.
type settling struct {
	make   func(*Layers) (*Config, error)
	all    *Layers
	config *Config // with those that are in
	in     map[vrf.LayerKey]bool
	failed map[vrf.LayerKey]error
}

func (s *settling) has(key vrf.LayerKey) bool { return s.in[key] }

// add takes in as many layers as it can, halving those that cannot be had together.
func (s *settling) add(keys []vrf.LayerKey) {
	for _, key := range keys {
		s.in[key] = true
	}
	c, err := s.make(s.all.Only(s.has))
	if err == nil {
		s.config = c
		for _, key := range keys {
			delete(s.failed, key)
		}
		return
	}
	for _, key := range keys {
		delete(s.in, key)
	}
	if len(keys) == 1 {
		s.failed[keys[0]] = err
		return
	}
	half := len(keys) / 2
	s.add(keys[:half])
	s.add(keys[half:])
}
