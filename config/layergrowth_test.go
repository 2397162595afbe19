package config

import (
	"fmt"
	"testing"
	"time"
)

// TestLayersGrowInStep: twice as many layers take about twice as long to be laid, and not four times.
func TestLayersGrowInStep(t *testing.T) {
	took := func(n int) time.Duration {
		var sections []string
		for i := range n {
			sections = append(sections, fmt.Sprintf("t%d", i), fmt.Sprintf(`{"name":"t%d","rd":"65000:%d","table":%d,"export":{"enabled":true}}`, i, 100+i, 2000+i),
				fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), fmt.Sprintf(`{"address":"10.1.%d.%d","peer_as":65001,"vrf":"t%d"}`, i/250, i%250+1, i))
		}
		layers := &Layers{of: over(sections[:2]...).of}
		for i := 2; i < len(sections); i += 2 {
			some := over(sections[i], sections[i+1])
			for _, key := range some.Keys() {
				layer, _ := some.Get(key)
				layers.of.put(key, layer)
			}
		}
		best := time.Hour
		for range 5 {
			root := readTree(&problems{}, "f.toml", []byte(layered))
			began := time.Now()
			if lay(&problems{}, root, layers); len(listAt(root, "vrfs")) != n+2 || len(listAt(root, "neighbors")) != n+1 {
				t.Fatalf("%d VRFs, %d neighbours", len(listAt(root, "vrfs")), len(listAt(root, "neighbors")))
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	few, many := took(500), took(4000)
	t.Logf("500 VRFs with a neighbour each: %v, 4,000: %v", few, many)
	if many > 24*few {
		t.Errorf("eight times as many layers take %.1f times as long", float64(many)/float64(few))
	}
}
