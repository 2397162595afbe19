package gobgp3

import (
	"encoding/binary"
	"fmt"
	"iter"
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
	of, err := decodeRD(rd)
	if err != nil {
		return fmt.Errorf("withdraw the routes of VRF %q, which is deleted: its RD: %w", name, err)
	}
	return l.withdrawLocal(map[rib.RD]bool{of: true})
}

const (
	// withdrawBatch is how many paths the loop withdraws at once.
	withdrawBatch = 100
	// passedBatch is how many destinations it goes through at once, some 0.1 ms.
	passedBatch = 512
)

// withdrawLocal withdraws the local paths of RDs that no VRF has any more. It goes through the tables
// a few destinations in a turn of the loop: they are those of all VRFs, whose routes wait meanwhile.
func (l *loop) withdrawLocal(rds map[rib.RD]bool) error {
	next, stop := iter.Pull(l.distinguished(rds))
	defer stop()
	for more := len(rds) > 0; more; {
		err := l.inLoop(func() error {
			var some []*bgpPath
			for i := 0; i < passedBatch && len(some) < withdrawBatch && more; i++ {
				var d *bgpDestination
				if d, more = next(); d != nil {
					some = append(some, withdrawals(d)...)
				}
			}
			if some = l.homeless(some); len(some) > 0 {
				serverPropagate(l.server(), nil, some)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// homeless are the paths of which no VRF has the RD: one may have been made anew meanwhile, or be another
// client's.
func (l *loop) homeless(paths []*bgpPath) []*bgpPath {
	if len(paths) == 0 {
		return nil
	}
	has := make(map[rib.RD]bool)
	for _, v := range l.rib().Vrfs {
		if rd, err := decodeRD(v.Rd); err == nil {
			has[rd] = true
		}
	}
	return slices.DeleteFunc(paths, func(p *bgpPath) bool {
		rd, err := decodeRD(rdOf(p.origin().nlri))
		return err != nil || has[rd]
	})
}

// distinguished are the destinations with one of these RDs, and nil for each of another one. What comes
// while somebody goes through them may be among them, and what goes is not.
func (l *loop) distinguished(rds map[rib.RD]bool) iter.Seq[*bgpDestination] {
	return func(yield func(*bgpDestination) bool) {
		for family, t := range l.rib().Tables {
			for key, d := range t.destinations {
				rd, is := rdOfKey(family, key)
				if !is {
					of := rdOf(d.nlri)
					if of == nil {
						break // a table is of one family
					}
					var err error
					rd, err = decodeRD(of)
					is = err == nil
				}
				if !is || !rds[rd] {
					d = nil
				}
				if !yield(d) {
					return
				}
			}
		}
	}
}

// rdOfKey is the RD with which the key of a VPN route's destination begins: it is there without a look at
// the destination, of which the table may have a million.
func rdOfKey(family bgp.RouteFamily, key string) (rib.RD, bool) {
	if family != bgp.RF_IPv4_VPN && family != bgp.RF_IPv6_VPN || len(key) < 8 {
		return 0, false
	}
	return rib.RD(binary.BigEndian.Uint64([]byte(key[:8]))), true
}

// localOf returns withdrawals of all paths of an RD that originated here.
func (l *loop) localOf(rd bgp.RouteDistinguisherInterface) (list []*bgpPath) {
	want, err := decodeRD(rd)
	if err != nil {
		return nil // no VRF of GoBGP has an RD of another kind
	}
	for d := range l.distinguished(map[rib.RD]bool{want: true}) {
		if d != nil {
			list = append(list, withdrawals(d)...)
		}
	}
	return list
}

// withdrawals are those of the paths of a destination that originated here.
func withdrawals(d *bgpDestination) (list []*bgpPath) {
	for _, p := range d.knownPathList {
		if p.origin().source.Address == nil {
			list = append(list, &bgpPath{parent: p, attrsHash: p.attrsHash, IsWithdraw: true, dropped: true})
		}
	}
	return list
}
