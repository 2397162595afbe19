package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// space is a namespace with labels and SIDs of ours: the core's, or that of a trusted VRF.
type space struct {
	entrances Entrances
	protocol  uint8 // of ours
	// standing is what the kernel has; stale says that it may be otherwise by now.
	standing map[Number]rib.StandingEntrance
	stale    bool
	// covered are those of ours that another program has a route for as well, which counts: of IPv6
	// routes that have metrics of their own several stand.
	covered map[Number]rib.StandingEntrance
	room    uint32 // for labels
	tries   map[Number]attempt
	strays  map[Number]time.Time // since when nobody wants one of ours
	changed <-chan struct{}      // of entrances
	done    chan struct{}
	waits   sync.WaitGroup
}

// attempt is the last one to add an entrance.
type attempt struct {
	to   rib.Entrance
	at   time.Time
	lost time.Time // when it was found to be gone again; zero: it was not
	next time.Time // before it is not tried again
	n    int       // how many of them went wrong in a row, or were in vain
	why  error     // nil: it was added
}

// openSpace opens a namespace; wake is called when something there may have changed.
func openSpace(ctx context.Context, k Kernel, in rib.Binding, protocol uint8, wake func()) (*space, error) {
	e, err := k.OpenEntrances(ctx, in, protocol)
	if err != nil {
		return nil, err
	}
	s := &space{
		entrances: e, protocol: protocol, stale: true, tries: make(map[Number]attempt), strays: make(map[Number]time.Time),
		done: make(chan struct{}),
	}
	news := make(chan struct{}, 1)
	s.changed = news
	s.waits.Go(func() {
		for {
			select {
			case <-e.Changed():
				select {
				case news <- struct{}{}:
				default:
				}
				wake()
			case <-s.done:
				return
			}
		}
	})
	return s, nil
}

func (s *space) close() error {
	close(s.done)
	s.waits.Wait()
	return s.entrances.Close()
}

// read brings what is known of the kernel up to date.
func (s *space) read(ctx context.Context) error {
	select {
	case <-s.changed:
		s.stale = true
	default:
	}
	if !s.stale {
		return nil
	}
	room, err := s.entrances.Labels(ctx)
	if err != nil {
		return err
	}
	list, err := s.entrances.Read(ctx)
	if err != nil {
		return err // what was known of it stays
	}
	if s.room != room {
		clear(s.tries) // those above may be had now
	}
	s.room, s.stale = room, false
	s.stand(list)
	for n, a := range s.tries {
		e, is := s.standing[n]
		switch {
		case a.why != nil && (!is || e.Protocol == s.protocol):
			delete(s.tries, n) // what was in the way may be gone
		case a.why == nil && !is && a.lost.IsZero():
			if a.lost = time.Now(); a.lost.Sub(a.at) > steady {
				delete(s.tries, n)
				continue
			}
			s.tries[n] = a
		}
	}
	return nil
}

// stand takes in what the kernel has.
func (s *space) stand(list []rib.StandingEntrance) {
	s.standing = make(map[Number]rib.StandingEntrance, len(list))
	s.covered = make(map[Number]rib.StandingEntrance)
	for _, e := range list {
		n := numberOf(&e.Entrance)
		switch is, there := s.standing[n]; {
		case !there:
			s.standing[n] = e
		case e.Protocol != s.protocol:
			s.covered[n] = e
		default:
			s.standing[n], s.covered[n] = e, is
		}
	}
}

// coveredBy is why one that stands gets no packets; nil: it does.
func (s *space) coveredBy(e *rib.Entrance) error {
	is, there := s.covered[numberOf(e)]
	if !there {
		return nil
	}
	return fmt.Errorf("conflict: %s: %w: its route (protocol %d; see ip -6 route show %s) counts before ours: remove that, or choose another SID", e.Of(), rib.ErrTaken, is.Protocol, e.SID)
}

