package gobgp3

import (
	"fmt"
	"testing"
	"time"
)

// TestReloadBesideUpdates: a neighbour has what it may have after a reload that changes what is taken of
// one neighbour and what the other is told, also where the first one withdraws routes, and sends
// others, while what it sent is judged anew.
func TestReloadBesideUpdates(t *testing.T) {
	const first, routes, each = 1000, 4000, 100
	for name, begin := range map[string]func(*testing.T) *followed{
		"default":   func(t *testing.T) *followed { return newFollowed(t, "") },
		"red":       func(t *testing.T) *followed { return newFollowed(t, "red") },
		"clients":   func(t *testing.T) *followed { return newServed(t) },
		"secondary": func(t *testing.T) *followed { return newServed(t, "secondary-route") },
	} {
		t.Run(name, func(t *testing.T) {
			x := begin(t)
			nothing := x.conf(nil, obj{"default-import-policy": "reject-route"}, obj{"default-export-policy": "reject-route"})
			has := func(when string, n int) {
				t.Helper()
				got := 0
				defer func() {
					if t.Failed() {
						t.Logf("%s: r has %d routes", when, got)
					}
				}()
				eventually(t, fmt.Sprintf("%s: r has %d routes", when, n), func() bool {
					x.take()
					got = len(x.has[x.r])
					return got == n
				})
			}
			x.p.send(x.p.some(false, false, first, routes)...)
			has("at first", 12+routes)
			for round := range 2 {
				x.reload(t, nothing)
				has("nothing", 0)
				done := make(chan struct{})
				go func() {
					defer close(done)
					tick := time.NewTicker(time.Millisecond)
					defer tick.Stop()
					for x.take(); len(x.has[x.r]) == 0; x.take() {
						select {
						case <-tick.C:
						case <-t.Context().Done():
							return
						}
					}
					for i := 0; i < routes; i += 2 * each {
						x.p.send(x.p.some(false, true, first+i, each)...)
					}
				}()
				x.reload(t, x.conf(nil, nil, nil))
				<-done
				has(fmt.Sprintf("round %d", round), 12+routes/2)
				x.p.send(x.p.some(false, false, first, routes)...)
				has("all again", 12+routes)
			}
		})
	}
}
