package kernel

import (
	"context"
	"sync"
)

// shared is something of a namespace that each VRF there reads whole, although a part of it is the VRF's:
// of n VRFs that start together each would read what all of them have. One reading is enough for all who
// asked before it began; who asked while it went on gets the next one.
type shared[T any] struct {
	turn chan struct{} // held by who reads

	mu    sync.Mutex
	asked int // guarded by mu; who asked and has no answer yet
	begun int // guarded by mu; readings
	done  int // guarded by mu; the last one that came to its end
	value T   // guarded by mu; of that one, while somebody may want it
}

func newShared[T any]() *shared[T] { return &shared[T]{turn: make(chan struct{}, 1)} }

// get returns what a reading found that began after the call. Nobody may change it.
func (s *shared[T]) get(ctx context.Context, read func() (T, error)) (value T, err error) {
	s.mu.Lock()
	s.asked++
	want := s.begun + 1
	s.mu.Unlock()
	defer s.leave()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return value, ctx.Err()
	}
	defer func() { <-s.turn }()
	s.mu.Lock()
	if s.done >= want {
		defer s.mu.Unlock()
		return s.value, nil
	}
	s.begun++
	this := s.begun
	s.mu.Unlock()
	if value, err = read(); err != nil {
		return value, err // the next one reads for itself
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.value = this, value
	return value, nil
}

// leave forgets the value with the last one who may want it.
func (s *shared[T]) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked--; s.asked == 0 {
		var none T
		s.value, s.done = none, 0
	}
}
