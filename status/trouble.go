package status

import (
	"context"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const (
	troubleShown = 50              // routes of one VRF
	troubleKept  = 4 * time.Second // an answer is good for so long, at least
	troubleRest  = 50              // an answer serves for so many times the time that it took
	troubleTime  = 10 * time.Second
	troubleVRFs  = 64 // answers that are kept
)

// troubled is a route that should be in the table and is not.
type troubled struct {
	Prefix string `json:"prefix"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// trouble are the troubled routes of one VRF: the first ones, by prefix.
type trouble struct {
	VRF    string     `json:"vrf"`
	Routes []troubled `json:"routes"`
	More   bool       `json:"more"` // there are more
	Old    bool       `json:"old"`  // the answer is an earlier one, and may be out of date
	until  time.Time
}

// troubles answers which routes of a VRF are troubled. To look through the routes of a
// VRF costs its worker a copy of the list, so one question runs at a time, and its
// answer serves all questions soon after: the longer, the more it cost.
type troubles struct {
	source Source
	turn   chan struct{}

	mu    sync.Mutex
	known map[string]trouble // guarded by mu
}

func newTroubles(source Source) *troubles {
	return &troubles{source: source, turn: make(chan struct{}, 1), known: make(map[string]trouble)}
}

func (t *troubles) ask(ctx context.Context, name string) (trouble, error) {
	ctx, cancel := context.WithTimeout(ctx, troubleTime)
	defer cancel()
	if answer, ok := t.kept(name); ok {
		return answer, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return trouble{}, ctx.Err()
	}
	if answer, ok := t.kept(name); ok { // of the question that was under way
		return answer, nil
	}
	answer, began := trouble{VRF: name, Routes: []troubled{}}, time.Now()
	q := vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Unresolved, rib.Conflict, rib.OverQuota, rib.Failed, rib.Stale}}
	err := t.source.Routes(ctx, name, q, func(r rib.RouteStatus) bool {
		switch r.State {
		case rib.Installed, rib.Filtered:
			return ctx.Err() == nil
		}
		if len(answer.Routes) == troubleShown {
			answer.More = true
			return false
		}
		answer.Routes = append(answer.Routes, troubled{r.Prefix.String(), r.State.String(), r.Reason})
		return true
	})
	if err != nil {
		return trouble{}, err
	}
	if err := ctx.Err(); err != nil {
		return trouble{}, err
	}
	now := time.Now()
	answer.until = now.Add(max(troubleKept, troubleRest*now.Sub(began)))
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= troubleVRFs {
		clear(t.known)
	}
	t.known[name] = answer
	return answer, nil
}

func (t *troubles) kept(name string) (trouble, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	answer, ok := t.known[name]
	answer.Old = true
	return answer, ok && time.Now().Before(answer.until)
}
