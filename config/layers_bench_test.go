package config

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// layerNo is one of many VRFs that were applied.
func layerNo(i int) (name, section string) {
	name = fmt.Sprint("t", i)
	return name, fmt.Sprintf(`{"name":%q,"rd":"65000:%d","both_rt_list":["65000:%d"],"table":%d,"import":{"enabled":true,"interface_list":["lan*"]},"export":{"enabled":true}}`, name, 100+i, 100+i, 2000+i)
}

// BenchmarkTurn is what one tenant costs the reading of the configuration beside as many others: it is
// applied, and the whole is read.
func BenchmarkTurn(b *testing.B) {
	for _, n := range []int{100, 1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			section := func(i int) []byte { _, s := layerNo(i); return []byte(s) }
			var layers *Layers
			for i := range n {
				layers = layers.With(vrf.LayerKey{Name: fmt.Sprint("t", i)}, Layer{Section: section(i)}.read())
			}
			bgp := fakeBGP()
			c, err := ParseUnder("f.toml", []byte(layered), layers, bgp)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				next, err := Applying(c, layers, "f.toml", vrf.ApplyRequest{Key: vrf.LayerKey{Name: fmt.Sprint("t", n)}, Section: section(n)})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := ParseAgain("f.toml", c, next, bgp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
