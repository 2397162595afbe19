package speaker

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// table is a BGP server that has announcements.
type table map[netip.Prefix]bool

func (t table) Inject(_ string, changes []rib.AnnounceChange) error {
	for _, c := range changes {
		t[c.Prefix] = !c.Withdraw
	}
	return nil
}

func (t table) Injected(_ context.Context, _ string, want []rib.Announcement) (map[netip.Prefix]bool, error) {
	there := make(map[netip.Prefix]bool)
	for _, a := range want {
		if t[a.Prefix] {
			there[a.Prefix] = true
		}
	}
	return there, nil
}

// TestReannounce: the announcements that went from the server are sent again, and counted.
func TestReannounce(t *testing.T) {
	t.Parallel()
	server := make(table)
	a := NewAnnouncer(server, NewFeeds(redAnd))
	if err := a.Announce(t.Context(), "red", []rib.AnnounceChange{change("10.1.0.0/16", 1), change("10.2.0.0/16", 1)}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		lost []netip.Prefix
		some map[netip.Prefix]bool
		want int
	}{
		{nil, nil, 0},
		{[]netip.Prefix{one}, nil, 1},
		{[]netip.Prefix{one, two}, map[netip.Prefix]bool{two: true}, 1},
		{nil, nil, 1},
	} {
		for _, p := range step.lost {
			delete(server, p)
		}
		if n, err := a.Reannounce(t.Context(), "red", step.some); n != step.want || err != nil {
			t.Errorf("%v: %d were sent again, %v", step, n, err)
		}
	}
	if n, err := a.Reannounce(t.Context(), "green", nil); n != 0 || err != nil {
		t.Errorf("a VRF that there is not: %d, %v", n, err)
	}
	a.Keep(redAnd[:1])
	if got := a.Announced("red"); len(got) != 0 {
		t.Errorf("a VRF that has gone announces %v", got)
	}
}

// slow is a server that has made a change and answers only when it may.
type slow struct {
	table
	made    chan struct{} // one for each change
	answers chan struct{}
}

func (s slow) Inject(vrf string, changes []rib.AnnounceChange) error {
	err := s.table.Inject(vrf, changes)
	s.made <- struct{}{}
	<-s.answers
	return err
}

// TestRepeatMeanwhile: what is on its way when all of a VRF is sent again was made as it was to be
// before, and is sent again too.
func TestRepeatMeanwhile(t *testing.T) {
	t.Parallel()
	server := slow{make(table), make(chan struct{}, 4), make(chan struct{}, 4)}
	a := NewAnnouncer(server, NewFeeds(redAnd))
	var both sync.WaitGroup
	both.Go(func() {
		if err := a.Announce(t.Context(), "red", []rib.AnnounceChange{change("10.1.0.0/16", 1)}); err != nil {
			t.Error(err)
		}
	})
	<-server.made
	both.Go(func() {
		if err := a.Repeat(t.Context(), "red"); err != nil {
			t.Error(err)
		}
	})
	for range 10_000 { // it has every chance to look too early
		runtime.Gosched()
	}
	close(server.answers)
	both.Wait()
	select {
	case <-server.made:
	default:
		t.Error("it was not sent again")
	}
}

// TestSuspended: what a VRF announced is announced still while it is made anew.
func TestSuspended(t *testing.T) {
	t.Parallel()
	l := newLedger()
	l.confirmed([]rib.AnnounceChange{change("10.1.0.0/16", 1)})
	all := l.All(false)
	l.confirmed(l.All(true))
	l.Suspend(all)
	if got := l.list(); len(got) != 1 || got[0].Prefix != one {
		t.Errorf("announced %v", got)
	}
	if again := l.Resume(); len(again) != 1 || again[0].Withdraw || len(l.Resume()) != 0 {
		t.Errorf("to announce again %v", again)
	}
}
