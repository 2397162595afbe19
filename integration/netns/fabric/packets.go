package fabric

import (
	"fmt"
	"time"
)

// ping is one that has to be answered.
type ping struct {
	from     *PE
	to       string
	six      bool
	answered bool
}

// pings are those of a tenant from each PE to all that the tenant has at the others.
func (f *Fabric) pings(t int, there []*PE) (list []ping) {
	for _, pe := range there {
		for _, to := range f.Wants(pe, t, there) {
			list = append(list, ping{from: pe, to: to, six: to[0] == '2'})
		}
	}
	return list
}

// send sends one ping in a tenant.
func (p *ping) send(t int) error {
	err := p.from.Hosts[t].Ping(Shared(p.from.N, p.six), p.to)
	p.answered = err == nil
	return err
}

// pause is between two rounds of pings that were not answered.
const pause = 20 * time.Millisecond

// Reach pings, in every tenant at once, from each of these PEs all that the tenant has at the
// others, in both families, until each ping was answered, and says which was not.
func (f *Fabric) Reach(there []*PE, limit time.Duration) error {
	end := time.Now().Add(limit)
	return f.each(func(t int) error { return f.ReachIn(t, there, end) })
}

// ReachIn is Reach in one tenant.
func (f *Fabric) ReachIn(t int, there []*PE, end time.Time) error {
	list := f.pings(t, there)
	for {
		left, last := 0, error(nil)
		for i := range list {
			p := &list[i]
			if p.answered {
				continue
			}
			if err := p.send(t); err != nil {
				left++
				last = fmt.Errorf("tenant %s, PE %d to %s: %w", Tenant(t), p.from.N, p.to, err)
			}
			if time.Now().After(end) && last != nil {
				return fmt.Errorf("%w, and %d of %d pings of this tenant are not answered either", last, left-1, len(list))
			}
		}
		if left == 0 {
			return nil
		}
		time.Sleep(pause)
	}
}
