package status

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fake is a daemon with VRFs that the test changes.
type fake struct {
	mu      sync.Mutex
	list    []vrf.Status
	changed chan struct{}
	down    int        // neighbours of red that are
	alias   netip.Addr // of the first of them; invalid: it has none
	routes  func(yield func(rib.RouteStatus) bool)
	asked   int // how often routes were listed
	judged  int // how often policies were
}

func newFake(list ...vrf.Status) *fake {
	return &fake{list: list, changed: make(chan struct{}), down: 1}
}

func (f *fake) List() []vrf.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]vrf.Status(nil), f.list...)
}

func (f *fake) set(list ...vrf.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = list
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fake) Waiting(string) int { return 0 }

func (f *fake) Policies() []vrf.Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.judged++
	many := vrf.Policy{Name: "many", Rules: make([]vrf.PolicyRule, rulesShown+5)}
	for i := range many.Rules {
		many.Rules[i].Matched = 2
	}
	return []vrf.Policy{many, {
		Name: "to-<i>kernel", Uses: []vrf.PolicyUse{{VRF: "red", Place: "export.policy"}},
		Rules: []vrf.PolicyRule{{Title: "rule 1 (customers)", Conditions: []string{"prefixes 10.0.0.0/8"}, Changes: []string{"set_metric 5"}, Action: "accept", Matched: 12}, {Title: "default", Action: "reject", Matched: 3}},
	}}
}

func (f *fake) AllSessions(context.Context) (map[string][]vrf.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var many []vrf.Session
	for i := range 20 {
		s := vrf.Session{Peer: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), PeerAS: 65001, State: "established"}
		if i >= 20-f.down {
			s.State, s.Reason = "idle", "<i>refused</i>"
		}
		if i == 0 {
			s.Alias = f.alias
		}
		many = append(many, s)
	}
	return map[string][]vrf.Session{"red": many}, nil
}

func (f *fake) Routes(_ context.Context, name string, _ vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	if name != "red" {
		return fmt.Errorf("VRF %q: %w", name, vrf.ErrUnknown)
	}
	f.routes(yield)
	return nil
}

func (f *fake) Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error) {
	switch name {
	case "slow":
		<-ctx.Done()
		return rib.Explanation{}, ctx.Err()
	case "ghost":
		return rib.Explanation{}, fmt.Errorf("VRF %q: %w", name, vrf.ErrUnknown)
	case "down":
		return rib.Explanation{}, fmt.Errorf("VRF %q: %w: it failed", name, vrf.ErrNotRunning)
	}
	x := rib.Explanation{Prefix: q.Prefix, StoppedBy: "nexthop", Verdict: fmt.Sprintf("stopped, longest %v", q.Longest)}
	x.Export.Add("nexthop", rib.Stopped, "<script>alert(1)</script>", "a detail")
	return x, nil
}

func ready(name string) vrf.Status {
	return vrf.Status{Spec: vrf.Spec{Name: name}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}
}

// quiet is the log of a page under test.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// get asks a page that does not run.
func get(p *Page, method, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:9179"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, r)
	return w
}

func newPage(t *testing.T, f *fake) *Page {
	t.Helper()
	return New(f, f, Options{Identity: Identity{Host: "r1", Version: "v1"}, Hosts: []string{"r1.example.net"}, Log: quiet()})
}
