package api

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// ListNeighbors returns the BGP neighbours of a VRF, or of every one.
func (s *states) ListNeighbors(ctx context.Context, r *vrfredistv1.ListNeighborsRequest) (*vrfredistv1.ListNeighborsResponse, error) {
	view := s.view(ctx)
	all, err := view.AllSessions(ctx)
	if err != nil {
		return nil, view.failed(r.GetVrf(), err)
	}
	wanted, err := neighborFilter(r.GetName())
	if err != nil {
		return nil, err
	}
	if name := r.GetVrf(); name != "" && all[name] == nil {
		if _, ok := view.Get(name); !ok {
			return nil, view.notFound(name)
		}
	}
	out := new(vrfredistv1.ListNeighborsResponse)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, n := range all[name] {
			if (r.GetVrf() == "" || r.GetVrf() == name) && wanted(n) {
				m := neighborMessage(n)
				m.Vrf = name
				out.Neighbors = append(out.Neighbors, m)
			}
		}
	}
	if r.GetName() != "" && len(out.Neighbors) == 0 {
		return nil, status.Errorf(codes.NotFound, "there is no neighbour %s; `vrfredist neighbor` lists those that there are", r.GetName())
	}
	return out, nil
}

// neighborFilter returns a test of neighbours: whether one is meant by a name, which is
// an address, with the zone of its link or without, an alias, or an interface.
func neighborFilter(name string) (func(vrf.Session) bool, error) {
	if name == "" {
		return func(vrf.Session) bool { return true }, nil
	}
	addr, err := netip.ParseAddr(name)
	isAddress := err == nil
	if !isAddress && (len(name) > maxInterfaceName || strings.ContainsAny(name, "/ \t\n")) {
		return nil, invalid("name", "%q is neither an address of a neighbour nor an interface: write one, as `vrfredist neighbor` shows them", name)
	}
	if !isAddress {
		return func(n vrf.Session) bool { return n.Interface == name }, nil
	}
	return func(n vrf.Session) bool {
		return n.Peer == addr || n.Alias == addr || addr.Zone() == "" && n.Peer.WithZone("") == addr
	}, nil
}

// maxInterfaceName is IFNAMSIZ of linux/if.h without its last zero.
const maxInterfaceName = 15

func neighborMessage(n vrf.Session) *vrfredistv1.Neighbor {
	m := &vrfredistv1.Neighbor{
		Address: n.Name(), PeerAs: n.PeerAS, Alias: address(n.Alias), Netns: n.Netns,
		State: n.State, SinceUnix: unix(n.Since), Reason: n.Reason, Origin: n.Origin,
	}
	for _, reason := range slices.Sorted(maps.Keys(n.Removed)) {
		m.Removed = append(m.Removed, &vrfredistv1.Removed{Reason: reason, Count: n.Removed[reason]})
	}
	return m
}
