package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// withoutPaths withdraws every local path of a VRF's RD once deleted has deleted the VRF.
// It is done after that, not before: a VRF that GoBGP keeps, as it has neighbours, keeps
// its paths.
func (l *loop) withoutPaths(name string, deleted func() error) error {
	var rd bgp.RouteDistinguisherInterface
	_ = l.inLoop(func() error {
		if v := l.rib().Vrfs[name]; v != nil {
			rd = v.Rd
		}
		return nil
	})
	if err := deleted(); err != nil || rd == nil {
		return err
	}
	return l.withdrawLocal(rd)
}

// withdrawBatch is how many paths the loop withdraws at once.
const withdrawBatch = 100

// withdrawLocal withdraws the local paths of an RD that no VRF has any more, some at a
// time.
func (l *loop) withdrawLocal(rd bgp.RouteDistinguisherInterface) error {
	var left []*bgpPath
	err := l.inLoop(func() error {
		for _, v := range l.rib().Vrfs {
			if v.Rd.String() == rd.String() {
				return nil // it was made anew meanwhile
			}
		}
		left = l.localOf(rd)
		return nil
	})
	for some := range slices.Chunk(left, withdrawBatch) {
		if err != nil {
			return err
		}
		err = l.inLoop(func() error { serverPropagate(l.server(), nil, some); return nil })
	}
	return err
}

// localOf returns withdrawals of all paths of an RD that originated here.
func (l *loop) localOf(rd bgp.RouteDistinguisherInterface) []*bgpPath {
	want, err := decodeRD(rd)
	if err != nil {
		return nil // no VRF of GoBGP has an RD of another kind
	}
	return l.localPaths(func(rd rib.RD) bool { return rd == want })
}

// localPaths returns withdrawals of all paths of some RDs that originated here.
func (l *loop) localPaths(wants func(rib.RD) bool) []*bgpPath {
	var list []*bgpPath
	for _, t := range l.rib().Tables {
		for _, d := range t.destinations {
			of := rdOf(d.nlri)
			if of == nil {
				break // a table is of one family
			}
			if rd, err := decodeRD(of); err != nil || !wants(rd) {
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
