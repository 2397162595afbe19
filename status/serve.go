package status

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

//go:embed web
var web embed.FS

// Prefix is the path of the page and of all its requests.
const Prefix = "/status/"

// rights let the page run its own files and ask its own server, and nothing
// else: no inline code or style, no other origin, no frame around it.
const rights = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Handler serves the page below Prefix.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Prefix+"{$}", func(w http.ResponseWriter, _ *http.Request) { file(w, "index.html") })
	for _, name := range files() {
		mux.HandleFunc(Prefix+name, func(w http.ResponseWriter, _ *http.Request) { file(w, name) })
	}
	mux.HandleFunc(Prefix+"events", p.stream)
	mux.HandleFunc(Prefix+"explain", p.explain)
	mux.HandleFunc(Prefix+"trouble", p.showTrouble)
	mux.HandleFunc(Prefix+"routes", p.lister.show)
	mux.HandleFunc(Prefix+"neighbors", roster{p.source}.show)
	mux.HandleFunc(Prefix+"policies", p.policies.show)
	mux.HandleFunc(Prefix+"charts", p.charts.show)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", rights)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet:
			h.Set("Allow", http.MethodGet)
			http.Error(w, "the status page can only be read: GET", http.StatusMethodNotAllowed)
		case !p.checkHost(r.Host):
			http.Error(w, fmt.Sprintf("%q is no name of this page; ask for it by an address, or list the name in status_hosts under [netlink.metrics]", r.Host), http.StatusMisdirectedRequest)
		case crossSite(r):
			http.Error(w, "another site asks for the status page; open it by itself", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// checkHost tells whether the page may be asked for under this name. A page of
// another site can give its own name the address of this server after it was
// loaded (DNS rebinding), and would then be of the same origin; its name is not
// one of these. An address cannot be rebound.
func (p *Page) checkHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return name == "localhost" || slices.Contains(p.options.Hosts, name)
}

// crossSite tells of a request that a page of another site makes, which could
// not read the answer but would cost the daemon one. A link that is followed is
// none.
func crossSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.URL.Path == Prefix {
		return false
	}
	return site == "cross-site" || site == "same-site"
}

// files are those that the page is made of, but for the page itself.
func files() (names []string) {
	all, err := web.ReadDir("web")
	if err != nil {
		panic(err) // the folder is in the program
	}
	for _, f := range all {
		if f.Name() != "index.html" {
			names = append(names, f.Name())
		}
	}
	return names
}

func file(w http.ResponseWriter, name string) {
	text, err := web.ReadFile("web/" + name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	_, _ = w.Write(text) // a client that is gone
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that is gone
}

// refuse answers with the reason of a failure, in a sentence that the page shows.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, vrf.ErrUnknown):
		code = http.StatusNotFound
	case errors.Is(err, vrf.ErrNotRunning), errors.Is(err, vrf.ErrPending):
		code = http.StatusConflict
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errBusy):
		code = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), code)
}

var errBusy = errors.New("others are asking just now; try again in a moment")

type explained struct {
	VRF       string `json:"vrf"`
	Prefix    string `json:"prefix"`
	StoppedBy string `json:"stopped_by"`
	Verdict   string `json:"verdict"`
	Export    walk   `json:"export"`
	Import    walk   `json:"import"`
}

type walk struct {
	StoppedBy string `json:"stopped_by"`
	Steps     []step `json:"steps"`
}

type step struct {
	Name    string   `json:"name"`
	Outcome string   `json:"outcome"`
	Text    string   `json:"text"`
	Details []string `json:"details,omitempty"`
}

const explainTime = 10 * time.Second

func (p *Page) explain(w http.ResponseWriter, r *http.Request) {
	name, target := r.FormValue("vrf"), strings.TrimSpace(r.FormValue("target"))
	prefix, longest, err := rib.ParseDestination(target)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case p.asks <- struct{}{}:
		defer func() { <-p.asks }()
	default:
		refuse(w, errBusy)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), explainTime)
	defer cancel()
	x, err := p.source.Explain(ctx, name, rib.Question{Prefix: prefix, Longest: longest})
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, explained{name, x.Prefix.String(), x.StoppedBy, x.Verdict, newWalk(x.Export), newWalk(x.Import)})
}

func newWalk(from rib.Walk) walk {
	to := walk{StoppedBy: from.StoppedBy, Steps: []step{}}
	for _, s := range from.Steps {
		to.Steps = append(to.Steps, step{s.Name, s.Outcome.String(), s.Text, s.Details})
	}
	return to
}

func (p *Page) showTrouble(w http.ResponseWriter, r *http.Request) {
	t, err := p.trouble.ask(r.Context(), r.FormValue("vrf"))
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, t)
}
