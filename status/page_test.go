package status

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestRing(t *testing.T) {
	r := newRings()
	st := ready("red")
	st.Totals.Writes[rib.IPv4].Added = 1000
	list := []vrf.Status{st}
	if text := string(r.sample(list)); !strings.Contains(text, `{"red":[1000,0]}`) {
		t.Errorf("of a new VRF: %s", text)
	}
	for i := range uint64(samples + 5) {
		list[0].Totals.Writes[rib.IPv4].Added += i
		list[0].Totals.Writes[rib.IPv6].Announced++
		r.sample(list)
	}
	c := r.charts(0)["red"]
	if len(c.Written) != samples || c.Written[0] != 5 || c.Written[samples-1] != samples+4 || c.Told[0] != 1 {
		t.Errorf("charts: %+v", c)
	}
	list[0].Totals.Writes = rib.ByFamily[vrf.Writes]{{Added: 7}} // another table: it counts anew
	if text := string(r.sample(list)); !strings.Contains(text, `{"red":[7,0]}`) {
		t.Errorf("after a new beginning: %s", text)
	}
	if text := string(r.sample(list)); !strings.Contains(text, `"did":{}`) {
		t.Errorf("where nothing happened: %s", text)
	}
	r.sample(nil)
	if len(r.of) != 0 {
		t.Error("a VRF that is gone keeps its samples")
	}
	var many []vrf.Status
	for i := range maxRings + 50 {
		many = append(many, ready(fmt.Sprint("vrf-", i)))
	}
	r.sample(many)
	if len(r.of) != maxRings {
		t.Errorf("%d VRFs have samples, want %d at most", len(r.of), maxRings)
	}
}

// running is a page that runs, inside a bubble.
func running(t *testing.T, f *fake) *Page {
	p := newPage(t, f)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *Page) enter() *client {
	c := &client{make(chan []byte, backlog)}
	p.joins <- c
	return c
}

// next returns the name and the data of the next event.
func (c *client) next(t *testing.T) (name, data string) {
	t.Helper()
	text, ok := <-c.events
	if !ok {
		t.Fatal("the stream ended")
	}
	name, data, _ = strings.Cut(strings.TrimPrefix(string(text), "event: "), "\ndata: ")
	return name, data
}

// A client gets everything, and then what changes: only that, and once for all.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		evil := `</script><script>alert("x")</script>`
		f := newFake(ready("blue"), ready("red"), ready(evil))
		p := running(t, f)
		synctest.Wait()
		c := p.enter()
		name, data := c.next(t)
		var first struct {
			Host string
			Rows []row
		}
		if err := json.Unmarshal([]byte(data), &first); err != nil {
			t.Fatal(err)
		}
		if name != "snapshot" || first.Host != "r1" || len(first.Rows) != 3 || first.Rows[2].Name != evil || strings.Contains(data, "<script>") {
			t.Errorf("%s: %s", name, data)
		}
		red := first.Rows[1]
		if red.Up != 19 || red.Neighbors != 20 || len(red.Sessions) != sessionsShown || red.Sessions[0].State != "idle" {
			t.Errorf("the sessions of red, the one that is down first: %+v", red)
		}

		bad := ready("red")
		bad.State, bad.Reason, bad.Counts[rib.IPv4].Conflict = vrf.Degraded, "1 conflict", 1
		f.set(ready("blue"), bad)
		other := p.enter()
		other.next(t)
		name, data = c.next(t)
		if name != "update" || !strings.Contains(data, `"state":"degraded"`) || strings.Contains(data, `"blue"`) || !strings.Contains(data, `"gone":["\u003c/script`) {
			t.Errorf("%s: %s", name, data)
		}
		bad.Totals.Writes[rib.IPv6].Added = 10
		f.set(ready("blue"), bad)
		for range 2 { // the first sample is of before
			name, data = c.next(t)
		}
		if name != "sample" {
			t.Errorf("%s: %s", name, data)
		}
	})
}

// A session that goes is told within a second, though no VRF changes.
func TestSessionsAreLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(ready("blue"), ready("red"))
		c := running(t, f).enter()
		c.next(t)
		f.mu.Lock()
		f.down = 3
		f.mu.Unlock()
		began := time.Now()
		name, data := c.next(t)
		if took := time.Since(began); took > time.Second || name != "update" || !strings.Contains(data, `"up":17`) || strings.Contains(data, `"blue"`) {
			t.Errorf("after %v %s: %s", took, name, data)
		}
	})
}

// A client that does not read is dropped; one too many is refused; all are ended
// with the page.
func TestClientsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(ready("red"))
		p := running(t, f)
		slow := p.enter()
		time.Sleep((backlog + 2) * sampleEvery)
		synctest.Wait()
		n := 0
		for range slow.events { // ends: it was dropped
			n++
		}
		if n != backlog {
			t.Errorf("a client that does not read holds %d events, want %d", n, backlog)
		}
		for range clientsAtOnce {
			p.enter().next(t)
		}
		if _, ok := <-p.enter().events; ok {
			t.Error("one client too many was let in")
		}
	})
}

// Over HTTP, a client that does not read costs a write's time and no more.
func TestStreamOverHTTP(t *testing.T) {
	const limit = 50 * time.Millisecond
	f := newFake(ready("red"))
	p := newPage(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	server := httptest.NewUnstartedServer(p.Handler())
	// A stream outlives the limits of other answers.
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit, limit
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %sevents HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", Prefix)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("the stream is %s: %s", kind, r.Status)
	}
	scan := bufio.NewScanner(r.Body)
	var got []string
	for len(got) < 3 && scan.Scan() {
		if scan.Text() != "" {
			got = append(got, scan.Text())
		}
	}
	if len(got) != 3 || got[0] != "retry: 2000" || got[1] != "event: snapshot" {
		t.Errorf("the stream begins with %q", got)
	}
	time.Sleep(3 * limit) // there is nothing to see of a limit that passes
	f.set(ready("red"), ready("blue"))
	for scan.Scan() && scan.Text() != "event: update" {
	}
	if err := scan.Err(); err != nil || scan.Text() != "event: update" {
		t.Errorf("the stream ended with %q, %v, before it told of a change", scan.Text(), err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for scan.Scan() { // ends with the page
	}
	if w := get(p, "GET", Prefix+"events"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", w.Code)
	}
}
