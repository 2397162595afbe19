package faults_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// Every message that a neighbour must not send, and some that it may, before OPEN and
// after it, from each kind of neighbours: the daemon lives, everybody else's sessions
// and routes are as they were, and the log says what was done.
func TestFault41EveryMessage(t *testing.T) {
	g := newSiege(t)
	began := time.Now()
	var wg sync.WaitGroup
	cases := 0
	for _, k := range g.plain() {
		cases += len(k.speaker.Cases())
		wg.Go(func() { k.playAll(t) })
	}
	wg.Wait()
	g.untouched(t)
	g.said(t, time.Since(began))
	measured(t, "%d cases of %d kinds of neighbours in %s: the daemon lives, sessions and routes of the others untouched, every reason said", cases, len(g.plain()), round(time.Since(began)))
}

// playAll plays every case of a kind: those that the session survives one after the
// other on the same, the others each on one of their own, through all doors at once.
func (k *kind) playAll(t *testing.T) {
	ending := make(chan raw.Case)
	var staying []raw.Case
	var wg sync.WaitGroup
	for _, d := range k.doors[1:] { // the first is for the session that stays
		wg.Go(func() {
			for c := range ending {
				if err := d.play(c); err != nil {
					t.Errorf("%s, %s: %v", k.name, c.Name, err)
				}
			}
		})
	}
	for _, c := range k.speaker.Cases() {
		if c.Ends == "" {
			staying = append(staying, c)
			continue
		}
		ending <- c
	}
	close(ending)
	if err := k.doors[0].playOn(t, staying); err != nil {
		t.Errorf("%s: %v", k.name, err)
	}
	wg.Wait()
}

// play plays a case that ends its session.
func (d *door) play(c raw.Case) error {
	s, err := d.open()
	if err != nil {
		return err
	}
	defer s.Close()
	open := c.Open
	if open == nil {
		open = d.speaker.Open()
	}
	switch c.Stage {
	case raw.Opened:
		err = s.Send(open)
	case raw.Established:
		err = s.Establish(open)
	}
	if err != nil {
		return err
	}
	_ = s.Send(c.Messages...) // it may end before all of them are written
	if got := s.WaitEnd(limit()); got != c.Ends {
		return fmt.Errorf("the session ended with %q, not %q", got, c.Ends)
	}
	return nil
}

// playOn plays cases that leave the session up. After each a lawful route says that the
// session is still believed, and that what came before it has been dealt with.
func (d *door) playOn(t *testing.T, cases []raw.Case) error {
	s, err := d.open()
	if err != nil {
		return err
	}
	defer func() { s.Close() }()
	if err := s.Establish(d.speaker.Open()); err != nil {
		return err
	}
	for i, c := range cases {
		marker := fmt.Sprintf("31.%d.%d.0/24", d.speaker.ID.As4()[2], i%250)
		if err := d.judge(s, c, marker); err != nil {
			t.Errorf("%s, %s: %v", d.kind.name, c.Name, err)
		}
		if s.Ended() == "" {
			if err := s.Send(d.speaker.Withdraw(marker), d.speaker.Withdraw(d.speaker.Prefix)); err == nil {
				continue
			}
		}
		s.Close()
		if s, err = d.open(); err == nil {
			err = s.Establish(d.speaker.Open())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *door) judge(s *raw.Session, c raw.Case, marker string) error {
	if err := s.Send(append(c.Messages, d.speaker.Announce(marker))...); err != nil {
		return errors.Join(err, d.ended(s))
	}
	err := until(func() error {
		if s.Ended() != "" || d.table.Has(marker) {
			return nil
		}
		return fmt.Errorf("a lawful route that follows does not come in")
	})
	if err := errors.Join(err, d.ended(s)); err != nil {
		return err
	}
	return until(func() error {
		if has := d.table.Has(d.speaker.Prefix); has != c.Taken {
			return fmt.Errorf("its route is installed: %v, and should be: %v", has, c.Taken)
		}
		return nil
	})
}

func (d *door) ended(s *raw.Session) error {
	if how := s.Ended(); how != "" {
		return fmt.Errorf("%w: %s", errEnded, how)
	}
	return nil
}

// guardLine is the guard's line in the daemon's log.
var guardLine = regexp.MustCompile(`(?m)^.*(?:was not taken as it came|session was ended, because).*\bneighbor=(\S+) .*$`)

// said holds the guard's lines against the neighbours: each that was hostile has one,
// and none has more than one a minute.
func (g *siege) said(t *testing.T, while time.Duration) {
	t.Helper()
	lines := make(map[string]int)
	for _, m := range guardLine.FindAllStringSubmatch(g.daemon.Output(), -1) {
		lines[strings.Trim(m[1], `"`)]++
		if !strings.Contains(m[0], "reason=") || !strings.Contains(m[0], "message=") {
			t.Errorf("a line without a reason or the message: %s", m[0])
		}
	}
	for name, n := range lines {
		if most := int(while/time.Minute) + 1; n > most {
			t.Errorf("%d lines about %s in %s", n, name, round(while))
		}
	}
	told := g.told(t)
	for _, k := range g.plain() {
		for _, d := range k.doors {
			if d.name != "" && !told[d.name] {
				t.Errorf("%s: `vrfredist neighbor` says nothing of what %s sent", k.name, d.name)
			}
			if d.name != "" && lines[d.name] == 0 && k.table != g.there {
				t.Errorf("%s, %s: nothing is said of it; lines: %v", k.name, d.name, lines)
			}
		}
	}
}

// told are the neighbours of which `vrfredist neighbor` says what was done to their
// messages, or why there is no session.
func (g *siege) told(t *testing.T) map[string]bool {
	t.Helper()
	var list struct {
		Neighbors []struct {
			Address, Reason string
			Removed         []struct{ Reason string }
		}
	}
	g.daemon.JSON(&list, "neighbor")
	told := make(map[string]bool)
	for _, n := range list.Neighbors {
		told[n.Address] = n.Reason != "" || len(n.Removed) > 0
	}
	return told
}
