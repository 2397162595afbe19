package gobgp3

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// foreseen are GoBGP's tables with the paths as a prospect has them. It implements
// speaker.Tables.
type foreseen struct {
	*prospect
	decoder *decoder
	ready   func() error // learns what is otherwise than now

	of      speaker.Family
	yield   func(speaker.Destination, []rib.Path, bool)
	others  bool      // no destination is asked for that has the paths of now
	read    []glimpse // in this turn
	strange error     // the last of what cannot be decoded
}

// glimpse is what was seen of a destination.
type glimpse struct {
	nlri  bgp.AddrPrefixInterface
	paths []known
	again bool // GoBGP has others now
}

// Paths implements speaker.Tables.
func (f *foreseen) Paths(ctx context.Context, of speaker.Family, some []speaker.Destination, others bool, yield func(speaker.Destination, []rib.Path, bool)) error {
	if f.server() == nil {
		return errStopped
	}
	if of.EVPN && some != nil {
		return nil // nothing that is announced is a candidate there
	}
	if err := f.ready(); err != nil {
		return err
	}
	family, looks := nativeFamily(of), f.spots(nativeFamily(of))
	if some != nil {
		looks = f.these(family, some)
	}
	f.of, f.yield, f.others, f.strange = of, yield, others, nil
	if err := f.tour(ctx, looks, f); err != nil {
		return err
	}
	return f.strange
}

// nativeFamily is a family as GoBGP has it.
func nativeFamily(f speaker.Family) bgp.RouteFamily {
	switch {
	case f.EVPN:
		return bgp.RF_EVPN
	case f.VPN && f.Of == rib.IPv4:
		return bgp.RF_IPv4_VPN
	case f.VPN:
		return bgp.RF_IPv6_VPN
	case f.Of == rib.IPv4:
		return bgp.RF_IPv4_UC
	}
	return bgp.RF_IPv6_UC
}

// these are the spots of some destinations.
func (f *foreseen) these(family bgp.RouteFamily, some []speaker.Destination) iter.Seq[spot] {
	return func(yield func(spot) bool) {
		for _, d := range some {
			var in *bgpVRF
			if isVPN(family) {
				rd, err := bgp.ParseRouteDistinguisher(d.RD.Dotted())
				if err != nil {
					continue
				}
				in = &bgpVRF{Rd: rd}
			}
			if at, is := f.at(nlriOf(d.Prefix, in)); is && !yield(at) {
				return
			}
		}
	}
}

func (f *foreseen) begin() { f.read = f.read[:0] }

// visit keeps what is at a spot, for it to be decoded out of the loop.
func (f *foreseen) visit(at spot) {
	if f.of.EVPN && !f.leads(at.nlri) {
		return
	}
	paths := f.paths(at)
	if len(paths) == 0 && len(at.known) == 0 {
		return
	}
	again := !slices.Equal(paths, at.known)
	if f.others && !again {
		return
	}
	g := glimpse{nlri: at.nlri, again: again, paths: make([]known, len(paths))}
	for i, p := range sorted(paths, again) {
		id := p.origin().nlri.PathLocalIdentifier()
		if was := at.before(p); was != nil && was != p {
			id = was.origin().nlri.PathLocalIdentifier() // GoBGP gives it on
		}
		if id == 0 {
			id = firstForeseen + uint32(i) // as long as they differ from those that GoBGP gives
		}
		g.paths[i] = known{p, id}
	}
	f.read = append(f.read, g)
}

// leads tells whether a route of EVPN leads into kernel tables of the family that is read.
func (f *foreseen) leads(nlri bgp.AddrPrefixInterface) bool {
	to, _, err := f.decoder.destination(nlri)
	return err == nil && rib.FamilyOf(to.Prefix) == f.of.Of
}

// firstForeseen is the first identifier of paths that are in no table yet: below
// speaker.ByEVPN.
const firstForeseen = 1 << 30

// sorted are paths, the best one first, as they are where they are not to be sorted.
func sorted(paths []*bgpPath, is bool) []*bgpPath {
	if !is || len(paths) < 2 {
		return paths
	}
	d := &bgpDestination{knownPathList: paths}
	destinationSort(d)
	d.putFlaggedLast()
	return d.knownPathList
}

// ended decodes what was read.
func (f *foreseen) ended() error {
	for i := range f.read {
		g := &f.read[i]
		to, _, err := f.decoder.destination(g.nlri)
		if err != nil {
			f.strange = fmt.Errorf("decode %s: %w", g.nlri, err)
			continue
		}
		list := make([]rib.Path, 0, len(g.paths))
		for _, k := range g.paths {
			if to.EVPN && (k.path.originated() || noCandidate(k.path.origin().nlri) != nil) {
				continue // for no VRF it is a candidate
			}
			_, label, err := f.decoder.destination(k.path.origin().nlri)
			if err != nil {
				f.strange = err
				continue
			}
			path, _, err := f.decoder.path(k.path, k.id, to, label)
			if err != nil {
				f.strange = err
				continue
			}
			list = append(list, path)
		}
		if len(list) > 0 || g.again {
			f.yield(to, list, g.again)
		}
		*g = glimpse{}
	}
	return nil
}
