package rib

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestFeedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFeed()
		prefix := func(i int) netip.Prefix {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24)
		}
		set := func(i int) { f.Set(prefix(i), 0, []Path{{Prefix: prefix(i), Attrs: &Attrs{}}}) }
		start := time.Now()
		for i := range 2 * (8 * clockEvery) {
			set(i)
			if i == (8*clockEvery)-1 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Second)
		set(1) // waits already: it is as old as it was
		for i, want := range []time.Duration{0, 0, time.Second, time.Second} {
			if n := len(f.Take(nil, (8*clockEvery)/2)); n != (8*clockEvery)/2 || f.Since().Sub(start) != want {
				t.Errorf("take %d: %d entries, since %v, want %v", i, n, f.Since().Sub(start), want)
			}
		}
		if f.Take(nil, 10); !f.Since().IsZero() {
			t.Errorf("of nothing: %v", f.Since())
		}
		set(1)
		if f.Take(nil, 10); f.Since().Sub(start) != 2*time.Second {
			t.Errorf("afterwards: %v", f.Since().Sub(start))
		}
	})
}
