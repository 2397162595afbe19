package gobgp3

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// BenchmarkForetold is what a plan asks of BGP where a policy changes, with a full table of one
// neighbour and another that is told of it: beside the session, and with the most memory that was
// in use beyond what was before.
func BenchmarkForetold(b *testing.B) {
	for _, routes := range []int{50_000, 200_000, 1_000_000} {
		for _, direction := range []string{"import", "export"} {
			b.Run(fmt.Sprintf("%d/%s", routes, direction), func(b *testing.B) {
				var session, plan time.Duration
				most := uint64(0)
				for range b.N {
					s, took, next := planned(b, routes, direction)
					session += took
					runtime.GC()
					before := inUse()
					end := watchMemory(&most, before)
					began := time.Now()
					told := foretell(b, s, next)
					plan += time.Since(began)
					end()
					if told != routes/2 {
						b.Fatalf("%d changes are foretold", told)
					}
				}
				b.ReportMetric(session.Seconds()/float64(b.N), "session-s")
				b.ReportMetric(plan.Seconds()/float64(b.N), "plan-s")
				b.ReportMetric(float64(most)/1e6, "MB-more")
			})
		}
	}
}

// planned is a speaker with a full table, how long it took to come, and a configuration by which
// the neighbour that is told hears of the half of it.
func planned(b *testing.B, routes int, direction string) (*running, time.Duration, obj) {
	b.StopTimer()
	p, q := newHostile(b, "127.0.0.2", 65001, both()...), newHostile(b, "127.0.0.3", 65002, both()...)
	q.deaf = true
	conf := func(of *hostile) obj {
		var all []any
		for _, h := range []*hostile{p, q} {
			n := h.conf(allFamilies[:2]...)
			if h == of {
				n["apply-policy"] = obj{"config": obj{direction + "-policy-list": []string{"odd"}}}
			}
			all = append(all, n)
		}
		c := baseConf(nil, all)
		c["policy-definitions"] = []any{obj{"name": "odd", "statements": []any{obj{
			"name": "odd ones", "conditions": obj{"match-prefix-set": obj{"prefix-set": "odd"}}, "actions": obj{"route-disposition": "reject-route"},
		}}}}
		c["defined-sets"] = obj{"prefix-sets": []any{obj{"prefix-set-name": "odd", "prefix-list": upperHalf(routes)}}}
		return c
	}
	s := run(b, Options{Config: toJSON(b, conf(nil))})
	eventually(b, "the sessions", func() bool { return p.isUp() && q.isUp() })
	began, feed := time.Now(), s.feed(b, speaker.Default)
	p.send(p.some(false, false, 0, routes)...)
	for n := 0; n < routes; n, _ = feed.Len() { // GoBGP tells the other neighbour of each by itself: it may take minutes
		if time.Since(began) > 10*time.Minute {
			b.Fatalf("%d of %d routes in ten minutes", n, routes)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	if direction == "import" {
		return s, took, conf(p)
	}
	return s, took, conf(q)
}

// upperHalf are prefixes that cover the second half of so many of nth.
func upperHalf(routes int) (list []any) {
	for n := routes / 2; n < routes; {
		bits := 24
		for size := 1; bits > 8 && n%(size*2) == 0 && n+size*2 <= routes; size *= 2 { // nth begins at 10.0.0.0, so no further
			bits--
		}
		at := nth(false, n).String()
		list = append(list, obj{"ip-prefix": at[:len(at)-2] + fmt.Sprint(bits), "masklength-range": "24..24"})
		n += 1 << (24 - bits)
	}
	return list
}

// foretell is what a plan asks of BGP, and returns how many changes are foretold.
func foretell(b *testing.B, s *running, next obj) (n int) {
	p, err := s.Preview(toJSON(b, next), rib.Extras{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := p.Paths(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	told, err := p.Told(b.Context(), speaker.Outcome{}, 12)
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range told {
		n += t.Changes()
	}
	return n
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// watchMemory keeps the most that is in use beyond before, until the function that it returns is
// called.
func watchMemory(most *uint64, before uint64) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if now := inUse(); now > before {
				*most = max(*most, now-before)
			}
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-ended }
}
