package gobgp3

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// BenchmarkSession is a session whose neighbour sends 200,000 routes with one path each,
// until all are in the feed: the processor time of the whole process, for a route.
func BenchmarkSession(b *testing.B) {
	const routes = 200_000
	for _, vrf := range []string{speaker.Default, "red"} {
		for _, each := range []int{400, 64, 1} {
			b.Run(fmt.Sprintf("%s/%d an UPDATE", vrf, each), func(b *testing.B) {
				var used time.Duration
				for range b.N {
					used += wholeTable(b, vrf, routes, each)
				}
				b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/routes, "cpu-ns/route")
			})
		}
	}
}

// wholeTable is the processor time for one such session.
func wholeTable(b *testing.B, vrf string, routes, each int) time.Duration {
	b.StopTimer()
	p, s := neighbourWith(b, vrf)
	return fill(b, p, s.feed(b, vrf), routes, each)
}

// BenchmarkPeerDown is the end of a session with 200,000 routes: when the feed is told so,
// and when the routes have left it.
func BenchmarkPeerDown(b *testing.B) {
	const routes = 200_000
	var told, gone time.Duration
	for range b.N {
		b.StopTimer()
		p, s := neighbourWith(b, speaker.Default)
		feed := s.feed(b, speaker.Default)
		fill(b, p, feed, routes, 400)
		b.StartTimer()
		began := time.Now()
		_ = p.l.Close()
		p.cut()
		for len(feed.Down()) == 0 {
			runtime.Gosched()
		}
		told += time.Since(began)
		for n := 1; n > 0; n, _ = feed.Len() {
			runtime.Gosched()
		}
		gone += time.Since(began)
	}
	b.ReportMetric(told.Seconds()*1000/float64(b.N), "ms-told")
	b.ReportMetric(gone.Seconds()*1000/float64(b.N), "ms-gone")
}

func neighbourWith(b *testing.B, vrf string) (*hostile, *running) {
	p := newHostile(b, "127.0.0.2", 65001, both()...)
	s := run(b, Options{Config: toJSON(b, redAnd(in(vrf, p.conf(allFamilies[:2]...))))})
	eventually(b, "the session", p.isUp)
	return p, s
}

// fill has a neighbour send routes until all are in a feed, and returns the processor
// time that this took.
func fill(b *testing.B, p *hostile, feed *rib.Feed, routes, each int) time.Duration {
	var all bytes.Buffer
	for from := 0; from < routes; from += each {
		for _, m := range p.some(false, false, from, min(each, routes-from)) {
			bytes, err := m.Serialize()
			if err != nil {
				b.Fatal(err)
			}
			all.Write(bytes)
		}
	}
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	b.StartTimer()
	before := processorTime(b)
	if _, err := (&net.Buffers{all.Bytes()}).WriteTo(conn); err != nil {
		b.Fatal(err)
	}
	eventually(b, "all routes", func() bool { n, _ := feed.Len(); return n == routes })
	return processorTime(b) - before
}

func processorTime(b *testing.B) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
