package ledger

// queue is keys in the order in which they came. It may be a whole table long: so it grows by
// blocks, and gives each up when its keys have gone.
type queue[K any] struct {
	blocks [][]K // all but the last are full
	from   int   // what is left of the first begins there
}

// queueBlock is how many keys are in a block.
const queueBlock = 1024

func (q *queue[K]) add(k K) {
	last := len(q.blocks) - 1
	switch {
	case last < 0:
		q.blocks, last = append(q.blocks, nil), 0 // it grows as it must: mostly there are few keys
	case len(q.blocks[last]) == queueBlock:
		q.blocks, last = append(q.blocks, make([]K, 0, queueBlock)), last+1
	}
	q.blocks[last] = append(q.blocks[last], k)
}

func (q *queue[K]) next() (k K, there bool) {
	if q.empty() {
		return k, false
	}
	first := q.blocks[0]
	k = first[q.from]
	if q.from++; q.from == len(first) {
		q.blocks[0], q.from = nil, 0
		if q.blocks = q.blocks[1:]; len(q.blocks) == 0 {
			q.blocks = nil
		}
	}
	return k, true
}

func (q *queue[K]) empty() bool { return len(q.blocks) == 0 }
