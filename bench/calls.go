package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
)

// The scenarios in which an operator asks while a full table comes in.
const (
	callsOfRoutes = "asked with a full table"
	callsOfVRFs   = "asked with many VRFs"
)

// Quantities of those.
const (
	callP50      = "p50 ms"
	callP99      = "p99 ms"
	scraped      = "a scrape"
	scrapeShare  = "a scrape each 15 s, % of a core"
	quietSeconds = "at rest, s"
)

// call is something that an operator asks for, and what it is called.
type call struct {
	name string
	do   func() error
}

// command is a command of the command line.
func command(w *work, r *receiver, name string, argv ...string) call {
	argv = append(argv, "--api", "unix://"+filepath.Join(r.lab.Dir, "api.sock"))
	return call{name, func() error {
		ctx, cancel := context.WithTimeout(r.t.ctx, w.limit)
		defer cancel()
		if out, err := exec.CommandContext(ctx, w.daemon, argv...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	}}
}

// scrape reads all metrics as Prometheus does, compressed.
func scrape(r *receiver) call {
	client := http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, network, addr string) (c net.Conn, err error) {
		err = r.ns.Enter(func() (err error) { c, err = net.Dial(network, addr); return err })
		return c, err
	}}}
	return call{scraped, func() error {
		answer, err := client.Get("http://" + metricsAddr + "/metrics")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("a scrape: %s", answer.Status)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}}
}

// askedUntil makes the calls in turn, with a pause after each, until all has come in and each was
// made some times, and notes how long each took.
func askedUntil(w *work, r *receiver, scenario string, calls []call, done func() bool) {
	const (
		least = 20
		pause = 10 * time.Millisecond
	)
	took := make([][]float64, len(calls))
	r.t.until("all has come in while an operator asks", 2*w.limit, pause, func() bool {
		for i, c := range calls {
			began := time.Now()
			r.t.must(c.do())
			took[i] = append(took[i], milliseconds(time.Since(began)))
			time.Sleep(pause)
		}
		return len(took[0]) >= least && done()
	})
	for i, c := range calls {
		w.note(scenario, c.name, callP50, percentile(took[i], 50))
		w.note(scenario, c.name, callP99, percentile(took[i], 99))
		w.note(scenario, c.name, "calls", float64(len(took[i])))
	}
}

// restful notes what a scrape costs while nothing else is done.
func restful(w *work, r *receiver, scenario string) {
	const times = 5
	r.quiet(w)
	s := scrape(r)
	r.t.must(s.do())
	cpu, began := cpuTime(r.t, r.pids()), time.Now()
	for range times {
		r.t.must(s.do())
	}
	w.note(scenario, scraped, quietSeconds, time.Since(began).Seconds()/times)
	w.note(scenario, scraped, scrapeShare, 100*(cpuTime(r.t, r.pids())-cpu).Seconds()/times/15)
}

const metricsConfig = "[netlink.metrics]\n  listen = \"" + metricsAddr + "\"\n"

// callsWithRoutes has one neighbour's full table in the kernel, and the same of another come in.
func callsWithRoutes(w *work, t *stage) {
	u := newUpstreams(t, w)
	r := w.receive(u.router, ours, options{export: true, config: u.config(ours, "") + metricsConfig})
	r.fill(w, w.v4, func() { u.speaks(0) })
	w.settle(t)
	one := w.v4[0].String()
	calls := []call{
		command(w, r, "vrf", "vrf"), command(w, r, "vrf NAME", "vrf", "default"), command(w, r, "neighbor", "neighbor"),
		command(w, r, "explain", "explain", one), command(w, r, "route --prefix", "route", "export", "--prefix", one, "--exact"), scrape(r),
	}
	second, _ := upstreamAddr(1)
	u.speaks(1)
	askedUntil(w, r, callsOfRoutes, calls, func() bool { return r.api.received(t, second) >= len(w.v4) })
	restful(w, r, callsOfRoutes)
	r.stop()
}

// tablesOfCalls is how many VRFs share a namespace, and neighborsOfCalls how many have a neighbour.
const (
	tablesOfCalls    = 50
	neighborsOfCalls = 100
)

// callsWithVRFs has many VRFs, some with a neighbour, and a full table come into the default VRF.
func callsWithVRFs(w *work, t *stage, s *sender) {
	r := newRouter(t, w, s.ns)
	spaces := bareNamespaces(r.lab, (w.asked+tablesOfCalls-1)/tablesOfCalls)
	var b strings.Builder
	b.WriteString(gobgpConfig("ipv4-unicast", "l3vpn-ipv4-unicast"))
	neighbors := min(neighborsOfCalls, w.asked)
	for i := range neighbors {
		fmt.Fprintf(&b, "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n    vrf = \"v%d\"\n  [neighbors.transport.config]\n    passive-mode = true\n", tenantsPeer(i), as, i)
	}
	for i := range w.asked {
		vrfConfig(&b, i, spaces[i/tablesOfCalls].Name, 1001+i%tablesOfCalls)
	}
	b.WriteString("[[netlink.vrfs]]\n  name = \"default\"\n  [netlink.vrfs.export]\n    enabled = true\n" + metricsConfig)
	v := w.receive(r, ours, options{export: true, config: b.String()})
	for i := range neighbors {
		joined(r, tenantsPeer(i))
	}
	awaitReady(v, w.asked+1, 0) // and default
	one := w.v4[0].String()
	calls := []call{
		command(w, v, "vrf", "vrf"), command(w, v, "vrf NAME", "vrf", "v7"), command(w, v, "neighbor", "neighbor"), command(w, v, "explain", "explain", one, "--vrf", "v7"),
		command(w, v, "route --prefix", "route", "export", "--vrf", "v7", "--prefix", one, "--exact"), scrape(v),
	}
	restful(w, v, callsOfVRFs)
	s.feed("full4", true)
	t.Cleanup(func() { s.feed("full4", false) })
	askedUntil(w, v, callsOfVRFs, calls, func() bool { return routes(t, v.pid(), false) >= len(w.v4) })
	v.stop()
}

// tenantsPeer is the address of a tenant's neighbour.
func tenantsPeer(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}) }

// joined has a neighbour of a tenant come from an address.
func joined(r *router, from netip.Addr) {
	r.far.Address(r.link, from.String()+"/24")
	var p *peer.Peer
	r.t.until("a tenant's neighbour has a session", 30*time.Second, 50*time.Millisecond, func() (up bool) {
		var err error
		p, err = peer.Dial(r.far.Enter, peer.Config{Local: from, Remote: routerAddr, AS: as})
		return err == nil
	})
	r.t.Cleanup(func() { _ = p.Close() }) // the receiver has ended
}

// callAims hold what an operator waits for against what feels like at once, and what a newcomer waits
// for against a minute.
func callAims() (list []aim) {
	for _, scenario := range []string{callsOfRoutes, callsOfVRFs} {
		for _, name := range []string{"vrf", "vrf NAME", "neighbor", "explain", "route --prefix"} {
			list = append(list, aim{scenario + ", " + name + ", p99 ms", 200, false, valueOf(scenario, name, callP99)})
		}
		list = append(list,
			aim{scenario + ", a scrape, p99 ms", 1000, false, valueOf(scenario, scraped, callP99)},
			aim{scenario + ", a scrape at rest, s", 1, false, valueOf(scenario, scraped, quietSeconds)},
			aim{scenario + ", " + scrapeShare, 5, false, valueOf(scenario, scraped, scrapeShare)})
	}
	return append(list, aim{firstDemo + ", s", 60, false, valueOf(newcomerScenario, firstDemo, "s")})
}
