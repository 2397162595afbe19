package status

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// into reads an answer.
func into[T any](t *testing.T, p *Page, what string) (v T) {
	t.Helper()
	w := get(p, "GET", Prefix+what)
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %v: %s", what, w.Code, err, w.Body)
	}
	return v
}

// Neighbours without a session come first, with their reason; a page of them at a time.
func TestNeighbors(t *testing.T) {
	f := newFake(ready("red"))
	f.down = 3
	p := newPage(t, f)
	all := into[neighbors](t, p, "neighbors")
	if all.All != 20 || all.Found != 20 || all.Down != 3 || len(all.Rows) != 20 {
		t.Errorf("%+v", all)
	}
	for i, n := range all.Rows {
		if down := n.State != vrf.Established; down != (i < 3) || down != (n.Reason == "<i>refused</i>") || n.VRF != "red" || n.AS != 65001 {
			t.Errorf("row %d: %+v", i, n)
		}
	}
	if some := into[neighbors](t, p, "neighbors?rows=8&from=2"); len(some.Rows) != 8 || some.Rows[0] != all.Rows[2] || some.Found != 20 {
		t.Errorf("8 behind 2: %+v", some)
	}
	for text, want := range map[string]int{"REFUSED": 3, "192.0.2.17": 1, "65001": 20, "red": 20, "established": 17, "nothing": 0} {
		if found := into[neighbors](t, p, "neighbors?text="+text); found.Found != want || found.All != 20 || found.Rows == nil {
			t.Errorf("%s: %+v, want %d", text, found, want)
		}
	}
	for _, odd := range []string{"from=-1", "from=x&rows=y", "rows=100000", "from=100000"} {
		if got := into[neighbors](t, p, "neighbors?"+odd); got.Found != 20 {
			t.Errorf("%s: %+v", odd, got)
		}
	}
}

// listed is a VRF with routes 10.0.0.0/24, 10.0.1.0/24 and so on, of which each tenth is filtered.
func listed(n int) func(yield func(rib.RouteStatus) bool) {
	return func(yield func(rib.RouteStatus) bool) {
		for i := range n {
			r := rib.RouteStatus{
				Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24), State: rib.Installed,
				Best: rib.Path{Attrs: &rib.Attrs{Via: &rib.Via{Peer: netip.MustParseAddr("127.1.0.1")}}}, Devices: []string{"lan0"},
			}
			r.Route = rib.Route{Prefix: r.Prefix, Kind: rib.KindUnicast, Metric: 20, Protocol: rib.ProtoOwn, Hops: []rib.Hop{{Ifindex: 7, Gateway: netip.MustParseAddr("192.0.2.9")}}}
			if i%10 == 3 {
				r.State, r.Reason, r.Route = rib.Filtered, "<u>a policy</u>", rib.Route{}
			}
			if !yield(r) {
				return
			}
		}
	}
}

// Routes come a page at a time, and by what they are asked for.
func TestRoutes(t *testing.T) {
	f := newFake()
	f.routes, f.alias = listed(120), netip.MustParseAddr("127.1.0.1")
	p := newPage(t, f)
	first := into[routePage](t, p, "routes?vrf=red")
	if len(first.Rows) != pageRows || !first.More || first.VRF != "red" {
		t.Fatalf("%d, %v", len(first.Rows), first.More)
	}
	if r := first.Rows[0]; r.Prefix != "10.0.0.0/24" || r.State != "installed" || r.Route != "10.0.0.0/24 via 192.0.2.9 dev lan0 proto vrfredist metric 20" || r.From != "192.0.2.0" {
		t.Errorf("a route: %+v", r)
	}
	if r := first.Rows[3]; r.State != "filtered" || r.Reason != "<u>a policy</u>" || r.Route != "" {
		t.Errorf("a filtered one: %+v", r)
	}
	last := into[routePage](t, p, "routes?vrf=red&from=100")
	if len(last.Rows) != 20 || last.More || last.From != 100 || last.Rows[0].Prefix != "10.0.100.0/24" {
		t.Errorf("the last page: %+v", last)
	}
	for query, want := range map[string]int{
		"state=filtered": 12, "state=conflict": 0, "prefix=10.0.64.0/28": 0, "prefix=10.0.64.0/20&rows=100": 16, "prefix=10.0.5.77": 1,
		"prefix=::/0": 0, "direction=import&state=announced&rows=500": 108, "direction=export&state=installed&prefix=10.0.0.0/22": 3, "from=500": 0,
	} {
		if got := into[routePage](t, p, "routes?vrf=red&"+query); len(got.Rows) != want || got.Rows == nil {
			t.Errorf("%s: %d rows, want %d", query, len(got.Rows), want)
		}
	}
	for query, want := range map[string]struct {
		code int
		says string
	}{
		"vrf=ghost":                    {404, "no such VRF"},
		"vrf=red&prefix=10.0.0.1/8":    {400, "write 10.0.0.0/8"},
		"vrf=red&state=good":           {400, `"good" is no state`},
		"vrf=red&direction=sideways":   {400, "write export or import"},
		"vrf=red&from=100001":          {400, "write a prefix to look inside it"},
		"vrf=red&prefix=%3Cscript%3E/": {400, "no prefix"},
	} {
		w := get(p, "GET", Prefix+"routes?"+query)
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.says) || strings.Contains(w.Header().Get("Content-Type"), "html") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// One list is made at a time, and a VRF has four times as long for itself as one took.
func TestRoutesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = time.Second
		f := newFake()
		f.routes = func(func(rib.RouteStatus) bool) { time.Sleep(takes) } // of the bubble's clock
		p := newPage(t, f)
		began := time.Now()
		for range 2 {
			if w := get(p, "GET", Prefix+"routes?vrf=red"); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if took := time.Since(began); took != (2+worth)*takes {
			t.Errorf("two lists took %v, want %v", took, (2+worth)*takes)
		}
		time.Sleep(time.Minute)
		answers := make(chan int)
		for range 20 {
			go func() { answers <- get(p, "GET", Prefix+"routes?vrf=red").Code }()
		}
		codes := map[int]int{}
		for range 20 {
			codes[<-answers]++
		}
		if codes[http.StatusServiceUnavailable] < 15 || codes[http.StatusOK] == 0 {
			t.Errorf("of twenty at once: %v", codes)
		}
		time.Sleep(time.Minute)
		if p.lister.tired("blue", 0); len(p.lister.rest) != 1 {
			t.Errorf("%d VRFs are remembered", len(p.lister.rest))
		}
	})
}

