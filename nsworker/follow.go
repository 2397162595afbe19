package nsworker

// follower keeps count of the VRFs of which a worker must hear when their view changes, by
// what needs them: sets of nexthops that leak from them, the VRF of which this table is a
// secondary one, imports that are waited for.
type follower struct {
	board  *Board
	wakes  chan struct{}
	counts map[string]int
}

// follow adds to what needs a VRF, or takes away from it.
func (f *follower) follow(source string, by int) {
	had := f.counts[source]
	f.counts[source] = had + by
	switch {
	case had == 0 && by > 0:
		f.board.follow(source, f.wakes)
		// It may have changed between the resolution and now.
		select {
		case f.wakes <- struct{}{}:
		default:
		}
	case had+by == 0:
		f.board.unfollow(source, f.wakes)
		delete(f.counts, source)
	}
}

// close ends it.
func (f *follower) close() {
	for source := range f.counts {
		f.board.unfollow(source, f.wakes)
	}
	clear(f.counts)
}
