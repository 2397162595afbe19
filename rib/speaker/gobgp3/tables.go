package gobgp3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// rdsAtOnce bounds how long one question may hold GoBGP's one goroutine.
const rdsAtOnce = 512

// tables reads GoBGP's tables by its API, for questions that come seldom.
type tables struct {
	*embedded
	feeder *feeder
}

// list calls yield with the paths of each destination of a family, the best first: of
// lookups alone, or of all where that is nil. A path that cannot be decoded is left out;
// strange is the error of the last one.
func (t *tables) list(ctx context.Context, c *conf.Config, of speaker.Family, lookups []*api.TableLookupPrefix, yield func([]rib.Path)) (strange, err error) {
	family := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	if of.Of == rib.IPv6 {
		family.Afi = api.Family_AFI_IP6
	}
	switch {
	case of.VPN:
		family.Safi = api.Family_SAFI_MPLS_VPN
	case of.EVPN:
		family = &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}
	}
	d := newDecoder(c, t.feeder.keeper.names)
	request := &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family, Prefixes: lookups}
	err = t.server().ListPath(ctx, request, func(dst *api.Destination) {
		var paths []rib.Path
		for _, p := range dst.GetPaths() {
			path, err := d.whole(p)
			switch {
			case errors.Is(err, errNoIPPrefix):
			case err != nil:
				strange = err
			case rib.FamilyOf(path.Prefix) == of.Of:
				paths = append(paths, path)
			}
		}
		if len(paths) > 0 {
			yield(paths)
		}
	})
	if err == nil {
		err = ctx.Err() // ListPath returns none where it gave up
	}
	return strange, err
}

// candidates is Speaker.Candidates.
func (t *tables) candidates(ctx context.Context, vrf string, prefix netip.Prefix) ([]rib.Path, error) {
	w, _ := t.feeder.current()
	if t.server() == nil || w == nil {
		return nil, nil
	}
	c, of := t.inForce(), speaker.Family{Of: rib.FamilyOf(prefix), VPN: vrf != speaker.Default}
	lookups := []*api.TableLookupPrefix{{Prefix: prefix.String()}}
	if of.VPN {
		lookups = lookups[:0]
		for _, rd := range rdsOf(c, w) {
			// Without an RD, GoBGP would walk the whole table.
			lookups = append(lookups, &api.TableLookupPrefix{Prefix: prefix.String(), Rd: rd.Dotted()})
		}
	}
	var out []rib.Path
	var failed error
	for some := range slices.Chunk(lookups, rdsAtOnce) {
		strange, err := t.list(ctx, c, of, some, func(paths []rib.Path) { out = append(out, paths...) })
		if err != nil {
			return nil, fmt.Errorf("look %s up in BGP: %w", prefix, err)
		}
		if strange != nil {
			failed = strange
		}
	}
	if of.VPN {
		out = append(out, t.byEVPN(c, w, prefix)...)
	}
	slices.SortStableFunc(out, func(a, b rib.Path) int { return cmp.Compare(a.RD, b.RD) })
	return out, failed
}

// byEVPN are the paths of a prefix that other routers sent by EVPN: GoBGP's API finds none of a
// prefix. One that is no candidate is left out, and is among the offers.
func (t *tables) byEVPN(c *conf.Config, w *watch, prefix netip.Prefix) (out []rib.Path) {
	d := newDecoder(c, t.feeder.keeper.names)
	for some := range slices.Chunk(rdsOf(c, w), rdsAtOnce) {
		_ = t.inLoop(func() error { // its error is ours, or that BGP has stopped: then there are none
			table := t.rib().Tables[bgp.RF_EVPN]
			if table == nil {
				return nil
			}
			for _, rd := range some {
				dst := destinationOf(table, evpnNLRI(nativeRD(rd), prefix, 0))
				if dst == nil {
					continue
				}
				for _, p := range dst.knownPathList {
					if path, is := d.candidate(p); is {
						out = append(out, path)
					}
				}
			}
			return nil
		})
	}
	return out
}

// rdsOf are the RDs under which there may be paths: those of the configuration, and those that
// were seen.
func rdsOf(c *conf.Config, w *watch) []rib.RD {
	rds := w.knownRDs()
	for _, v := range c.VRFs {
		rds = append(rds, v.RD)
	}
	slices.Sort(rds)
	return slices.Compact(rds)
}

// Injected implements speaker.Injector: it returns which announcements BGP has.
func (t *tables) Injected(ctx context.Context, vrf string, want []rib.Announcement) (map[netip.Prefix]bool, error) {
	c := t.inForce()
	rd := ""
	if v, has := c.VRF(vrf); has {
		rd = v.RD.Dotted()
	}
	var lookups [rib.Families][]*api.TableLookupPrefix
	why := make(map[netip.Prefix]rib.AnnouncedAs, len(want))
	for _, a := range want {
		why[a.Prefix] = a.As
		f := rib.FamilyOf(a.Prefix)
		lookups[f] = append(lookups[f], &api.TableLookupPrefix{Prefix: a.Prefix.String(), Rd: rd})
	}
	there := make(map[netip.Prefix]bool, len(want))
	for f, some := range lookups {
		if len(some) == 0 {
			continue
		}
		family := speaker.Family{Of: rib.Family(f), VPN: vrf != speaker.Default}
		// A path that cannot be decoded is none of ours.
		_, err := t.list(ctx, c, family, some, func(paths []rib.Path) {
			for _, p := range paths {
				if p.Attrs.Imported && p.Attrs.As == why[p.Prefix] {
					there[p.Prefix] = true
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}
