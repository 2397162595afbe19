package config

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestLayersOfBeforeStay: whatever is changed of layers later, those of before are as they were.
func TestLayersOfBeforeStay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type version struct {
		layers *Layers
		model  map[vrf.LayerKey]string
	}
	now := version{model: make(map[vrf.LayerKey]string)}
	all := []version{now}
	for i := range 500 {
		key := vrf.LayerKey{Name: fmt.Sprint("t", r.IntN(60)), Neighbor: r.IntN(3) == 0}
		next := version{model: maps.Clone(now.model)}
		switch r.IntN(8) {
		case 0, 1, 2:
			next.layers = now.layers.Without(key)
			delete(next.model, key)
		case 3:
			next.layers = now.layers.Only(func(k vrf.LayerKey) bool { return k != key })
			delete(next.model, key)
		default:
			next.model[key] = fmt.Sprint("owner ", i)
			next.layers = now.layers.With(key, Layer{Owner: next.model[key]})
		}
		now = next
		all = append(all, now)
	}
	for i, v := range all {
		if v.layers.Applied() != len(v.model) || len(v.layers.Keys()) != len(v.model) {
			t.Fatalf("after %d changes there are %d and %v, want %v", i, v.layers.Applied(), v.layers.Keys(), v.model)
		}
		for key, owner := range v.model {
			if layer, is := v.layers.Get(key); !is || layer.Owner != owner {
				t.Fatalf("after %d changes %v is %+v, want %q", i, key, layer, owner)
			}
		}
	}
}

// BenchmarkLayers is what is done with as many layers: one is changed, and some are looked for.
func BenchmarkLayers(b *testing.B) {
	for _, n := range []int{100, 1000, 4000} {
		many := func() *Layers {
			var l *Layers
			for i := range n {
				l = l.With(vrf.LayerKey{Name: fmt.Sprint("tenant-", i)}, Layer{Section: []byte(`{}`)})
			}
			return l
		}
		b.Run(fmt.Sprint("with/", n), func(b *testing.B) {
			l := many()
			layer, _ := l.Get(vrf.LayerKey{Name: "tenant-7"})
			for b.Loop() {
				l.With(vrf.LayerKey{Name: "tenant-new"}, layer)
			}
		})
		b.Run(fmt.Sprint("only/", n), func(b *testing.B) {
			l := many()
			for b.Loop() {
				l.Only(func(key vrf.LayerKey) bool { return key.Neighbor })
			}
		})
	}
}
