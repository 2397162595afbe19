package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/bench/prefixes"
	"github.com/vrfredist/vrfredist/bench/probe"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
)

// pathStream is GoBGP with the routes put in by AddPathStream, and no kernel.
const pathStream = "AddPathStream alone"

// imports has kernel routes of another program go to a BGP peer: all at once,
// then single ones.
func imports(w *work, t *stage, name string) {
	far := unwatched(newLab(t, w), "far")
	r := newRouter(t, w, far)
	table := pick(w.v4, w.importSize)
	if name != pathStream {
		lines := make([]string, len(table))
		for i, p := range table {
			lines[i] = fmt.Sprintf("route add %v via %v dev eth1 proto static", p, gateways[1])
		}
		r.ns.Batch(lines...)
	}
	v, begin := importer(w, r, name)
	p := r.dial(false)
	w.settle(t)
	had, err := p.Heard()
	t.must(err)
	cpu, start := cpuTime(t, v.pids()), time.Now()
	begin()
	end := t.until("the last route arrives at the peer", w.limit, time.Millisecond, func() bool {
		n, err := p.Heard()
		t.must(err)
		return n >= had+len(table)
	})
	w.note("import", name, "s", end.Sub(start).Seconds())
	w.note("import", name, "CPU s", (cpuTime(t, v.pids()) - cpu).Seconds())
	if w.cpuProfile != "" && name == ours {
		v.profiled(w.cpuProfile)
		return
	}
	if name != pathStream {
		importOne(w, v, p)
	}
	v.stop()
}

// importer starts a receiver that imports nothing yet, and returns what makes it
// begin.
func importer(w *work, r *router, name string) (*receiver, func()) {
	t := r.t
	switch language(name) {
	case ours:
		v := w.receive(r, name, options{args: w.profile(name), config: gobgpConfig("ipv4-unicast") + "[netlink.import]\n  enabled = false\n  interface_list = [\"eth1\"]\n"})
		return v, func() { v.api.enable(t, &vrfredistv1.EnableRedistributionRequest{Interfaces: []string{"eth1"}}) }
	case pathStream:
		v := &receiver{router: r, name: name}
		self, err := os.Executable()
		t.must(err)
		file := r.lab.File("gobgp.json", gobgpJSON())
		v.start(name, self, "-announce", file, "-seed", fmt.Sprint(w.seed), "-prefixes", fmt.Sprint(w.importSize))
		v.awaitBGP()
		return v, func() { v.procs[0].Signal(syscall.SIGUSR1) }
	case bird:
		v := w.receive(r, name, options{})
		v.birdc("disable kernel4")
		return v, func() { v.birdc("enable kernel4") }
	default:
		v := w.receive(r, name, options{})
		return v, func() {
			v.vty(fmt.Sprintf("router bgp %d\naddress-family ipv4 unicast\nredistribute kernel", as))
		}
	}
}

// importOne times single kernel routes until they arrive at the peer.
func importOne(w *work, r *receiver, p *peer.Peer) {
	t := r.t
	var took []float64
	for i := range w.singles {
		prefix := single(i)
		begin := time.Now()
		t.must(r.sock.Route(probe.Change{Prefix: prefix, Via: gateways[1], Device: r.eth[1], Protocol: 4}))
		t.until("a changed route arrives at the peer", time.Minute, 200*time.Microsecond, func() bool { return !p.When(prefix).IsZero() })
		took = append(took, float64(p.When(prefix).Sub(begin).Microseconds())/1000)
		time.Sleep(time.Duration(3+i%7) * time.Millisecond)
	}
	w.note("import one", r.name, "p50 ms", percentile(took, 50))
	w.note("import one", r.name, "p99 ms", percentile(took, 99))
}

// gobgpJSON is GoBGP's configuration for one peer.
func gobgpJSON() string {
	type section = map[string]any
	text, err := json.Marshal(section{
		"global": section{"config": section{"as": as, "router-id": routerAddr.String()}},
		"neighbors": []section{{
			"config":    section{"neighbor-address": peerAddr.String(), "peer-as": as},
			"transport": section{"config": section{"passive-mode": true}},
			"afi-safis": []section{{"config": section{"afi-safi-name": "ipv4-unicast"}}},
		}},
	})
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return string(text)
}

// announceAlone is a process of its own: the speaker with nothing behind it. On
// SIGUSR1 it announces n prefixes, in batches as the worker does.
func announceAlone(ctx context.Context, file string, n int, seed uint64) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	s, err := gobgp3.New(gobgp3.Options{Config: text})
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	changes := make([]rib.AnnounceChange, 0, n)
	for _, p := range prefixes.IPv4(n, seed) {
		changes = append(changes, rib.AnnounceChange{Announcement: rib.Announcement{Prefix: p}})
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-signals:
		if err := s.Announce(ctx, speaker.Default, changes); err != nil {
			return err
		}
		return <-ended
	case err := <-ended:
		return err
	}
}

// enable turns redistribution on.
func (a *api) enable(t *stage, request *vrfredistv1.EnableRedistributionRequest) {
	ctx, cancel := context.WithTimeout(t.ctx, apiPatience)
	defer cancel()
	_, err := a.EnableRedistribution(ctx, request)
	t.must(err)
}

// export turns the export of everything of the default VRF on or off.
func (a *api) export(t *stage, on bool) {
	if on {
		a.enable(t, &vrfredistv1.EnableRedistributionRequest{})
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, apiPatience)
	defer cancel()
	_, err := a.DisableRedistribution(ctx, &vrfredistv1.DisableRedistributionRequest{Direction: vrfredistv1.Direction_DIRECTION_EXPORT})
	t.must(err)
}

// tenants is one namespace, with another program at work there and n VRFs of
// ours.
func tenants(w *work, t *stage, n int) {
	far := unwatched(newLab(t, w), "far")
	r := newRouter(t, w, far)
	var b strings.Builder
	b.WriteString(gobgpConfig("l3vpn-ipv4-unicast"))
	for i := range n {
		vrfConfig(&b, i, "", 1000+i)
	}
	v := &receiver{router: r, name: "nobody"}
	if n > 0 {
		v = w.receive(r, ours, options{export: true, config: b.String()})
		awaitReady(v, n, 0)
	}
	lines := make([]string, w.batchSize)
	for i, p := range pick(w.v4, w.batchSize) {
		lines[i] = fmt.Sprintf("route add %v via %v dev eth1 proto static", p, gateways[1])
	}
	begin := time.Now()
	r.ns.Batch(lines...)
	w.note("ip -batch", fmt.Sprintf("%d VRFs", n), "s", time.Since(begin).Seconds())
	v.stop()
}
