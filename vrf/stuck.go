package vrf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Stuck is the error of workers that were told to end, and did not, or not cleanly.
type Stuck struct {
	why map[string]error // by VRF
}

// errLate is what is wrong with a worker that has not ended.
var errLate = errors.New("its worker has not ended yet, and its routes may still be in place")

func (e *Stuck) Error() string {
	lines := make([]string, 0, len(e.why))
	for _, name := range slices.Sorted(maps.Keys(e.why)) {
		lines = append(lines, e.line(name))
	}
	return strings.Join(lines, "\n")
}

func (e *Stuck) line(name string) string { return fmt.Sprintf("VRF %q: %v", name, e.why[name]) }

func (e *Stuck) Unwrap() []error { return slices.Collect(maps.Values(e.why)) }

// Names tells whether the worker of a VRF is among them.
func (e *Stuck) Names(name string) bool {
	if e == nil {
		return false
	}
	_, is := e.why[name]
	return is
}

// Of is what an error of a change of several VRFs says of one; nil: nothing. An error that is not
// about workers is about all of them.
func (e *Incomplete) Of(key LayerKey) error {
	if e == nil {
		return nil
	}
	var stuck *Stuck
	switch {
	case !errors.As(e.Err, &stuck):
		return e
	case !key.Neighbor && stuck.Names(key.Name):
		one := &Stuck{map[string]error{key.Name: stuck.why[key.Name]}}
		return &Incomplete{Err: fmt.Errorf("what was applied to %s is in force, but not all went well: %w", key, one)}
	}
	return nil
}
