package guard

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestNoHoldTime: GoBGP's deadline for a session without a hold time is over as soon as
// it is set, and it writes all the same.
func TestNoHoldTime(t *testing.T) {
	t.Parallel()
	x := established(t, setup{})
	if err := x.conn.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.conn.Write(message(bgp.BGP_MSG_KEEPALIVE)); err != nil {
		t.Error(err)
	}
}

// deaf is a connection whose other end reads nothing, and takes no time for it: each
// write waits until its deadline.
type deaf struct {
	net.Conn
	deadline atomic.Pointer[time.Time]
}

func (d *deaf) SetWriteDeadline(t time.Time) error { d.deadline.Store(&t); return nil }

func (d *deaf) Write([]byte) (int, error) {
	if t := d.deadline.Load(); t != nil {
		<-time.After(time.Until(*t))
	}
	return 0, os.ErrDeadlineExceeded
}

// TestDeaf: a neighbour that does not read is waited for as GoBGP says where little waits
// for it, and no longer than its patience where much does.
func TestDeaf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		owed  int
		hold  time.Duration
		least time.Duration
		ended bool
	}{
		"little waits": {mostOwed, patience + 2*slice, patience + 2*slice, false},
		"much waits":   {mostOwed + 1, time.Hour, patience, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := established(t, setup{})
			x.conn.Conn = &deaf{Conn: x.conn.Conn}
			x.conn.sending.owed = func() int { return tc.owed }
			x.conn.sending.began = time.Now()
			start := time.Now()
			if err := x.conn.SetWriteDeadline(start.Add(tc.hold)); err != nil {
				t.Fatal(err)
			}
			_, err := x.conn.Write(message(bgp.BGP_MSG_KEEPALIVE))
			if took := time.Since(start); err == nil || took < tc.least || errors.Is(err, os.ErrDeadlineExceeded) == tc.ended {
				t.Errorf("after %v: %v", took, err)
			}
			if ended := x.guard.Reports()[0].Ended != ""; ended != tc.ended {
				t.Errorf("the session was ended by the guard: %v", ended)
			}
		})
	}
}

// TestSlow: whose fault it is that much waits. A neighbour that takes its messages is not
// blamed, and neither is one for which nothing was written for a while.
func TestSlow(t *testing.T) {
	t.Parallel()
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	for name, tc := range map[string]struct {
		writes [][2]float64 // from when to when
		taken  int          // messages, in each
		owed   int
		slow   bool
	}{
		"reads":                    {[][2]float64{{0, 0.1}, {1, 1.1}, {6, 6.1}}, 1, mostOwed + 1, false},
		"reads a little":           {[][2]float64{{0, 2}, {2, 4}, {4, 6}}, 1, mostOwed + 1, true},
		"reads a little of little": {[][2]float64{{0, 2}, {2, 4}, {4, 6}}, 1, mostOwed, false},
		"is sent a table":          {[][2]float64{{0, 2}, {2, 4}, {4, 6}}, mostOwed, mostEver, false},
		"is sent without end":      {[][2]float64{{0, 2}, {2, 4}, {4, 6}}, mostOwed, mostEver + 1, true},

		"reads half":         {[][2]float64{{0, 1}, {2, 3}, {5, 5.5}}, 1, mostOwed + 1, false},
		"after a long pause": {[][2]float64{{0, 1}, {100, 101}}, 1, mostOwed + 1, false},
	} {
		s := sending{owed: func() int { return tc.owed }, began: at(0)}
		slow := false
		for _, w := range tc.writes {
			s.taken += tc.taken
			_, now := s.slow(at(w[0]), at(w[1]))
			slow = slow || now
		}
		if slow != tc.slow {
			t.Errorf("%s: blamed: %v", name, slow)
		}
	}
}