// Policies are told with their counts; one answer serves all who ask at once.
func TestPolicies(t *testing.T) {
	f := newFake()
	p := newPage(t, f)
	for range 5 {
		list := into[[]policy](t, p, "policies")
		if len(list) != 2 {
			t.Fatalf("%d policies", len(list))
		}
		if many := list[0]; len(many.Rules) != rulesShown || many.More != 5 || many.Matched != 2*(rulesShown+5) || many.Uses == nil {
			t.Errorf("%d rules, %d more, %d matched", len(many.Rules), many.More, many.Matched)
		}
		one := list[1]
		if one.Name != "to-<i>kernel" || one.Matched != 15 || one.Uses[0] != (use{VRF: "red", Place: "export.policy"}) || one.Rules[0].Matched != 12 || one.Rules[1].Action != "reject" {
			t.Errorf("%+v", one)
		}
	}
	if f.judged != 1 {
		t.Errorf("the policies were read %d times for five answers at once", f.judged)
	}
}

// The longer times are sums of the samples of the shortest, and begin together for all VRFs.
func TestSpans(t *testing.T) {
	r := newRings()
	st := ready("red")
	list := []vrf.Status{st}
	const minutes = 70
	for range minutes * 12 {
		list[0].Totals.Writes[rib.IPv4].Added += 3
		r.sample(list)
	}
	hour := r.answer(1)
	if c := hour.Charts["red"]; hour.Every != 60 || hour.Samples != 60 || len(c.Written) != 60 || c.Written[0] != 36 || c.Written[59] != 36 {
		t.Errorf("an hour: %+v", hour)
	}
	day := r.answer(2)
	c := day.Charts["red"]
	if day.Every != 900 || len(c.Written) != 96 || c.Written[95] != 10*36 || c.Written[94] != 15*36 || c.Written[90] != 0 {
		t.Errorf("a day: %+v", day)
	}
	list = append(list, ready("late")) // begins in the midst of an interval
	list[1].Totals.Writes[rib.IPv4].Announced = 1
	for range 5 * 12 {
		r.sample(list)
	}
	if late := r.answer(2).Charts["late"]; late.Told[95] != 1 {
		t.Errorf("one that came later: %v", late.Told)
	}
	r.sample(list)
	if late := r.answer(2).Charts["late"]; late.Told[94] != 1 || late.Told[95] != 0 {
		t.Errorf("and a quarter of an hour later: %v", late.Told)
	}
}

func TestCharts(t *testing.T) {
	st := ready("red")
	f := newFake(st)
	p := newPage(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for span, want := range map[string]int{"5m": 60, "1h": 60, "24h": 96} {
		if got := into[charted](t, p, "charts?span="+span); got.Samples != want || got.Every == 0 {
			t.Errorf("%s: %+v", span, got)
		}
	}
	for _, wrong := range []string{"", "?span=1y"} {
		if w := get(p, "GET", Prefix+"charts"+wrong); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "24h") {
			t.Errorf("%s: %d %s", wrong, w.Code, w.Body)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if w := get(p, "GET", Prefix+"charts?span=5m"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", w.Code)
	}
}
