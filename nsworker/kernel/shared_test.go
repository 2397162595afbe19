package kernel

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestShared: of many who ask while one reads, one reads for all of them; nobody gets what was read from
// before he asked on; and what is read lasts no longer than somebody wants it.
func TestShared(t *testing.T) {
	t.Parallel()
	const many = 100
	s := newShared[int]()
	readings, began, goOn := 0, make(chan struct{}), make(chan struct{})
	read := func() (int, error) {
		readings++ // by one at a time
		if readings == 1 {
			close(began)
			<-goOn
		}
		return readings, nil
	}
	var all sync.WaitGroup
	all.Go(func() {
		if got, err := s.get(t.Context(), read); got != 1 || err != nil {
			t.Errorf("the first one got %d, %v", got, err)
		}
	})
	<-began
	for range many {
		all.Go(func() {
			if got, err := s.get(t.Context(), read); got != 2 || err != nil {
				t.Errorf("one who asked meanwhile got %d, %v; want the second reading", got, err)
			}
		})
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		asked := s.asked
		s.mu.Unlock()
		if asked == 1+many {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("%d ask", asked)
		}
	}
	close(goOn)
	all.Wait()
	if readings != 2 {
		t.Errorf("%d readings for %d", readings, 1+many)
	}
	if s.value != 0 || s.asked != 0 {
		t.Errorf("%d is kept for %d", s.value, s.asked)
	}
	if got, _ := s.get(t.Context(), read); got != 3 {
		t.Errorf("who asks later gets reading %d", got)
	}
}

// TestSharedFails: the error of who reads, and his end, are his own.
func TestSharedFails(t *testing.T) {
	t.Parallel()
	s := newShared[int]()
	broken := errors.New("broken")
	if _, err := s.get(t.Context(), func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	s.turn <- struct{}{} // somebody reads
	ctx, end := context.WithCancel(t.Context())
	end()
	if _, err := s.get(ctx, func() (int, error) { return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	<-s.turn
	if got, err := s.get(t.Context(), func() (int, error) { return 7, nil }); got != 7 || err != nil {
		t.Errorf("the next one got %d, %v", got, err)
	}
}
