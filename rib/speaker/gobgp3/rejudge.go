package gobgp3

import (
	"context"
	"errors"
	"fmt"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// rejudgedAtOnce is how many paths of a neighbour are judged anew in one turn of the loop.
const rejudgedAtOnce = 200

// rejudge has what came from neighbours, what originates here, and what was told to
// neighbours judged by the policies of c, which are in force, where others judged before. The
// marks of what goes out of VRFs come when neighbours are told by those that take them off, and
// go before.
func (r *reloader) rejudge(ctx context.Context, by *reload.Reconciler, c *conf.Config) error {
	now, err := r.keeper.Peers()
	if err != nil {
		return errors.Join(err, r.retell(nil))
	}
	again := func() error { return by.Reannounce(ctx) }
	whose := by.Rejudged(now.Neighbors)
	errs := []error{remark(r.keeper.changes, c, true, again)}
	for _, name := range whose.In {
		if err := r.keeper.changes.rejudge(name); err != nil {
			errs = append(errs, fmt.Errorf("judge the routes of neighbour %s by the policies of now: %w", name, err))
		}
	}
	if whose.Local {
		errs = append(errs, by.Reannounce(ctx))
	}
	return errors.Join(append(errs, r.retell(whose.Out), remark(r.keeper.changes, c, false, again))...)
}

// rejudge has what a neighbour sent judged anew, as GoBGP's soft reset does in one turn.
func (c *changes) rejudge(name string) error {
	type sent struct {
		family bgp.RouteFamily
		key    string
	}
	var all []sent
	err := c.inLoop(func() error {
		p, there := c.peerOf(name)
		if !there {
			return nil
		}
		for _, f := range softResetFamilies(p.at, 0) {
			if t := p.adjIn().table[f]; t != nil {
				for key := range t.destinations {
					all = append(all, sent{f, key})
				}
			}
		}
		return nil
	})
	for len(all) > 0 && err == nil {
		some := all[:min(len(all), rejudgedAtOnce)]
		all = all[len(some):]
		err = c.inLoop(func() error {
			p, there := c.peerOf(name)
			if !there {
				return nil
			}
			var paths []*bgpPath
			for _, s := range some {
				if t := p.adjIn().table[s.family]; t != nil {
					paths = append(paths, t.accepted(s.key)...)
				}
			}
			if len(paths) > 0 {
				c.during(p.vrf(), paths, func() { serverPropagate(c.server(), p.at, paths) })
			}
			return nil
		})
	}
	return err
}
