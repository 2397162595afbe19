package reload

import (
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// rejudging keeps by which policies routes have been judged since a reload began: each set
// of them was in force for a while, in which routes came. In the end those of whom one
// judged otherwise than the last are judged anew.
type rejudging struct {
	judged []*conf.Judging // the first was in force before, the last is
	// judgedByOthers is set where another client of the API had changed policies: nobody
	// knows how those judged.
	judgedByOthers bool
	again          map[string]bool // neighbours whose routes are judged anew for another key of theirs
}

func newRejudging(c *conf.Config) rejudging {
	return rejudging{judged: []*conf.Judging{conf.NewJudging(&c.Set)}, again: make(map[string]bool)}
}

// Rejudged says whose routes have to be judged anew.
type Rejudged struct {
	In, Out []string // neighbours, by the address that GoBGP has them under
	Local   bool     // what originates here
}

// Rejudged returns whose routes have to be judged anew, among neighbours that the server
// has.
func (r *rejudging) Rejudged(now map[string]Neighbor) (x Rejudged) {
	last := r.judged[len(r.judged)-1]
	differ := func(of func(*conf.Judging) conf.Judgement) bool {
		if r.judgedByOthers {
			return true
		}
		is := of(last)
		for _, j := range r.judged[:len(r.judged)-1] {
			if of(j) != is {
				return true
			}
		}
		return false
	}
	for _, name := range sortedNames(now) {
		n := now[name]
		var own *oc.ApplyPolicyConfig
		if n.RouteServer.Config.RouteServerClient {
			own = &n.ApplyPolicy.Config
		}
		addr, err := netip.ParseAddr(name)
		if err != nil {
			continue // GoBGP has them by addresses alone
		}
		if r.again[name] || differ(func(j *conf.Judging) conf.Judgement { return j.In(addr, own) }) {
			x.In = append(x.In, name)
		}
		if r.again[name] && own != nil || differ(func(j *conf.Judging) conf.Judgement { return j.Out(addr, own) }) {
			x.Out = append(x.Out, name)
		}
	}
	x.Local = differ(func(j *conf.Judging) conf.Judgement { return j.In(netip.Addr{}, nil) })
	return x
}
