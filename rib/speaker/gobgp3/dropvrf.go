package gobgp3

import (
	"bytes"
	"context"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/grpc"
)

// deleteVRF has GoBGP delete a VRF, and withdraws what it leaves behind: of each prefix
// it withdraws the first local path alone, and of a family that it does not expect none.
func (k *keeper) deleteVRF(ctx context.Context, name string) error {
	return k.withoutPaths(name, func() error {
		return k.bgp.DeleteVrf(ctx, &api.DeleteVrfRequest{Name: name})
	})
}

// withoutPaths withdraws every local path of a VRF's RD once deleted has deleted the VRF.
// It is done after that, not before: a VRF that GoBGP keeps, as it has neighbours, keeps
// its paths.
func (k *keeper) withoutPaths(name string, deleted func() error) error {
	var rd bgp.RouteDistinguisherInterface
	_ = k.inLoop(func() error {
		if v := k.rib().Vrfs[name]; v != nil {
			rd = v.Rd
		}
		return nil
	})
	if err := deleted(); err != nil || rd == nil {
		return err
	}
	return k.withdrawLocal(rd)
}

// withdrawLocal withdraws the local paths of an RD that no VRF has any more, some at a
// time.
func (k *keeper) withdrawLocal(rd bgp.RouteDistinguisherInterface) error {
	var left []*bgpPath
	err := k.inLoop(func() error {
		for _, v := range k.rib().Vrfs {
			if v.Rd.String() == rd.String() {
				return nil // it was made anew meanwhile
			}
		}
		left = k.local(rd)
		return nil
	})
	for some := range slices.Chunk(left, announceBatch) {
		if err != nil {
			return err
		}
		err = k.inLoop(func() error { serverPropagate(k.bgp, nil, some); return nil })
	}
	return err
}

// local returns withdrawals of all paths of an RD that originated here.
func (k *keeper) local(rd bgp.RouteDistinguisherInterface) []*bgpPath {
	var list []*bgpPath
	want, err := rd.Serialize()
	if err != nil {
		return nil // no VRF of GoBGP has such a one
	}
	for _, t := range k.rib().Tables {
		for _, d := range t.destinations {
			of := rdOf(d.nlri)
			if of == nil {
				break // a table is of one family
			}
			if b, err := of.Serialize(); err != nil || !bytes.Equal(b, want) {
				continue
			}
			for _, p := range d.knownPathList {
				if p.origin().source.Address == nil {
					list = append(list, &bgpPath{parent: p, attrsHash: p.attrsHash, IsWithdraw: true, dropped: true})
				}
			}
		}
	}
	return list
}

// rdOf is the route distinguisher of what has one; nil: it has none.
func rdOf(nlri bgp.AddrPrefixInterface) bgp.RouteDistinguisherInterface {
	switch n := nlri.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		return n.RD
	case *bgp.LabeledVPNIPv6AddrPrefix:
		return n.RD
	case interface {
		RD() bgp.RouteDistinguisherInterface
	}:
		return n.RD()
	}
	return nil
}

// heedVRF is a part of the gRPC server: a VRF that a client deletes leaves no path
// behind either.
func (s *Speaker) heedVRF(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	r, is := request.(*api.DeleteVrfRequest)
	if !is || s.server() == nil {
		return handler(ctx, request)
	}
	err = s.keeper.withoutPaths(r.GetName(), func() error {
		answer, err = handler(ctx, request)
		return err
	})
	return answer, err
}
