package status

import (
	"net/http"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// Judges has the policies of the configuration. It is safe for concurrent use.
type Judges interface {
	// Policies returns them with how often each rule matched, ordered by name.
	Policies() []vrf.Policy
}

// policy is one on the page.
type policy struct {
	Name    string `json:"name"`
	Uses    []use  `json:"uses"`
	Rules   []rule `json:"rules"`
	Matched uint64 `json:"matched"`        // by all of its rules
	More    int    `json:"more,omitempty"` // further rules, which are not listed
}

type use struct {
	VRF       string `json:"vrf,omitempty"`
	Place     string `json:"place"`
	Uncounted string `json:"uncounted,omitempty"`
}

type rule struct {
	Title      string   `json:"title"`
	Conditions []string `json:"conditions,omitempty"`
	Changes    []string `json:"changes,omitempty"`
	Action     string   `json:"action"`
	Matched    uint64   `json:"matched"`
}

// Bounds of an answer about policies.
const (
	policiesShown = 200
	rulesShown    = 100
	usesShown     = 50
	policiesKept  = 2 * time.Second
)

// counted answers which policies there are. An answer serves all who ask soon after.
type counted struct {
	judges Judges

	mu    sync.Mutex
	known []policy // guarded by mu, as is until
	until time.Time
}

// ask returns the policies.
func (c *counted) ask() []policy {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.known
	}
	c.known = []policy{}
	for _, p := range c.judges.Policies() {
		if len(c.known) == policiesShown {
			break
		}
		c.known = append(c.known, newPolicy(p))
	}
	c.until = time.Now().Add(policiesKept)
	return c.known
}

func newPolicy(p vrf.Policy) policy {
	shown := policy{Name: p.Name, Uses: []use{}, Rules: []rule{}}
	for _, u := range p.Uses[:min(len(p.Uses), usesShown)] {
		shown.Uses = append(shown.Uses, use(u))
	}
	for i, r := range p.Rules {
		shown.Matched += r.Matched
		if i < rulesShown {
			shown.Rules = append(shown.Rules, rule(r))
		}
	}
	shown.More = len(p.Rules) - len(shown.Rules)
	return shown
}

// show answers with the policies.
func (c *counted) show(w http.ResponseWriter, _ *http.Request) { answer(w, c.ask()) }
