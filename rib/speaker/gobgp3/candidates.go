package gobgp3

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
)

// rdsAtOnce bounds how long one question may hold GoBGP's one goroutine.
const rdsAtOnce = 512

// Candidates returns every path that BGP has for prefix, best first within an
// RD: of the global table for "default", and else of the VPN table with whatever
// route targets, under every RD that was ever seen. It is for a person who asks
// about one prefix.
func (s *Speaker) Candidates(ctx context.Context, vrf string, prefix netip.Prefix) ([]rib.Path, error) {
	s.mu.Lock()
	bgp, c, w := s.bgp, s.conf, s.watch
	s.mu.Unlock()
	if bgp == nil || w == nil {
		return nil, nil
	}
	request := &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}}
	if prefix.Addr().Is6() {
		request.Family.Afi = api.Family_AFI_IP6
	}
	lookups := []*api.TableLookupPrefix{{Prefix: prefix.String()}}
	if vrf != Default {
		request.Family.Safi = api.Family_SAFI_MPLS_VPN
		lookups = lookups[:0]
		for _, rd := range w.knownRDs(c) {
			// Without an RD, GoBGP would walk the whole table.
			lookups = append(lookups, &api.TableLookupPrefix{Prefix: prefix.String(), Rd: rd.Dotted()})
		}
	}
	d := newDecoder(c)
	var out []rib.Path
	var failed error
	for some := range slices.Chunk(lookups, rdsAtOnce) {
		request.Prefixes = some
		err := bgp.ListPath(ctx, request, func(dst *api.Destination) {
			for _, p := range dst.GetPaths() {
				path, err := d.whole(p)
				if err != nil {
					failed = err
					continue
				}
				out = append(out, path)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("look %s up in BGP: %w", prefix, err)
		}
	}
	slices.SortStableFunc(out, func(a, b rib.Path) int { return cmp.Compare(a.RD, b.RD) })
	return out, failed
}

// knownRDs are those that were decoded lately, and those of the VRFs.
func (w *watch) knownRDs(c *conf) []rib.RD {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []rib.RD
	for rd := range w.decoder.rds {
		list = append(list, rd)
	}
	for _, v := range c.vrfs {
		list = append(list, v.RD)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
