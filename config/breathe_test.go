package config

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// TestReadingLetsOthersGoFirst: on one processor another goroutine runs several times while a
// configuration is read, and more often the more layers there are.
func TestReadingLetsOthersGoFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	turns := func(layers *Layers) int64 {
		var ran atomic.Int64
		var over atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for !over.Load() {
				ran.Add(1)
				runtime.Gosched()
			}
		}()
		for ran.Load() == 0 {
			runtime.Gosched()
		}
		before := ran.Load()
		if _, err := ParseUnder("f.toml", []byte(layered), layers, fakeBGP()); err != nil {
			t.Fatal(err)
		}
		got := ran.Load() - before
		over.Store(true)
		<-ended
		return got
	}
	few := turns(nil)
	var sections []string
	for i := range 4 * layersAtOnce {
		name, section := layerNo(i)
		sections = append(sections, name, section)
	}
	if many := turns(over(sections...)); few < 5 || many < few+3 {
		t.Errorf("another goroutine ran %d times meanwhile, and %d times beside many layers", few, many)
	}
}
