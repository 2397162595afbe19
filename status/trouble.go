package status

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const (
	troubleShown = 64              // groups of one VRF
	troubleRead  = 20000           // routes of one VRF that are looked at
	troubleNamed = 3               // routes of a group that are named
	troubleKept  = 4 * time.Second // an answer is good for so long, at least
	troubleRest  = 50              // an answer serves for so many times the time that it took
	troubleTime  = 10 * time.Second
	troubleVRFs  = 64 // answers that are kept
)

// troubled are routes that should be in the table and are not, all for the same reason.
type troubled struct {
	State    string   `json:"state"`
	Reason   string   `json:"reason"`
	Count    int      `json:"count"`
	Prefixes []string `json:"prefixes"` // the first ones
}

// trouble are the troubled routes of one VRF, the largest groups first.
type trouble struct {
	VRF    string     `json:"vrf"`
	Groups []troubled `json:"groups"`
	More   bool       `json:"more"` // there are more routes than were looked at, or more groups
	Old    bool       `json:"old"`  // the answer is an earlier one, and may be out of date
	until  time.Time
}

// add puts a route into its group.
func (t *trouble) add(of map[[2]string]int, r rib.RouteStatus) {
	key := [2]string{r.State.String(), r.Reason}
	at, known := of[key]
	switch {
	case !known && len(t.Groups) >= troubleShown:
		t.More = true
		return
	case !known:
		at = len(t.Groups)
		of[key] = at
		t.Groups = append(t.Groups, troubled{State: key[0], Reason: key[1]})
	}
	g := &t.Groups[at]
	if g.Count++; g.Count <= troubleNamed {
		g.Prefixes = append(g.Prefixes, r.Prefix.String())
	}
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
	answer, began := trouble{VRF: name, Groups: []troubled{}}, time.Now()
	groups, seen := make(map[[2]string]int), 0
	q := vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Unresolved, rib.Conflict, rib.OverQuota, rib.Failed, rib.Stale}}
	err := t.source.Routes(ctx, name, q, func(r rib.RouteStatus) bool {
		switch r.State {
		case rib.Installed, rib.Filtered:
			return ctx.Err() == nil
		}
		if seen++; seen > troubleRead {
			answer.More = true
			return false
		}
		answer.add(groups, r)
		return ctx.Err() == nil
	})
	if err != nil {
		return trouble{}, err
	}
	if err := ctx.Err(); err != nil {
		return trouble{}, err
	}
	slices.SortStableFunc(answer.Groups, func(a, b troubled) int { return b.Count - a.Count })
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
