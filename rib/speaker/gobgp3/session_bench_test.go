package gobgp3

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

func wholeTable(b *testing.B, vrf string, routes, each int) time.Duration {
	b.StopTimer()
	p := newHostile(b, "127.0.0.2", 65001, both()...)
	s := run(b, Options{Config: toJSON(b, redAnd(in(vrf, p.conf(allFamilies[:2]...))))})
	eventually(b, "the session", p.isUp)
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
	feed := s.feed(b, vrf)
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
