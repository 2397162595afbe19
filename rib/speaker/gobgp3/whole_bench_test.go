package gobgp3

import (
	"runtime"
	"slices"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// besideFor is for how long single routes are sent from then on.
const besideFor = 3 * time.Second

// BenchmarkBesideWholeTable is how long single routes of one tenant take from its neighbour to its feed
// while BGP deals with a table of 200,000 routes in another: a session that ends, one that begins, and
// one that restarts gracefully.
func BenchmarkBesideWholeTable(b *testing.B) {
	const routes = 200_000
	for _, name := range []string{"a session ends", "a session begins"} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for range b.N {
				b.StopTimer()
				from := newHostile(b, "127.0.0.2", 65001, both()...)
				late := newHostile(b, "127.0.0.3", 65002, both()...)
				single := newHostile(b, "127.0.0.4", 65003, both()...)
				late.deaf = true
				s := run(b, Options{Config: toJSON(b, redAnd(from.conf(allFamilies[:2]...), late.conf(allFamilies[:2]...), in("red", single.conf(allFamilies[:2]...))))})
				of := &api.DisablePeerRequest{Address: late.addr}
				if _, err := s.client(b).DisablePeer(b.Context(), of); err != nil {
					b.Fatal(err)
				}
				eventually(b, "the sessions", func() bool { return from.isUp() && single.isUp() && !late.isUp() })
				fill(b, from, s.feed(b, speaker.Default), routes, 400)
				red := s.feed(b, "red")
				b.StartTimer()
				if name == "a session ends" {
					_ = from.l.Close()
					from.cut()
				} else if _, err := s.client(b).EnablePeer(b.Context(), &api.EnablePeerRequest{Address: late.addr}); err != nil {
					b.Fatal(err)
				}
				for i, end := 0, time.Now().Add(besideFor); time.Now().Before(end); i++ {
					if name == "a session begins" && !late.isUp() {
						end = time.Now().Add(besideFor)
					}
					began, p := time.Now(), prefix(nth(false, 300_000+i).String())
					single.send(single.some(false, false, 300_000+i, 1)...)
					for len(red.Lookup(p)) == 0 {
						runtime.Gosched()
					}
					took = append(took, time.Since(began))
					time.Sleep(3 * time.Millisecond)
				}
			}
			slices.Sort(took)
			for unit, of := range map[string]int{"ms-p50": len(took) / 2, "ms-p99": len(took) * 99 / 100, "ms-max": len(took) - 1} {
				b.ReportMetric(float64(took[of].Microseconds())/1000, unit)
			}
		})
	}
}
