package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const pprofAddr = "127.0.0.1:6061"

// memory measures what vrfredist needs beside GoBGP: what is alive on the heap
// after a collection, which each process is asked for. The difference of two
// resident sizes is mostly what the collector has not given back yet.
func memory(w *work, t *stage, s *sender) {
	live := map[string]float64{}
	for _, name := range []string{alone, ours} {
		if err := run(t.ctx, func(t *stage) {
			o := options{export: true}
			if name == ours {
				o.args = []string{"--pprof", pprofAddr}
			}
			r := w.receive(newRouter(t, w, s.ns), name, o)
			s.feed("full4", true)
			t.Cleanup(func() { s.feed("full4", false) })
			arrival(r, sampled(w.v4, samples))
			w.settle(t)
			w.settle(t)
			live[name] = liveHeap(r)
			w.note("memory", name, "RSS, MB", status(t, r.pids(), "VmRSS")/1e6)
			r.stop()
		}); err != nil {
			t.Fatalf("%s: %w", name, err)
		}
		w.note("memory", name, "live heap, MB", live[name]/1e6)
	}
	w.note("memory", ours, "bytes a route beyond GoBGP", (live[ours]-live[alone])/float64(len(w.v4)))
}

// liveHeap has the receiver collect its garbage, and returns what is left.
func liveHeap(r *receiver) float64 {
	for lines := bufio.NewScanner(strings.NewReader(r.get("http://" + pprofAddr + "/debug/pprof/heap?gc=1&debug=1"))); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "# HeapAlloc = "); found {
			n, err := strconv.ParseFloat(text, 64)
			r.t.must(err)
			return n
		}
	}
	r.t.Fatalf("%s does not say how much of its heap is alive", r.name)
	return 0
}

// get reads an HTTP answer from inside the router's namespace.
func (r *router) get(url string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, network, addr string) (c net.Conn, err error) {
		err = r.ns.Enter(func() (err error) { c, err = net.Dial(network, addr); return err })
		return c, err
	}}}
	answer, err := client.Get(url)
	r.t.must(err)
	defer answer.Body.Close()
	var b strings.Builder
	_, err = bufio.NewReader(answer.Body).WriteTo(&b)
	r.t.must(err)
	return b.String()
}
