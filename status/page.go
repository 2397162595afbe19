// Package status is the page that shows a person how the VRFs fare, in a browser.
//
// It promises to change nothing, to cost the daemon a bounded amount whoever looks, and to
// never wait for a client: one that is some events behind is dropped, and comes back by
// itself. Page.Run owns the model, the rates and the clients; HTTP handlers reach them by
// its channels.
//
// Begin reading at Page.Run: while somebody looks, it compares each VRF with its last
// row and publishes the difference, one text for all event streams.
package status

import (
	"context"
	"log/slog"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Source is the daemon as the page needs it. It is safe for concurrent use.
type Source interface {
	// List returns the VRFs that run, ordered by name.
	List() []vrf.Status
	// Changed returns a channel that is closed when a status changes after the
	// call.
	Changed() <-chan struct{}
	// Waiting returns how many prefixes wait in a VRF's mailbox.
	Waiting(name string) int
	// AllSessions returns the neighbours of each VRF, at once.
	AllSessions(ctx context.Context) (map[string][]vrf.Session, error)
	// Routes yields the routes of a VRF that q asks for, ordered by prefix.
	Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error
	// Explain says why a prefix is, or is not, in a VRF's table and in BGP.
	Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error)
}

// Identity names the daemon on the page.
type Identity struct {
	Host    string `json:"host"`
	Version string `json:"version"`
}

// Options are the parameters of New.
type Options struct {
	Identity Identity
	// Hosts are the names under which the page may be asked for, beside
	// addresses and localhost: see checkHost.
	Hosts []string
	Log   *slog.Logger
}

// Bounds of the page's cost, for all of its readers together.
const (
	clientsAtOnce  = 32 // event streams
	explainsAtOnce = 4
	sampleEvery    = 5 * time.Second
	settleTime     = 300 * time.Millisecond // changes within it are one update
	lookEvery      = time.Second            // sessions change without a word to the page
)

// Page keeps its model up to date while somebody looks at it, and samples rates
// always. All fields but the channels belong to Run's goroutine.
type Page struct {
	source   Source
	options  Options
	joins    chan *client
	leaves   chan *client
	done     chan struct{} // closed when Run has ended
	charts   desk
	asks     chan struct{} // holds one token for each explain that runs
	trouble  *troubles
	lister   *lister
	policies *counted

	clients  map[*client]struct{}
	model    model
	rings    rings
	sessions map[string][]vrf.Session
	mute     bool // the log has that sessions could not be listed
}

// New returns a page over source and the policies of judges. It shows something while Run runs.
func New(source Source, judges Judges, o Options) *Page {
	done := make(chan struct{})
	return &Page{
		source: source, options: o,
		joins: make(chan *client), leaves: make(chan *client), done: done,
		charts:   desk{make(chan chartsQuery), done},
		asks:     make(chan struct{}, explainsAtOnce),
		trouble:  newTroubles(source),
		lister:   newLister(source),
		policies: &counted{judges: judges},
		clients:  make(map[*client]struct{}),
		model:    newModel(o.Identity),
		rings:    newRings(),
	}
}

// Run samples and serves the event streams until ctx ends, and then returns
// nil: the streams are over by then.
func (p *Page) Run(ctx context.Context) error {
	defer close(p.done)
	defer func() {
		for c := range p.clients {
			close(c.events)
		}
	}()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	settle := time.NewTimer(0)
	settle.Stop()
	changed := p.source.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-p.joins:
			p.join(ctx, c)
		case c := <-p.leaves:
			delete(p.clients, c)
		case q := <-p.charts.asks:
			q.to <- p.rings.answer(q.of)
		case <-changed:
			changed = nil // until the change was looked at
			settle.Reset(settleTime)
		case <-settle.C:
			changed = p.source.Changed()
			p.refresh(ctx)
		case <-looks.C:
			p.refresh(ctx)
		case <-tick.C:
			p.sample(ctx)
		}
	}
}

// join lets a client in with everything there is, or refuses it.
func (p *Page) join(ctx context.Context, c *client) {
	if len(p.clients) >= clientsAtOnce {
		close(c.events)
		return
	}
	p.refresh(ctx)
	if len(p.clients) == 0 {
		p.look(ctx) // nobody looked: refresh did nothing
	}
	p.clients[c] = struct{}{}
	c.events <- p.model.snapshot(&p.rings)
}

// refresh tells the clients which VRFs changed. Without clients it does nothing.
func (p *Page) refresh(ctx context.Context) {
	if len(p.clients) > 0 {
		p.publish(p.look(ctx))
	}
}

// look brings the model up to date, and returns what changed as an event; nil
// where nothing did.
func (p *Page) look(ctx context.Context) []byte {
	all, err := p.source.AllSessions(ctx)
	if err == nil {
		p.sessions = all
	} else if !p.mute {
		p.options.Log.Warn("the status page shows sessions as they were", "err", err)
	}
	p.mute = err != nil // said once until it works again
	return p.model.update(p.source, p.sessions)
}

// sample takes the newest rates, always, and tells the clients.
func (p *Page) sample(ctx context.Context) {
	event := p.rings.sample(p.source.List())
	if len(p.clients) > 0 {
		p.refresh(ctx)
		p.publish(event)
	}
}

// publish gives each client the same event. A client that has not read the last ones
// is dropped: its browser comes back by itself, and gets all anew.
func (p *Page) publish(event []byte) {
	if event == nil {
		return
	}
	for c := range p.clients {
		select {
		case c.events <- event:
		default:
			delete(p.clients, c)
			close(c.events)
		}
	}
}
