package speaker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestFeeds: a feed is the same one as long as its VRF is there, and a mirror says what
// its VRF's says.
func TestFeeds(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	red := feedOf(t, feeds, "red")
	if _, changed := feeds.Mirror(map[string]rib.Mirror{"red/1002": {VRF: "red"}, "default/300": {VRF: Default}}); !changed {
		t.Error("new mirrors are no change")
	}
	if gone, changed := feeds.Mirror(map[string]rib.Mirror{"red/1002": {VRF: "red"}, "default/300": {VRF: Default}}); changed || len(gone) != 0 {
		t.Error("the same mirrors are a change")
	}
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	in.Sync()
	take(in, Destination{Prefix: one}, globalPath(one))
	take(in, Destination{RD: 5, Prefix: one}, vpnPath(one, 1, 1))
	mirror := feedOf(t, feeds, "red/1002")
	for _, name := range []string{Default, "red", "red/1002", "default/300"} {
		if len(feedOf(t, feeds, name).Lookup(one)) != 1 {
			t.Errorf("%s does not have the path", name)
		}
	}
	gone, _ := feeds.Mirror(nil)
	gone.Empty()
	if n, _ := mirror.Len(); n != 0 {
		t.Errorf("a mirror that was taken away still has %d prefixes", n)
	}
	feeds.Add(redAnd)
	if feedOf(t, feeds, "red") != red {
		t.Error("the VRF has another feed")
	}
	feeds.Keep(redAnd[:1]).Empty()
	if _, err := feeds.Feed("red"); err == nil {
		t.Error("a VRF that has gone has a feed")
	}
	if n, _ := red.Len(); n != 0 {
		t.Errorf("the feed of a VRF that has gone has %d prefixes", n)
	}
}

// TestAfterRepair: a session ends with its link when no worker writes what that took with it,
// and after a while anyway.
func TestAfterRepair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feeds := NewFeeds(redAnd)
		red := feedOf(t, feeds, "red")
		ended := func() (after time.Duration) {
			began := time.Now()
			done := make(chan time.Duration, 1)
			feeds.AfterRepair(func() { done <- time.Since(began) })
			return <-done
		}
		if after := ended(); after != repairBegins {
			t.Errorf("with nothing to write it ends after %v", after)
		}
		red.SetRepairing(true)
		time.AfterFunc(time.Second, func() { red.SetRepairing(false) })
		if after := ended(); after < time.Second || after > time.Second+2*repairBegins {
			t.Errorf("with a second's work it ends after %v", after)
		}
		red.SetRepairing(true)
		if after := ended(); after < repairTakes || after > repairTakes+2*repairBegins {
			t.Errorf("of a worker that does not come to an end it does after %v", after)
		}
	})
}
