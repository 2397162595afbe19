package gobgp3

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"

	"github.com/vrfredist/vrfredist/rib"
)

// scope are announcements that may have gone from BGP: prefixes by VRF; nil: all of
// the VRF; and all of every VRF under everyVRF.
type scope map[string]map[netip.Prefix]bool

const everyVRF = ""

// maxLost bounds the prefixes of a scope by VRF: beyond, it is all of the VRF.
const maxLost = 10_000

func (s scope) add(more scope) {
	for vrf, prefixes := range more {
		have, there := s[vrf]
		switch {
		case there && have == nil:
		case prefixes == nil, len(have)+len(prefixes) > maxLost:
			s[vrf] = nil
		case !there:
			s[vrf] = maps.Clone(prefixes)
		default:
			maps.Copy(have, prefixes)
		}
	}
}

// lostBy returns which of our announcements a request of another client may have
// taken away.
func (s *Speaker) lostBy(request any) scope {
	switch r := request.(type) {
	case *api.DeletePathRequest:
		switch {
		case len(r.GetUuid()) > 0 && !s.drift.forged.Load():
			return nil // ids are given to what clients added
		case len(r.GetUuid()) > 0:
			return scope{everyVRF: nil}
		case r.GetPath() == nil:
			return s.lostFamily(r.GetFamily())
		}
		return s.lostPaths(r.GetVrfId(), r.GetPath())
	case *api.AddPathRequest:
		return s.forging(s.lostPaths(r.GetVrfId(), r.GetPath()))
	case *api.AddPathStreamRequest:
		return s.forging(s.lostPaths(r.GetVrfId(), r.GetPaths()...))
	}
	return nil
}

// forging notes that a client added a path in our name: from then on an id of a
// client's path may be one of ours.
func (s *Speaker) forging(lost scope) scope {
	if len(lost) > 0 {
		s.drift.forged.Store(true)
	}
	return lost
}

// lostFamily are the announcements of one family; nil: of all.
func (s *Speaker) lostFamily(f *api.Family) scope {
	switch {
	case f == nil:
		return scope{everyVRF: nil}
	case f.GetSafi() == api.Family_SAFI_UNICAST:
		return scope{Default: nil}
	case f.GetSafi() != api.Family_SAFI_MPLS_VPN:
		return nil
	}
	lost := make(scope)
	for _, v := range s.VRFs() {
		lost[v.Name] = nil
	}
	return lost
}

// lostPaths are those of paths that take one of ours away: GoBGP tells local paths
// apart by their identifier alone. A path whose prefix cannot be read may be any.
func (s *Speaker) lostPaths(vrf string, paths ...*api.Path) scope {
	lost := make(scope)
	var d *decoder
	for _, p := range paths {
		if p.GetIdentifier() != ourIdentifier {
			continue
		}
		if d == nil {
			s.mu.Lock()
			d = newDecoder(s.conf)
			s.mu.Unlock()
		}
		nlri, err := apiutil.GetNativeNlri(p)
		if err != nil {
			return scope{everyVRF: nil}
		}
		k, _, err := d.destination(nlri)
		name := Default
		switch {
		case err != nil:
			return scope{everyVRF: nil}
		case vrf != "":
			name = vrf
		case k.rd != 0:
			name = d.vrfs[k.rd]
		}
		if name != "" {
			lost.add(scope{name: {k.prefix: true}})
		}
	}
	return lost
}

// mendAnnouncements sends again what is announced and went from BGP, of what clients
// may have taken away.
func (s *Speaker) mendAnnouncements(ctx context.Context) error {
	s.drift.mu.Lock()
	lost := s.drift.lost
	s.drift.lost = make(scope)
	s.drift.mu.Unlock()
	if all, every := lost[everyVRF]; every && all == nil {
		for _, name := range s.announcer.names() {
			lost[name] = nil
		}
	}
	delete(lost, everyVRF)
	var failed error
	for _, name := range slices.Sorted(maps.Keys(lost)) {
		n, err := s.announceLost(ctx, name, lost[name])
		if n > 0 {
			s.log.slog.Warn("another client of the API deleted announcements; they were sent again", "vrf", name, "announcements", n)
		}
		if err != nil {
			failed = err
			s.drift.mu.Lock()
			s.drift.lost.add(scope{name: lost[name]})
			s.drift.mu.Unlock()
		}
	}
	return failed
}

