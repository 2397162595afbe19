package status

import (
	"net/http"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

const maxRings = 1000 // VRFs beyond have no chart

// span is a time that charts show: so many samples, each of so many of the first span's.
type span struct {
	name    string
	samples int
	every   int // samples of the first span
}

// spans are the times that a reader may choose from.
func spans() [3]span {
	return [...]span{{"5m", samples, 1}, {"1h", 60, 12}, {"24h", 96, 180}}
}

// samples of the first span: five minutes.
const samples = 60

// ring holds the newest samples of one VRF: routes written to its table, and
// told to BGP, in each interval of each span.
type ring struct {
	spans [3]series
	last  vrf.Writes
}

// series are the samples of one span.
type series struct {
	written, told []uint32
	next          int // where the oldest one is
}

// chart is a series in the order of time.
type chart struct {
	Written []uint32 `json:"written"`
	Told    []uint32 `json:"told"`
}

// rings are the charts, by VRF: at most maxRings of them.
type rings struct {
	of    map[string]*ring
	taken int // samples of the first span
}

func newRings() rings { return rings{of: make(map[string]*ring)} }

func newRing() *ring {
	one := new(ring)
	for i, sp := range spans() {
		one.spans[i] = series{written: make([]uint32, sp.samples), told: make([]uint32, sp.samples)}
	}
	return one
}

// add counts what was done in one interval of the first span. taken is how many there were
// before it, of all VRFs: so their longer intervals begin at the same time.
func (r *ring) add(written, told uint32, taken int) {
	for i, sp := range spans() {
		s := &r.spans[i]
		if taken%sp.every == 0 { // a new interval takes the place of the oldest
			s.written[s.next], s.told[s.next] = 0, 0
			s.next = (s.next + 1) % sp.samples
		}
		at := (s.next + sp.samples - 1) % sp.samples
		s.written[at], s.told[at] = sum(s.written[at], written), sum(s.told[at], told)
	}
}

func sum(a, b uint32) uint32 { return clamp(uint64(a) + uint64(b)) }

// sample takes the counts since the last call, and returns them as an event: VRFs
// that did nothing are left out.
func (r *rings) sample(list []vrf.Status) []byte {
	did := make(map[string][2]uint32)
	seen := make(map[string]bool, len(list))
	for _, st := range list {
		seen[st.Spec.Name] = true
	}
	for name := range r.of {
		if !seen[name] {
			delete(r.of, name)
		}
	}
	for _, st := range list {
		name, now := st.Spec.Name, st.Totals.Writes.Total()
		one, known := r.of[name]
		if !known {
			if len(r.of) >= maxRings {
				continue
			}
			one = newRing() // all of its counts are since the last sample
			if len(list) > maxRings {
				one.last = now // or since long ago, before it had a ring
			}
			r.of[name] = one
		}
		written, told := since(one.last, now)
		one.last = now
		one.add(written, told, r.taken)
		if written|told != 0 {
			did[name] = [2]uint32{written, told}
		}
	}
	r.taken++
	return event("sample", sampleEvent{did})
}

type sampleEvent struct {
	Did map[string][2]uint32 `json:"did"`
}

// since counts the changes between two readings. Totals begin anew when a VRF
// gets another table.
func since(was, now vrf.Writes) (written, told uint32) {
	if now.Added < was.Added || now.Deleted < was.Deleted || now.Announced < was.Announced {
		was = vrf.Writes{}
	}
	d := now.Less(was)
	return clamp(d.Added + d.Replaced + d.Deleted), clamp(d.Announced + d.Withdrawn)
}

func clamp(n uint64) uint32 { return uint32(min(n, 1<<32-1)) }

// charts are the rings of one span in which something happened.
func (r *rings) charts(of int) map[string]chart {
	all := make(map[string]chart)
	for name, one := range r.of {
		s := &one.spans[of]
		if slices.Max(s.written)|slices.Max(s.told) != 0 {
			all[name] = chart{s.inOrder(s.written), s.inOrder(s.told)}
		}
	}
	return all
}

// inOrder returns samples from the oldest to the newest.
func (s *series) inOrder(list []uint32) []uint32 { return slices.Concat(list[s.next:], list[:s.next]) }

// charted is an answer about one span.
type charted struct {
	Every   int              `json:"every"` // seconds of one sample
	Samples int              `json:"samples"`
	Charts  map[string]chart `json:"charts"`
}

func (r *rings) answer(of int) charted {
	sp := spans()[of]
	return charted{sp.every * int(sampleEvery/time.Second), sp.samples, r.charts(of)}
}

// desk is where Page.Run is asked for charts.
type desk struct {
	asks chan chartsQuery
	done <-chan struct{} // closed when nobody answers any more
}

// chartsQuery asks for the charts of a span.
type chartsQuery struct {
	of int
	to chan charted
}

// show answers with the charts of the span that a question names.
func (d desk) show(w http.ResponseWriter, r *http.Request) {
	all := spans()
	i := slices.IndexFunc(all[:], func(s span) bool { return s.name == r.FormValue("span") })
	if i < 0 {
		http.Error(w, "write span=5m, 1h or 24h", http.StatusBadRequest)
		return
	}
	q := chartsQuery{i, make(chan charted, 1)}
	select {
	case d.asks <- q:
		answer(w, <-q.to)
	case <-d.done:
		http.Error(w, "vrfredist is ending", http.StatusServiceUnavailable)
	case <-r.Context().Done():
	}
}
