package ledger

// queue is keys in the order in which they came. Its array is given up when it is empty:
// it may be a whole table long.
type queue[K any] struct {
	keys []K
	from int
}

func (q *queue[K]) add(k K) { q.keys = append(q.keys, k) }

func (q *queue[K]) next() (k K, there bool) {
	if q.from == len(q.keys) {
		return k, false
	}
	k = q.keys[q.from]
	if q.from++; q.from == len(q.keys) {
		*q = queue[K]{}
	}
	return k, true
}