// Reannounce looks for each announcement of a VRF in BGP, sends again what is not
// there, and returns how many those were.
func (s *Speaker) Reannounce(ctx context.Context, vrf string) (int, error) {
	if err := s.waitStarted(ctx); err != nil {
		return 0, err
	}
	return s.announceLost(ctx, vrf, nil)
}

// announceLost sends what is announced of some prefixes (nil: all) and is not in BGP.
// Between its parts the VRF's worker has its turn.
func (s *Speaker) announceLost(ctx context.Context, vrf string, some map[netip.Prefix]bool) (n int, err error) {
	if _, err := s.Feed(vrf); err != nil {
		return 0, nil // the VRF went, with all that was announced in it
	}
	d := s.announcer.of(vrf)
	for part := range slices.Chunk(d.prefixes(some), rdsAtOnce) {
		sent, err := s.announcePart(ctx, vrf, d, part)
		n += sent
		if err != nil {
			return n, fmt.Errorf("look for the announcements of VRF %q in BGP: %w", vrf, err)
		}
	}
	return n, nil
}

func (s *Speaker) announcePart(ctx context.Context, vrf string, d *announced, part []netip.Prefix) (int, error) {
	d.order.Lock()
	defer d.order.Unlock()
	want := d.these(part)
	there, err := s.inBGP(ctx, vrf, want)
	if err != nil {
		return 0, err
	}
	var again []rib.AnnounceChange
	for _, a := range want {
		if !there[a.Prefix] {
			again = append(again, rib.AnnounceChange{Announcement: a})
		}
	}
	if len(again) == 0 {
		return 0, nil
	}
	if err := s.announcer.send(ctx, vrf, d, again); err != nil {
		return 0, err
	}
	// What a policy keeps out of BGP was not lost.
	lost := slices.DeleteFunc(want, func(a rib.Announcement) bool { return there[a.Prefix] })
	there, err = s.inBGP(ctx, vrf, lost)
	return len(there), err
}

// inBGP returns which announcements BGP has.
func (s *Speaker) inBGP(ctx context.Context, vrf string, want []rib.Announcement) (map[netip.Prefix]bool, error) {
	s.mu.Lock()
	bgp, c := s.bgp, s.conf
	s.mu.Unlock()
	rd := ""
	if v, has := c.vrf(vrf); has {
		rd = v.RD.Dotted()
	}
	lookups := make(map[api.Family_Afi][]*api.TableLookupPrefix)
	for _, a := range want {
		afi := api.Family_AFI_IP
		if a.Prefix.Addr().Is6() {
			afi = api.Family_AFI_IP6
		}
		lookups[afi] = append(lookups[afi], &api.TableLookupPrefix{Prefix: a.Prefix.String(), Rd: rd})
	}
	there, decoder := make(map[netip.Prefix]bool, len(want)), newDecoder(c)
	for afi, some := range lookups {
		family := &api.Family{Afi: afi, Safi: api.Family_SAFI_UNICAST}
		if vrf != Default {
			family.Safi = api.Family_SAFI_MPLS_VPN
		}
		request := &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family, Prefixes: some}
		err := bgp.ListPath(ctx, request, func(dst *api.Destination) {
			for _, p := range dst.GetPaths() {
				// One that cannot be decoded is none of ours.
				if path, err := decoder.whole(p); err == nil && path.Attrs.Imported {
					there[path.Prefix] = true
				}
			}
		})
		if err == nil {
			err = ctx.Err() // ListPath returns none where it gave up
		}
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// names are the VRFs in which something was announced.
func (a *announcer) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.vrfs))
}

// prefixes are those of some (nil: any) that are announced.
func (d *announced) prefixes(some map[netip.Prefix]bool) []netip.Prefix {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []netip.Prefix
	for p := range d.routes {
		if some == nil || some[p] {
			list = append(list, p)
		}
	}
	return list
}

// these are the announcements of some prefixes.
func (d *announced) these(some []netip.Prefix) []rib.Announcement {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]rib.Announcement, 0, len(some))
	for _, p := range some {
		if a, still := d.routes[p]; still {
			list = append(list, a)
		}
	}
	return list
}
