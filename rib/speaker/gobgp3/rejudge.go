package gobgp3

import "github.com/osrg/gobgp/v3/pkg/packet/bgp"

// rejudgedAtOnce is how many paths of a neighbour are judged anew in one turn of the loop.
const rejudgedAtOnce = 200

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
