package nsworker

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestFirstOfWhatALinkTook: of many routes that went with a link some are written before all the others
// are looked at, and the table is not read before all are.
func TestFirstOfWhatALinkTook(t *testing.T) {
	const routes = 3*writeBatch + 100
	story(t, func(l *lab, table *fakeTable) {
		for i := range routes {
			at := fmt.Sprintf("10.%d.%d.0/24", i/250, i%250)
			l.feed("red").Set(netip.MustParsePrefix(at), 0, two(at, "192.0.2.9", "198.51.100.9"))
		}
		l.converge("red")
		w := New(Deps{l.kernel, l.bgp, l.board, l.log(), nil, nil, nil, nil, nil}, spec("red"), func(vrf.WorkerStatus) {})
		w.feed = l.feed("red")
		s := newTableSync(w, table)
		turn := func() {
			t.Helper()
			if err := s.work(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		read, err := table.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.adopt(read)
		s.resync = schedule{}
		s.pass()
		s.feed.Rewind()
		for range 2 * routes / feedBatch {
			s.onFeed()
		}
		for range routes {
			turn()
			if s.idle() && s.routes.Waiting() == 0 {
				break
			}
		}
		l.k(func() {
			if len(l.kernel.writes) != routes {
				t.Fatalf("%d routes are written, want %d", len(l.kernel.writes), routes)
			}
			l.kernel.writes = nil
		})
		table.link(2, false)
		s.onLinks(maps.Clone(table.links))
		s.pass()
		if n := s.routes.Waiting(); n != writeBatch {
			t.Errorf("%d routes are due at first, want %d", n, writeBatch)
		}
		turn()
		l.k(func() {
			if n := len(l.kernel.writes); n != writeBatch {
				t.Errorf("%d routes are written at first, want %d", n, writeBatch)
			}
		})
		if n := s.routes.Waiting(); n != routes-writeBatch || !s.feed.Repairing() {
			t.Errorf("%d routes are due then, want %d; BGP waits: %v", n, routes-writeBatch, s.feed.Repairing())
		}
		for range 5 {
			turn()
		}
		l.k(func() {
			if n := len(l.kernel.writes); n != routes {
				t.Errorf("%d routes are written in the end, want %d", n, routes)
			}
		})
		s.close()
	})
}
