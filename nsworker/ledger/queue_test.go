package ledger

import "testing"

// TestQueueOfManyBlocks: keys leave the queue in their order, over the ends of its blocks and while
// others come, and an empty queue holds nothing.
func TestQueueOfManyBlocks(t *testing.T) {
	var q queue[int]
	added, taken := 0, 0
	add := func(n int) {
		for range n {
			q.add(added)
			added++
		}
	}
	take := func(n int) {
		for range n {
			k, there := q.next()
			if !there || k != taken {
				t.Fatalf("key %d of %d is %d, there: %t", taken, added, k, there)
			}
			taken++
		}
	}
	add(queueBlock / 2)
	take(queueBlock / 4)
	add(2 * queueBlock) // over two ends
	take(queueBlock)
	add(1)
	take(added - taken)
	if _, there := q.next(); there || !q.empty() || q.blocks != nil {
		t.Errorf("all is taken, and the queue has %d blocks", len(q.blocks))
	}
	add(queueBlock) // to the end of a block, and no further
	take(queueBlock)
	if !q.empty() {
		t.Error("a full block is taken, and the queue is not empty")
	}
}
