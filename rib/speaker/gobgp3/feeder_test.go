package gobgp3

import (
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// A mirror says what the feed of its VRF says, from the start and after it was
// added and taken away while BGP runs; the others do not notice.
func TestMirror(t *testing.T) {
	r := newReloaded(t)
	drain(r.redFeed)
	mirror := func(of map[string]rib.Mirror) {
		t.Helper()
		if err := r.Mirror(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	mirror(map[string]rib.Mirror{"red/1002": {VRF: "red"}, "default/300": {VRF: speaker.Default}})
	r.await(t, "red/1002", "10.1.0.0/16", count(1))
	r.await(t, "red/1002", "10.9.0.0/16", count(1))
	r.await(t, "default/300", "10.1.0.0/16", count(1))
	if n, _ := r.feed(t, "red/1002").Len(); n != 2 {
		t.Errorf("the mirror of red has %d prefixes, and red two", n)
	}
	if changed := r.redFeed.Take(nil, 10); len(changed) > 0 {
		t.Errorf("red itself changed: %v", changed)
	}
	eventually(t, "the mirrors know of End-of-RIB", func() bool {
		return converged(r.feed(t, "red/1002")) && converged(r.feed(t, "default/300"))
	})

	r.p.announce(spec{prefix: "10.5.0.0/16", rd: 1, rts: []uint32{1}})
	r.p.announce(spec{prefix: "10.6.0.0/16"})
	for _, name := range []string{"red", "red/1002"} {
		r.await(t, name, "10.5.0.0/16", count(1))
	}
	r.await(t, "default/300", "10.6.0.0/16", count(1))

	second := r.feed(t, "red/1002")
	mirror(map[string]rib.Mirror{"default/300": {VRF: speaker.Default}})
	if _, err := r.Feed("red/1002"); err == nil {
		t.Error("a mirror that was taken away is still there")
	}
	if n, _ := second.Len(); n != 0 {
		t.Errorf("a mirror that was taken away still has %d prefixes", n)
	}
	r.reload(t, baseConf([]any{r.red, r.blue}, []any{r.np}))
	r.await(t, "blue", "10.2.0.0/16", count(1))
	r.await(t, "default/300", "10.6.0.0/16", count(1))
}
