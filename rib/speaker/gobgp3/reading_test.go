package gobgp3

import (
	"testing"
	"testing/synctest"
	"time"

	api "github.com/osrg/gobgp/v3/api"
)

// TestReadingWhileItChanges: what changes while the tables are read is right in the end,
// when a watch begins and when they are read again.
func TestReadingWhileItChanges(t *testing.T) {
	const many = 10 * readAtOnce
	pairs(t, as, nil, func(t *testing.T, p pair) {
		for _, h := range []*hostile{p.best, p.other} {
			h.send(h.some(false, false, 100, many)...)
		}
		p.s.await(t, p.vrf, nth(false, 100+many-1).String(), count(2))
		p.s.changing.Lock()
		err := p.s.feeder.rewatch(t.Context())
		p.s.changing.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		p.other.send(p.other.some(false, true, 100, many/4)...)
		p.best.send(p.best.some(false, true, 100+many/8, many/2)...)
		p.other.send(p.other.some(false, false, 100+many, many/4)...)
		p.awaitFrom(t, p.other, nth(false, 100+many), 1)
		p.s.feedsAgree(t, "a watch began")
		// GoBGP does not say of which paths this is.
		if _, err := p.s.client(t).ResetPeer(t.Context(), &api.ResetPeerRequest{Address: p.other.addr, Soft: true, Direction: api.ResetPeerRequest_IN}); err != nil {
			t.Fatal(err)
		}
		p.best.send(p.best.some(false, false, 100+many/8, many/2)...)
		p.other.send(p.other.some(false, true, 100+many/2, many/4)...)
		p.other.send(p.other.says(3, nth(true, 9))...)
		p.awaitFrom(t, p.other, nth(true, 9), 1)
		p.s.feedsAgree(t, "they are read again")
	})
}

// TestReadingWaits: tables are read again when nothing has changed unseen for a while, and
// in any case after a time.
func TestReadingWaits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		each  time.Duration // between two changes
		times int
		want  time.Duration
	}{
		{"one change", readSettle, 1, readSettle},
		{"a few", readSettle / 2, 3, 2 * readSettle},
		{"without end", readSettle / 2, 1000, readLatest},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := reading{live: newQueue()}
			go func() {
				for range tc.times {
					r.live.miss()
					if !sleep(t.Context(), tc.each) {
						return
					}
				}
			}()
			began := time.Now()
			if !r.due(t.Context()) {
				t.Fatal("it is not due")
			}
			if took := time.Since(began); took < tc.want || took > tc.want+readSettle {
				t.Errorf("%s: after %v, want %v", tc.name, took, tc.want)
			}
		})
	}
}
