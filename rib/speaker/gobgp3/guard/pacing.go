package guard

import "time"

// GoBGP's queue of a session's messages has no bound, and a neighbour can write faster
// than its loop reads: messages beyond this number wait in the socket, and then at the
// neighbour. A much smaller number would have Go collect garbage more often, because the
// heap is smaller while a table comes in, and cost a sixth of the session's processor
// time.
const (
	mostBacklog         = 8192  // messages
	mostBacklogPrefixes = 65536 // about as many prefixes, by those of the last messages
	lookEvery           = 128   // messages between two looks at the queue
)

// pacing keeps a session's reader from running ahead of GoBGP's loop.
type pacing struct {
	backlog func() int // how many messages GoBGP has not dealt with; nil: that is not known
	since   int        // messages since it was looked at
	lately  int        // prefixes in them
	// before is Queues.Before.
	before func() <-chan struct{}
}

// heldFor is after how long GoBGP gets a KEEPALIVE where it gets nothing else: the neighbour lives.
const heldFor = time.Second

// holds waits while GoBGP deals with what the neighbour sent in an earlier session, and tells whether
// it still does.
func (p *pacing) holds(q *quiet) bool {
	if p.before == nil {
		return false
	}
	over := p.before()
	if over == nil {
		p.before = nil // there is no session between this one and the earlier one
		return false
	}
	after := time.NewTimer(heldFor)
	defer after.Stop()
	select {
	case <-over:
	case <-after.C:
	case <-q.asked:
	case <-q.closed:
		return false
	}
	return true
}

// wait waits while GoBGP has more than enough of this session's messages.
func (p *pacing) wait() {
	if p.since++; p.backlog == nil || p.since < lookEvery {
		return
	}
	most := min(mostBacklog, mostBacklogPrefixes*p.since/max(p.lately, 1))
	p.since, p.lately = 0, 0
	for p.backlog() > most {
		time.Sleep(time.Millisecond)
	}
}