// Once something has been added, and is gone again within steady, it is added again no sooner than
// after a pause: another program takes it away.
const (
	steady = 10 * time.Second
	pause  = time.Second
)

// have has an entrance, and says why it does not stand. next is when it is tried again.
func (s *space) have(ctx context.Context, e *rib.Entrance, now time.Time) (next time.Duration, why error) {
	n := numberOf(e)
	delete(s.strays, n)
	is, there := s.standing[n]
	if there && is.Protocol == s.protocol && is.Entrance == *e {
		return never, s.coveredBy(e) // a change of it is told
	}
	if e.Label != 0 && e.Label >= s.room && !there {
		return never, s.noRoom(e.Label) // a change of it is told
	}
	a := s.tries[n]
	if a.to != *e {
		a = attempt{to: *e}
	}
	if now.Before(a.next) {
		if why = a.why; why == nil {
			why = fmt.Errorf("another program has removed its %s", e.Of())
		}
		return a.next.Sub(now), why
	}
	if there && is.Protocol == s.protocol { // of before: it leads elsewhere
		if why = s.remove(ctx, &is.Entrance); why != nil {
			return s.tried(n, a, why, now)
		}
	}
	if why = s.entrances.Add(ctx, *e); why == nil {
		s.standing[n] = rib.StandingEntrance{Entrance: *e, Protocol: s.protocol}
	} else if errors.Is(why, rib.ErrTaken) {
		why = fmt.Errorf("conflict: %w", why)
	}
	return s.tried(n, a, why, now)
}

// tried keeps what came of an attempt.
func (s *space) tried(n Number, a attempt, why error, now time.Time) (time.Duration, error) {
	wait := min(retryMost, retryFirst<<min(a.n, 10))
	if why == nil {
		wait = min(retryMost, pause<<min(a.n, 10))
	}
	s.tries[n] = attempt{to: a.to, at: now, next: now.Add(wait), n: a.n + 1, why: why}
	if why == nil {
		return never, nil
	}
	return wait, why
}

// noRoom is that a label is beyond what the kernel has room for.
func (s *space) noRoom(label uint32) error {
	if s.room == 0 {
		return fmt.Errorf("the kernel takes no labels in the core's namespace: modprobe -a mpls_router mpls_iptunnel, and there sysctl -w net.mpls.platform_labels=%d, or more", label+1)
	}
	return fmt.Errorf("the kernel has room for labels below %d in the core's namespace, and label %d needs more: there, sysctl -w net.mpls.platform_labels=%d, or more", s.room, label, label+1)
}

// remove removes one of ours.
func (s *space) remove(ctx context.Context, e *rib.Entrance) error {
	n := numberOf(e)
	err := s.entrances.Remove(ctx, *e)
	if err == nil {
		delete(s.standing, n)
		delete(s.covered, n)
		delete(s.tries, n)
		return nil
	}
	if errors.Is(err, rib.ErrTaken) {
		s.stale = true // it stands otherwise than is known
	}
	return err
}

// sweep removes what is ours and nobody's, once that is so for a while. kept tells of whom it is
// not known whether they want it.
func (s *space) sweep(ctx context.Context, now time.Time, wanted func(Number) bool) (next time.Duration, err error) {
	next = never
	for n, e := range maps.Clone(s.standing) {
		if e.Protocol != s.protocol || wanted(n) {
			delete(s.strays, n)
			continue
		}
		since, seen := s.strays[n]
		if !seen {
			since = now
			s.strays[n] = now
		}
		if left := since.Add(grace).Sub(now); left > 0 {
			next = min(next, left)
			continue
		}
		if removeErr := s.remove(ctx, &e.Entrance); removeErr != nil {
			err = errors.Join(err, removeErr)
			s.strays[n] = now.Add(retryMost - grace)
			next = min(next, retryMost)
			continue
		}
		delete(s.strays, n)
	}
	maps.DeleteFunc(s.strays, func(n Number, _ time.Time) bool { _, is := s.standing[n]; return !is })
	return next, err
}
