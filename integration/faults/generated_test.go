package faults_test

import (
	"flag"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

var (
	generatorSeed = flag.Uint64("faults.seed", 0, "the seed of the generated messages of row 42; 0: a fresh one")
	generatorFor  = flag.Duration("faults.for", 0, "how long row 42 sends them; 0: as long as the matrix has it")
)

// Neighbours of every kind send generated messages, all at once: good ones, mutations
// of them, and rubbish. The daemon lives, and nobody else notices.
func TestFault42GeneratedMessages(t *testing.T) {
	while := scaled(10*time.Second, 10*time.Minute)
	if *generatorFor != 0 {
		while = *generatorFor
	}
	g := newSiege(t)
	seed := *generatorSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("the seed: go test ./integration/faults -run TestFault42 -faults.seed %d", seed)
	end := time.Now().Add(while)
	var sessions, messages atomic.Int64
	var wg sync.WaitGroup
	for i, k := range g.kinds {
		// Each session's end costs a neighbour five seconds, so there are several.
		for j, d := range k.doors[:min(len(k.doors), 4)] {
			gen := k.speaker.Generator(seed + uint64(100*i+j))
			wg.Go(func() {
				for time.Now().Before(end) && g.daemon.Running() {
					n, err := d.pour(gen, end)
					if err != nil {
						t.Errorf("%s: %v", k.name, err)
						return
					}
					sessions.Add(1)
					messages.Add(int64(n))
				}
			})
		}
	}
	wg.Wait()
	g.untouched(t)
	if strings.Contains(g.daemon.Output(), "panic:") {
		t.Error("the log has a panic")
	}
	measured(t, "%d messages written on %d sessions of %d kinds in %s: the daemon lives, sessions and routes of the others untouched", messages.Load(), sessions.Load(), len(g.kinds), while)
}

// pour sends generated messages until the session ends, or it is time.
func (d *door) pour(gen *raw.Generator, end time.Time) (messages int, err error) {
	s, err := d.open()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := s.Establish(d.kind.open); err != nil {
		return 0, err
	}
	for s.Ended() == "" && time.Now().Before(end) {
		if err := s.Send(gen.Next()); err != nil {
			break // it has ended
		}
		messages++
	}
	return messages, nil
}
