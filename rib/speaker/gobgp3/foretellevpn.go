package gobgp3

import (
	"iter"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// carry learns how what goes out of VRFs would be carried, and tells whether that is otherwise
// than now. It is called in the loop.
func (f *foretelling) carry(by *carrier, next *conf.Config) (otherwise bool) {
	now := by.by
	f.carried, f.services = by.carriagesOf(next), conf.Services(next)
	f.makes = newRouteMaker(f.loop, by.log)
	f.makes.policies = f.policies
	for rd, v := range f.carried {
		otherwise = otherwise || !v.same(now[rd])
	}
	return otherwise || len(f.carried) != len(now)
}

// spotsByEVPN are the destinations of GoBGP's table of EVPN, and those to which what goes out of
// VRFs may come; not whole: as far as something may be otherwise there.
func (f *foretelling) spotsByEVPN(whole bool) iter.Seq[spot] {
	spots := f.arrivals
	if whole {
		spots = f.spots
	}
	return func(yield func(spot) bool) {
		for at := range spots(bgp.RF_EVPN) {
			if !yield(at) {
				return
			}
		}
		if len(f.carried) == 0 {
			return
		}
		for _, family := range [...]bgp.RouteFamily{bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN} {
			for of := range spots(family) {
				rd, prefix, err := vpnPrefix(of.nlri)
				if err != nil || f.carried[rd] == nil {
					continue
				}
				at, is := f.at(evpnNLRI(nativeRD(rd), prefix, 0))
				if is && (!whole || len(at.known) == 0) && !yield(at) {
					return
				}
			}
		}
	}
}

// toldByEVPN are the paths at a destination of EVPN that neighbours may be told of then: those of
// other routers, and the route that is made of what goes out of a VRF.
func (f *foretelling) toldByEVPN(at spot) []*bgpPath {
	ours := func(p *bgpPath) bool { _, is := announcedAs(p.origin()); return is && p.originated() }
	list := slices.DeleteFunc(slices.Clone(f.paths(at)), ours)
	if p := f.route(at); p != nil {
		if i := slices.IndexFunc(at.known, ours); i >= 0 && sameRoute(p, at.known[i]) {
			p = at.known[i]
		}
		list = append(list, p)
	}
	if len(list) == len(at.known) && !slices.ContainsFunc(list, func(p *bgpPath) bool { return !slices.Contains(at.known, p) }) {
		return at.known
	}
	return sorted(list, true)
}

// route is what would be told by EVPN of what goes out of a VRF; nil: nothing.
func (f *foretelling) route(at spot) *bgpPath {
	rd, prefix, err := vpnPrefix(at.nlri)
	v := f.carried[rd]
	if err != nil || v == nil {
		return nil
	}
	of := f.vrfs[v.vrf]
	if there, is := f.at(evpnNLRI(nativeRD(rd), prefix, 0)); of == nil || !is || there.key != at.key {
		return nil // another kind of route of the RD and prefix
	}
	vpn, is := f.at(nlriOf(prefix, of))
	if !is {
		return nil
	}
	return f.makes.made(v, of, speaker.Destination{RD: rd, Prefix: prefix}, f.told(vpn))
}
