package status

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Everything that the page serves may only be read, by its own page, and forbids
// the browser all that it does not need.
func TestHeadersAndMethods(t *testing.T) {
	p := newPage(t, newFake())
	for _, path := range []string{"", "page.css", "page.js", "chart.js", "icon.svg", "explain?vrf=red&target=10.0.0.0/8", "trouble?vrf=ghost", "routes?vrf=ghost", "neighbors", "policies", "nothing"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"} {
			w := get(p, method, Prefix+path)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
		w := get(p, "GET", Prefix+path)
		csp := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %s", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy %q allows too much", path, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
	}
	for file, kind := range map[string]string{"": "text/html", "page.css": "text/css", "page.js": "javascript", "chart.js": "javascript", "icon.svg": "image/svg"} {
		w := get(p, "GET", Prefix+file)
		if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.Contains(got, kind) || w.Body.Len() == 0 {
			t.Errorf("%q: %d, %s, %d bytes", file, w.Code, got, w.Body.Len())
		}
	}
}

// The policy allows no inline code, and no file of another place: neither may be
// in the page, nor what would make HTML of text.
func TestThePageKeepsToItsPolicy(t *testing.T) {
	const code = `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\.style\b`
	never := map[string]string{
		"index.html": `(?i)\sstyle=|\son[a-z]+=|<style|<script>|//[a-z]`,
		"page.css":   `@import|url\(`,
		"chart.js":   code, // it names the namespace of SVG
		"icon.svg":   `<script|href=`,
	}
	for _, file := range append(files(), "index.html") {
		never := cmp.Or(never[file], code+`|https?:`)
		text, err := web.ReadFile("web/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(never).Find(text); found != nil {
			t.Errorf("%s has %q", file, found)
		}
	}
}

func TestHosts(t *testing.T) {
	p := newPage(t, newFake())
	for host, want := range map[string]int{
		"127.0.0.1:9179": 200, "[::1]:9179": 200, "[2001:db8::1]": 200, "192.0.2.1": 200, "localhost:9179": 200, "LOCALHOST": 200,
		"r1.example.net:9179": 200, "R1.Example.net.": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "r1.example.net.evil": 421, "": 421,
	} {
		if w := get(p, "GET", Prefix, func(r *http.Request) { r.Host = host }); w.Code != want {
			t.Errorf("host %q: %d, want %d: %s", host, w.Code, want, w.Body)
		}
	}
	for site, want := range map[string]int{"": 200, "none": 200, "same-origin": 200, "cross-site": 403, "same-site": 403} {
		w := get(p, "GET", Prefix+"explain?vrf=red&target=::/0", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) })
		if w.Code != want {
			t.Errorf("asked by a site that is %q: %d, want %d", site, w.Code, want)
		}
	}
	follow := func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	if w := get(p, "GET", Prefix, follow); w.Code != 200 {
		t.Errorf("a link to the page: %d", w.Code)
	}
}

func TestExplain(t *testing.T) {
	p := newPage(t, newFake())
	for query, want := range map[string]struct {
		code int
		says string
	}{
		"vrf=red&target=10.1.2.3":      {200, `"prefix":"10.1.2.3/32","stopped_by":"nexthop","verdict":"stopped, longest true"`},
		"vrf=red&target=10.0.0.0/8":    {200, `\u003cscript\u003e`},
		"vrf=red&target=10.0.0.1/8":    {400, "write 10.0.0.0/8 for the prefix"},
		"vrf=red&target=":              {400, "give a prefix"},
		"vrf=ghost&target=10.0.0.0/8":  {404, "no such VRF"},
		"vrf=down&target=10.0.0.0/8":   {409, "it failed"},
		"vrf=red&target=%3Cb%3E10/8/9": {400, "no prefix"},
	} {
		w := get(p, "GET", Prefix+"explain?"+query)
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.says) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
		if kind := w.Header().Get("Content-Type"); strings.Contains(kind, "html") {
			t.Errorf("%s is served as %s", query, kind)
		}
	}
}

// Whoever asks more than explainsAtOnce questions at once is told to wait.
func TestExplainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPage(t, newFake())
		for range explainsAtOnce {
			go get(p, "GET", Prefix+"explain?vrf=slow&target=10.0.0.0/8")
		}
		synctest.Wait()
		if w := get(p, "GET", Prefix+"explain?vrf=red&target=10.0.0.0/8"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("one more: %d %s", w.Code, w.Body)
		}
		time.Sleep(explainTime)
		synctest.Wait()
		if w := get(p, "GET", Prefix+"explain?vrf=red&target=10.0.0.0/8"); w.Code != http.StatusOK {
			t.Errorf("after those had their time: %d %s", w.Code, w.Body)
		}
	})
}

// Routes with the same reason are one group, the largest first; what is fine is left out, and the
// answer is made once for all who ask.
func TestTrouble(t *testing.T) {
	f := newFake()
	f.routes = func(yield func(rib.RouteStatus) bool) {
		for i := range 200 {
			r := rib.RouteStatus{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16), State: rib.Installed}
			switch {
			case i%2 == 0:
				r.State, r.Reason = rib.Conflict, "<b>another's</b>"
			case i < 10:
				r.State, r.Reason = rib.Unresolved, "no way"
			}
			if !yield(r) {
				return
			}
		}
	}
	p := newPage(t, f)
	for i := range 5 {
		w := get(p, "GET", Prefix+"trouble?vrf=red")
		body := w.Body.String()
		if strings.Contains(body, `"old":true`) != (f.asked == 1 && i > 0) {
			t.Errorf("answer %d: %s", i, body)
		}
		const groups = `"groups":[{"state":"conflict","reason":"\u003cb\u003eanother's\u003c/b\u003e","count":100,"prefixes":["10.0.0.0/16","10.2.0.0/16","10.4.0.0/16"]},` +
			`{"state":"unresolved","reason":"no way","count":5,"prefixes":["10.1.0.0/16","10.3.0.0/16","10.5.0.0/16"]}],"more":false`
		if w.Code != 200 || !strings.Contains(body, groups) {
			t.Fatalf("%d: %s\nwant %s", w.Code, body, groups)
		}
	}
	if f.asked != 1 {
		t.Errorf("the worker was asked %d times for five answers at once", f.asked)
	}
	if w := get(p, "GET", Prefix+"trouble?vrf=ghost"); w.Code != http.StatusNotFound {
		t.Errorf("of a VRF that is not there: %d", w.Code)
	}
}

// However many routes and reasons there are, so many are looked at, and so many are told.
func TestTroubleIsBounded(t *testing.T) {
	f, looked := newFake(), 0
	f.routes = func(yield func(rib.RouteStatus) bool) {
		for i := range 3 * troubleRead {
			looked++
			a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			if !yield(rib.RouteStatus{Prefix: netip.PrefixFrom(a, 32), State: rib.Unresolved, Reason: fmt.Sprint("reason ", i%(2*troubleShown))}) {
				return
			}
		}
	}
	w := get(newPage(t, f), "GET", Prefix+"trouble?vrf=red")
	if n := strings.Count(w.Body.String(), `"state"`); n != troubleShown || looked != troubleRead+1 || !strings.Contains(w.Body.String(), `"more":true`) {
		t.Errorf("%d groups of %d routes: %d", n, looked, w.Code)
	}
}
