package status

import "github.com/vrfredist/vrfredist/vrf"

const (
	samples  = 60   // five minutes
	maxRings = 1000 // VRFs beyond have no chart
)

// ring holds the newest samples of one VRF: routes written to its table, and
// told to BGP, in each interval.
type ring struct {
	written, told [samples]uint32
	next          int // where the oldest one is
	last          vrf.Writes
}

// rings are the charts, by VRF: at most maxRings of them.
type rings map[string]*ring

// sample takes the counts since the last call, and returns them as an event: VRFs
// that did nothing are left out.
func (r rings) sample(list []vrf.Status) []byte {
	did := make(map[string][2]uint32)
	seen := make(map[string]bool, len(list))
	for _, st := range list {
		seen[st.Spec.Name] = true
	}
	for name := range r {
		if !seen[name] {
			delete(r, name)
		}
	}
	for _, st := range list {
		name, now := st.Spec.Name, st.Totals.Writes.Total()
		one, known := r[name]
		if !known {
			if len(r) >= maxRings {
				continue
			}
			one = &ring{} // all of its counts are since the last sample
			if len(list) > maxRings {
				one.last = now // or since long ago, before it had a ring
			}
			r[name] = one
		}
		written, told := since(one.last, now)
		one.last = now
		one.written[one.next], one.told[one.next] = written, told
		one.next = (one.next + 1) % samples
		if written|told != 0 {
			did[name] = [2]uint32{written, told}
		}
	}
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

// chart is a ring in the order of time.
type chart struct {
	Written []uint32 `json:"written"`
	Told    []uint32 `json:"told"`
}

// charts are the rings in which something happened.
func (r rings) charts() map[string]chart {
	all := make(map[string]chart)
	for name, one := range r {
		c, some := chart{make([]uint32, 0, samples), make([]uint32, 0, samples)}, uint32(0)
		for i := range samples {
			at := (one.next + i) % samples
			c.Written, c.Told = append(c.Written, one.written[at]), append(c.Told, one.told[at])
			some |= one.written[at] | one.told[at]
		}
		if some != 0 {
			all[name] = c
		}
	}
	return all
}
