package status

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// routeRow is a route of a VRF.
type routeRow struct {
	Prefix string   `json:"prefix"`
	State  string   `json:"state"`
	Route  string   `json:"route,omitempty"` // as `ip route` prints it
	Reason string   `json:"reason,omitempty"`
	From   string   `json:"from,omitempty"` // the neighbour that sent the best path
	Comms  []string `json:"communities,omitempty"`
}

// routePage is a page of the routes of a VRF.
type routePage struct {
	VRF  string     `json:"vrf"`
	From int        `json:"from"` // how many are before these
	Rows []routeRow `json:"rows"`
	More bool       `json:"more"` // there are more behind them
}

const routeTime = 10 * time.Second

// worth is how many times the time that an answer took must pass before another question to the
// same VRF is answered: browsers together take a part of a worker's time, and no more.
const worth = 4

// lister lets one question after the other to the workers.
type lister struct {
	source Source
	turn   chan struct{}

	mu   sync.Mutex
	rest map[string]time.Time // until when a VRF is left alone; guarded by mu
}

func newLister(source Source) *lister {
	return &lister{source: source, turn: make(chan struct{}, 1), rest: make(map[string]time.Time)}
}

// show answers with a page of the routes of a VRF.
func (l *lister) show(w http.ResponseWriter, r *http.Request) {
	q, err := routeQuery(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	from, n := window(r)
	if from > mostOffset {
		http.Error(w, fmt.Sprintf("the page lists %d routes at most, one after the other; write a prefix to look inside it", mostOffset), http.StatusBadRequest)
		return
	}
	page, err := l.ask(r.Context(), r.FormValue("vrf"), q, from, n)
	if err != nil {
		refuse(w, err)
		return
	}
	// BGP knows neighbours in namespaces by an alias, and people by their own addresses.
	if all, err := l.source.AllSessions(r.Context()); err == nil {
		for _, sessions := range all {
			for _, s := range sessions {
				page.name(s)
			}
		}
	}
	answer(w, page)
}

// name has a neighbour named as people know it.
func (p *routePage) name(s vrf.Session) {
	for i := range p.Rows {
		if s.Alias.IsValid() && p.Rows[i].From == s.Alias.String() {
			p.Rows[i].From = s.Name()
		}
	}
}

// ask lists n routes behind the first ones.
func (l *lister) ask(ctx context.Context, name string, q vrf.RouteQuery, from, n int) (routePage, error) {
	ctx, cancel := context.WithTimeout(ctx, routeTime)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return routePage{}, errBusy
	}
	if err := l.wait(ctx, name); err != nil {
		return routePage{}, err
	}
	began, page, at := time.Now(), routePage{VRF: name, From: from, Rows: []routeRow{}}, 0
	err := l.source.Routes(ctx, name, q, func(r rib.RouteStatus) bool {
		if !q.Wants(r.Prefix, r.State) {
			return ctx.Err() == nil
		}
		if at++; at <= from {
			return ctx.Err() == nil
		}
		if page.More = len(page.Rows) == n; page.More {
			return false
		}
		page.Rows = append(page.Rows, newRouteRow(q.Direction, r))
		return ctx.Err() == nil
	})
	l.tired(name, time.Since(began))
	if err == nil {
		err = ctx.Err()
	}
	return page, err
}

// wait waits until a VRF may be asked again.
func (l *lister) wait(ctx context.Context, name string) error {
	l.mu.Lock()
	rest := time.Until(l.rest[name])
	l.mu.Unlock()
	if rest <= 0 {
		return nil
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

// tired leaves a VRF alone for a while.
func (l *lister) tired(name string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for other, until := range l.rest {
		if until.Before(now) {
			delete(l.rest, other)
		}
	}
	l.rest[name] = now.Add(worth * took)
}

// routeQuery reads which routes are asked for. A prefix asks for itself and all inside it, an
// address for all prefixes that it is in.
func routeQuery(r *http.Request) (q vrf.RouteQuery, err error) {
	switch d := r.FormValue("direction"); d {
	case "", "export":
		q.Direction = vrf.Export
	case "import":
		q.Direction = vrf.Import
	default:
		return q, fmt.Errorf("%q is no direction; write export or import", d)
	}
	if s := r.FormValue("state"); s != "" {
		// What is announced is Installed in the API: see rib.State.
		i := slices.IndexFunc(states, func(one rib.State) bool { return one.String() == s || one == rib.Installed && s == "announced" })
		if i < 0 {
			return q, fmt.Errorf("%q is no state of a route", s)
		}
		q.States = states[i : i+1]
	}
	text := strings.TrimSpace(r.FormValue("prefix"))
	if text == "" {
		return q, nil
	}
	prefix, isAddress, err := rib.ParseDestination(text)
	if err != nil {
		return q, err
	}
	q.Within = func(p netip.Prefix) bool {
		if isAddress {
			return p.Contains(prefix.Addr())
		}
		return p.Bits() >= prefix.Bits() && prefix.Overlaps(p)
	}
	return q, nil
}

// states are those that a route can be in.
var states = []rib.State{rib.Installed, rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota, rib.Failed, rib.Stale}

func newRouteRow(d vrf.Direction, r rib.RouteStatus) routeRow {
	row := routeRow{Prefix: r.Prefix.String(), State: r.State.String(), Reason: r.Reason}
	if d == vrf.Import {
		if r.State == rib.Installed {
			row.State = "announced"
		}
		row.Comms = r.Comms
	}
	if len(r.Route.Hops) > 0 || r.Route.Kind != 0 && r.Route.Kind != rib.KindUnicast {
		links := make(rib.Links, len(r.Devices))
		for i, device := range r.Devices {
			links[r.Route.Hops[i].Ifindex] = rib.Link{Name: device}
		}
		row.Route = strings.Join(strings.Fields(r.Route.Format(links)), " ")
	}
	if a := r.Best.Attrs; a != nil && a.Peer.IsValid() {
		row.From = a.Peer.String()
	}
	return row
}

// window is which rows a question is about.
func window(r *http.Request) (from, n int) {
	from, _ = strconv.Atoi(r.FormValue("from")) // what is no number is none
	if n, _ = strconv.Atoi(r.FormValue("rows")); n < 1 {
		n = pageRows
	}
	return max(from, 0), min(n, mostRows)
}

func asText(as uint32) string { return strconv.FormatUint(uint64(as), 10) }
