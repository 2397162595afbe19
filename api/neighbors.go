package api

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

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
	var list []vrf.Session
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, n := range all[name] {
			if (r.GetVrf() == "" || r.GetVrf() == name) && wanted(n) {
				list = append(list, n)
				m := neighborMessage(n)
				m.Vrf = name
				out.Neighbors = append(out.Neighbors, m)
			}
		}
	}
	if r.GetName() != "" && len(out.Neighbors) == 0 {
		return nil, status.Errorf(codes.NotFound, "there is no neighbour %s; `vrfredist neighbor` lists those that there are", r.GetName())
	}
	if r.GetCount() {
		countRoutes(ctx, view, out.Neighbors, list, r.GetName() != "")
	}
	return out, nil
}

// A list of neighbours counts at most so many routes of all of them together, for so long: who looks
// at a list has an answer at once, and BGP its time.
const (
	countedInList = 20_000
	countTime     = 100 * time.Millisecond
)

// countRoutes counts what is accepted of neighbours, and what they are told. Where one is asked
// for, it takes its time.
func countRoutes(ctx context.Context, view view, out []*vrfredistv1.Neighbor, list []vrf.Session, whole bool) {
	most := 0
	if !whole {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, countTime)
		defer cancel()
		most = countedInList
	}
	var up []vrf.Session // the others have sent nothing, and are told nothing
	var at []*vrfredistv1.Neighbor
	for i, n := range list {
		if n.State == vrf.Established {
			up, at = append(up, n), append(at, out[i])
		}
	}
	// What could not be counted is not told: a neighbour went, or there are too many routes.
	_ = view.CountRoutes(ctx, up, most, func(i, accepted, advertised int) {
		at[i].Accepted, at[i].Advertised = new(uint32(accepted)), new(uint32(advertised))
	})
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
