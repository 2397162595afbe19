package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// pace bounds what a watcher costs.
type pace struct {
	look     time.Duration // least time between two looks at the states
	activity time.Duration // least time between two messages about a VRF in the same state
	patience time.Duration // how long a client may take to read
}

func usualPace() pace {
	return pace{look: 50 * time.Millisecond, activity: time.Second, patience: 10 * time.Second}
}

// watches are streams of how the VRFs fare.
type watches struct {
	views
	pace pace
}

// WatchVrfs streams how the VRFs fare. Each watcher looks by itself at states that
// everybody may read: nobody ever waits for a watcher.
func (s *watches) WatchVrfs(r *vrfredistv1.WatchVrfsRequest, stream grpc.ServerStreamingServer[vrfredistv1.WatchVrfsResponse]) error {
	ctx := stream.Context()
	name := r.GetVrf()
	if name != "" {
		if _, ok := s.view(ctx).Get(name); !ok {
			return s.view(ctx).notFound(name)
		}
	}
	listener, err := s.listen(ctx, r)
	if err != nil {
		return err
	}
	if listener != nil {
		defer listener.Close()
	}
	w := watcher{name: name, every: s.pace.activity, seen: make(map[string]sight)}
	for {
		changed := s.all.Changed()
		messages, again := w.look(s.view(ctx).List(), time.Now())
		messages = append(w.lookAtReload(s.unconfirmed(), time.Now()), messages...)
		events, skipped := listener.Take()
		messages = append(eventMessages(s.view(ctx).confined(events), skipped), messages...)
		if err := sendWithin(stream, s.pace.patience, messages...); err != nil {
			return err
		}
		if err := rest(ctx, s.pace.look, nil, nil); err != nil {
			return err
		}
		if err := rest(ctx, again, changed, listener.Ready()); err != nil {
			return err
		}
	}
}

// rest waits until d has passed (0: for ever), changed is closed, or ready
// signalled.
func rest(ctx context.Context, d time.Duration, changed, ready <-chan struct{}) error {
	var passed <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		passed = t.C
	}
	select {
	case <-passed:
	case <-changed:
	case <-ready:
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

// sendWithin sends messages, and gives a client up that does not read them in
// time.
func sendWithin[M any](stream grpc.ServerStreamingServer[M], patience time.Duration, messages ...*M) error {
	if len(messages) == 0 {
		return nil
	}
	// Send takes no deadline. Where it hangs, the return of our caller ends the
	// stream, and that ends Send.
	sent := make(chan error, 1)
	go func() {
		for _, m := range messages {
			if err := stream.Send(m); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	slow := time.NewTimer(patience)
	defer slow.Stop()
	select {
	case err := <-sent:
		return err
	case <-slow.C:
		return status.Errorf(codes.ResourceExhausted, "the watcher did not read for %v, and is dropped; watch again, and read faster", patience)
	}
}

// watcher remembers the messages to one client.
type watcher struct {
	name  string // "": all
	every time.Duration
	seen  map[string]sight

	waited int64 // the end of the wait for a confirmation, as last told
	undone bool  // it was told that a reload was undone
}

// sight is the last message about one VRF.
type sight struct {
	state  vrf.State
	reason string
	totals vrf.Totals
	at     time.Time

	progress vrf.Progress
	sessions vrf.SessionCount
}

// look returns the news, and after which time to look again for news that is held back
// now; 0: none is.
func (w *watcher) look(list []vrf.Status, now time.Time) (messages []*vrfredistv1.WatchVrfsResponse, again time.Duration) {
	there := make(map[string]bool, len(list))
	for _, st := range list {
		name := st.Spec.Name
		if w.name != "" && name != w.name {
			continue
		}
		there[name] = true
		was, known := w.seen[name]
		changed := !known || was.state != st.State || was.reason != st.Reason || was.sessions != st.Sessions
		busy := known && (was.totals != st.Totals || was.progress != st.Progress)
		if wait := was.at.Add(w.every).Sub(now); busy && !changed && wait > 0 {
			if again == 0 || wait < again {
				again = wait
			}
			continue
		}
		if !changed && !busy {
			continue
		}
		m := &vrfredistv1.WatchVrfsResponse{TimeUnixNano: now.UnixNano(), Vrf: vrfMessage(st), Changed: changed, Was: string(was.state)}
		if busy {
			m.Activity = activity(was.totals, st.Totals)
		}
		messages = append(messages, m)
		w.seen[name] = sight{st.State, st.Reason, st.Totals, now, st.Progress, st.Sessions}
	}
	for name, was := range w.seen {
		if !there[name] {
			delete(w.seen, name)
			messages = append(messages, &vrfredistv1.WatchVrfsResponse{
				TimeUnixNano: now.UnixNano(), Vrf: &vrfredistv1.Vrf{Name: name}, Changed: true, Gone: true, Was: string(was.state),
			})
		}
	}
	return messages, again
}

// lookAtReload returns the news of a reload that was not confirmed.
func (w *watcher) lookAtReload(u *vrfredistv1.Unconfirmed, now time.Time) []*vrfredistv1.WatchVrfsResponse {
	waits, undone := u.GetRollbackUnix(), u != nil && u.GetRollbackUnix() == 0
	if waits == w.waited && undone == w.undone {
		return nil
	}
	if u == nil {
		u = &vrfredistv1.Unconfirmed{Text: "the last reload was confirmed, and stays"}
	}
	w.waited, w.undone = waits, undone
	return []*vrfredistv1.WatchVrfsResponse{{TimeUnixNano: now.UnixNano(), Unconfirmed: u}}
}

// activity is the difference of two totals. A VRF that moved counts from zero again.
func activity(was, now vrf.Totals) *vrfredistv1.Activity {
	before, after := was.Writes.Total(), now.Writes.Total()
	if after.Added < before.Added || after.Announced < before.Announced {
		before, was = vrf.Writes{}, vrf.Totals{}
	}
	w := after.Less(before)
	a := &vrfredistv1.Activity{
		Added: w.Added, Replaced: w.Replaced, Deleted: w.Deleted, Refused: w.Refused, Conflicts: w.Conflicts,
		Announced: w.Announced, Withdrawn: w.Withdrawn,
		Found: now.Found.Total().Sum() - was.Found.Total().Sum(), Mended: now.Mended.Total().Sum() - was.Mended.Total().Sum(),
	}
	for i := range now.Resyncs {
		a.Resyncs += now.Resyncs[i] - was.Resyncs[i]
	}
	return a
}
