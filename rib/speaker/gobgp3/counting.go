package gobgp3

import (
	"context"
	"iter"
	"time"
)

// counting counts the routes of several neighbours, many destinations in each turn of GoBGP's
// loop, whosever they are: a turn for each neighbour would wait as often for what BGP has to do.
type counting struct {
	*tables
	neighbors []*inspection
	room      int  // destinations that may still be looked at
	bounded   bool // there is such a bound
	done      []counted
}

// counted is what was found out of the neighbour with this index.
type counted struct{ which, accepted, advertised int }

// CountRoutes counts what NeighborRoutes returns of neighbours by BGP's own names: of what came the
// paths that are in BGP's table, and the prefixes that a neighbour is told of. It calls yield with
// the index of each that it has counted. most is how many destinations all of that may look at (0:
// any number): neighbours with more than is left of it are passed over.
func (s *Steering) CountRoutes(ctx context.Context, names []string, most int, yield func(which, accepted, advertised int)) error {
	c := s.counting(names, most)
	return c.run(ctx, c.inLoop, yield)
}

func (s *Steering) counting(names []string, most int) *counting {
	return &counting{tables: s.of.tables, neighbors: s.inspections(names...), room: most, bounded: most > 0}
}

// run counts in turns of the loop.
func (c *counting) run(ctx context.Context, turn func(func() error) error, yield func(which, accepted, advertised int)) error {
	next, stop := iter.Pull(c.steps())
	defer stop()
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := turn(func() error {
			began := time.Now()
			for n := 0; more && n < touredAtOnce && (n%16 > 0 || time.Since(began) < touredFor); n++ {
				_, more = next()
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, of := range c.done {
			yield(of.which, of.accepted, of.advertised)
		}
		c.done = c.done[:0]
	}
	return nil
}

// steps look at a neighbour, or at one destination of it, each. They run in the loop, and in several
// turns of it.
func (c *counting) steps() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		for which, i := range c.neighbors {
			if !yield(struct{}{}) {
				return
			}
			p, there := c.peerOf(i.name)
			if !there || !c.fits(i, p) {
				continue
			}
			i.count = true
			all := [2]int{}
			for way, visit := range []func(livePeer, *bgpDestination){i.received, i.told} {
				destinations := [2]func(livePeer) iter.Seq[*bgpDestination]{sentBy, i.heard}[way]
				i.n = 0
				for d := range destinations(p) {
					if p, there = c.peerOf(i.name); !there {
						break // it went between two turns
					}
					visit(p, d)
					if !yield(struct{}{}) {
						return
					}
				}
				all[way] = i.n
			}
			if there {
				c.done = append(c.done, counted{which, all[0], all[1]})
			}
		}
	}
}

// fits tells whether the destinations of a neighbour are not more than may be looked at, and takes
// them off that.
func (c *counting) fits(i *inspection, p livePeer) bool {
	if !c.bounded {
		return true
	}
	size := 0
	for _, t := range p.adjIn().table {
		size += len(t.destinations)
	}
	for _, t := range i.tablesTo(p) {
		size += len(t.destinations)
	}
	if size > c.room {
		return false
	}
	c.room -= size
	return true
}
