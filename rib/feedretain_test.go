package rib

import (
	"net/netip"
	"testing"
	"time"
)

// full is a feed with a path of one neighbour for each of some prefixes.
func full(prefixes int) *Feed {
	f := NewFeed()
	for i := range prefixes {
		f.Set(host(i), 1, []Path{onePath(i, 1, 1)})
	}
	return f
}

// TestEndOfSessionIsSeenWhileItsPathsGo: the reader of a feed hears of it, and puts the prefixes off
// until it has acted, while the paths are being taken out one by one.
func TestEndOfSessionIsSeenWhileItsPathsGo(t *testing.T) {
	f := full(1)
	peer, seen := netip.MustParseAddr("192.0.2.1"), make(chan bool, 1)
	f.Retain(func(Path) bool {
		go func() {
			f.SetDown(peer, true)
			down := f.Down().Has(peer)
			f.Postpone()
			seen <- down
		}()
		select {
		case down := <-seen:
			if !down {
				t.Error("the neighbour does not count as down")
			}
		case <-time.After(20 * time.Second):
			t.Error("the reader waits for all paths of the feed")
		}
		return false
	})
	if !signalled(f) {
		t.Error("the reader was not woken")
	}
}

// TestRetainLetsOthersIn: who wants the feed meanwhile waits for a part of it.
func TestRetainLetsOthersIn(t *testing.T) {
	const prefixes = 8 * retainAtOnce
	f := full(prefixes)
	for deadline := time.Now().Add(20 * time.Second); ; {
		looked, judged, early := make(chan struct{}), 0, false
		f.Retain(func(Path) bool {
			switch judged++; {
			case judged == 1:
				go func() { f.Len(); close(looked) }()
			case judged%retainAtOnce == 0: // in each part: a mutex is handed over to who has waited for a millisecond
				time.Sleep(2 * time.Millisecond)
			case !early && judged%64 == 0:
				select {
				case <-looked:
					early = true
				default:
				}
			}
			return true
		})
		<-looked
		if judged != prefixes {
			t.Fatalf("%d paths were judged, want %d", judged, prefixes)
		}
		if early {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("whoever wants the feed waits for all of it")
		}
	}
}

// TestRetainOfManyParts: each path is judged once, and what is not kept is taken from the reader.
func TestRetainOfManyParts(t *testing.T) {
	const prefixes = 3*retainAtOnce + 7
	f := full(prefixes)
	f.Take(nil, prefixes)
	signalled(f)
	f.Retain(func(p Path) bool { return p.Prefix.Addr().As4()[3]%2 == 0 })
	gone := 0
	for _, e := range f.Take(nil, prefixes) {
		if len(e.Paths) != 0 || e.Prefix.Addr().As4()[3]%2 == 0 {
			t.Fatalf("%v has %d paths", e.Prefix, len(e.Paths))
		}
		gone++
	}
	if n, waiting := f.Len(); gone != prefixes/2 || n != prefixes-gone || waiting != 0 {
		t.Errorf("%d went, %d are left and %d wait", gone, n, waiting)
	}
}
