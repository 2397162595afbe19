package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// stopsVersion is the version of the file that this program reads and writes.
const stopsVersion = 1

// Stops are the neighbours that somebody disabled at run time, by BGP's name for them, or by their
// interface: they stay so over a restart, however the daemon ended. It is safe for concurrent use.
type Stops struct {
	dir string

	mu    sync.Mutex
	kept  map[string]rib.Disabled // guarded by mu: as the file has it
	holds int                     // guarded by mu: changes that may be taken back
}

// keptStops are the file's shape, and keptStop that of one neighbour.
type (
	keptStops struct {
		Version   int                 `json:"version"`
		Neighbors map[string]keptStop `json:"neighbors"`
	}
	keptStop struct {
		By     string     `json:"by,omitempty"`
		Reason string     `json:"reason,omitempty"`
		Since  time.Time  `json:"since"`
		Due    *time.Time `json:"due,omitempty"` // of a graceful shutdown
	}
)

// OpenStops reads what dir keeps. A file that cannot be understood is an error, because to start
// without it would bring up what an operator took down.
func OpenStops(dir string) (*Stops, error) {
	s := &Stops{dir: dir, kept: make(map[string]rib.Disabled)}
	file := filepath.Join(dir, stopsName)
	data, _, err := readFile(file, mostOverlay)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which neighbors are disabled: %w; run vrfredist as a user that may read it, or remove it to enable them all", err)
	}
	var kept keptStops
	if err = json.Unmarshal(data, &kept); err == nil && kept.Version != stopsVersion {
		err = fmt.Errorf("it has version %d, and this program reads version %d", kept.Version, stopsVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which holds the neighbors that are disabled, is damaged: %w; correct it, or remove it to enable them all", file, err)
	}
	for name, k := range kept.Neighbors {
		one := rib.Disabled{By: k.By, Reason: k.Reason, Since: k.Since}
		if k.Due != nil {
			one.Due = *k.Due
		}
		s.kept[name] = one
	}
	return s, nil
}

// All are the neighbours.
func (s *Stops) All() map[string]rib.Disabled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.kept)
}

// Change makes changes, and returns when they are on the disk: nil has a neighbour forgotten. After
// an error all is as it was.
func (s *Stops) Change(changes map[string]*rib.Disabled) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.kept)
	for name, to := range changes {
		if to == nil {
			delete(next, name)
		} else {
			next[name] = *to
		}
	}
	if maps.Equal(next, s.kept) {
		return nil
	}
	if err := writeStops(s.dir, next); err != nil {
		return fmt.Errorf("keeping which neighbors are disabled, which has to be the same after a restart: %w", err)
	}
	s.kept = next
	return nil
}

// Hold keeps who leaves the configuration until release is called: a reload that is taken back
// brings them in again as they were.
func (s *Stops) Hold() (release func()) {
	by := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.holds += n
	}
	by(1)
	return sync.OnceFunc(func() { by(-1) })
}

// Left forgets neighbours that have left the configuration, unless they may come back with it.
func (s *Stops) Left(names []string) error {
	s.mu.Lock()
	held := s.holds > 0
	s.mu.Unlock()
	if held || len(names) == 0 {
		return nil // whoever looks after the release forgets them
	}
	changes := make(map[string]*rib.Disabled, len(names))
	for _, name := range names {
		changes[name] = nil
	}
	return s.Change(changes)
}

func writeStops(dir string, all map[string]rib.Disabled) error {
	kept := keptStops{Version: stopsVersion, Neighbors: make(map[string]keptStop, len(all))}
	for name, one := range all {
		k := keptStop{By: one.By, Reason: one.Reason, Since: one.Since}
		if one.Draining() {
			k.Due = &one.Due
		}
		kept.Neighbors[name] = k
	}
	data, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return err
	}
	return writeState(dir, stopsName, append(data, '\n'), 0o640)
}
