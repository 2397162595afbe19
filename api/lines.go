package api

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// mostWaiting is how many changes of one tenant may wait behind the one under way.
const mostWaiting = 16

// lines makes the changes of each caller one after the other, in a line of the caller's
// own: however many changes a caller sends, another's waits for one of them at most.
// Equal changes that wait are made once. The zero value is ready.
type lines struct {
	mu sync.Mutex
	of map[string][]*turn // guarded by mu; by caller; it is the turn of the first
}

// turn is a change in its line.
type turn struct {
	what   string        // equal for equal changes
	come   chan struct{} // closed when it is at the head
	done   chan struct{} // closed when it was made
	err    error         // of it; valid once done is closed
	joined int           // guarded by lines.mu; calls that wait for it beside its own
}

// do makes a change when its turn has come, and waits until it was made, by this call
// or by an equal one before it in the line. A change for whose end a call still waits is
// made even where its own caller has gone.
func (l *lines) do(ctx context.Context, caller, what string, most int, change func() error) error {
	l.mu.Lock()
	line := l.of[caller]
	// Not the first: it may have been made already, and another's after it.
	for _, t := range line[min(1, len(line)):] {
		if t.what == what {
			t.joined++
			l.mu.Unlock()
			return l.follow(ctx, t)
		}
	}
	if len(line) > most {
		l.mu.Unlock()
		return status.Errorf(codes.ResourceExhausted, "%d changes of yours wait already, and none of them is this one; wait for their answers", len(line)-1)
	}
	t := &turn{what: what, come: make(chan struct{}), done: make(chan struct{})}
	if l.of == nil {
		l.of = make(map[string][]*turn)
	}
	l.of[caller] = append(line, t)
	if len(line) == 0 {
		close(t.come)
	}
	l.mu.Unlock()
	if err := l.wait(ctx, caller, t); err != nil {
		return err
	}
	defer l.next(caller, t)
	t.err = status.Error(codes.Internal, "the change was given up half way") // where it panics
	t.err = change()
	return t.err
}

// follow waits for a turn of an equal change.
func (l *lines) follow(ctx context.Context, t *turn) error {
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		t.joined--
		return status.FromContextError(ctx.Err()).Err()
	}
}

// wait waits until t is at the head of its line. After an error it is in it no more.
func (l *lines) wait(ctx context.Context, caller string, t *turn) error {
	select {
	case <-t.come:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	at := slices.Index(l.of[caller], t)
	if t.joined == 0 && at > 0 {
		l.of[caller] = slices.Delete(l.of[caller], at, at+1)
		l.mu.Unlock()
		return status.FromContextError(ctx.Err()).Err()
	}
	l.mu.Unlock()
	<-t.come
	return nil
}

// next ends a turn, and begins the one behind it.
func (l *lines) next(caller string, t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(t.done)
	rest := l.of[caller][1:]
	if len(rest) == 0 {
		delete(l.of, caller)
		return
	}
	l.of[caller] = rest
	close(rest[0].come)
}
