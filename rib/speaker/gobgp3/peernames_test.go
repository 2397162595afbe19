package gobgp3

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// TestIdentity: the paths that stay of a session that ended are read as they were while the next
// session says who the neighbour is, which GoBGP writes where they refer to (only the race detector
// tells).
func TestIdentity(t *testing.T) {
	names := newPeerNames(nil)
	peer := &bgpPeer{AS: 65001, ID: net.IP{10, 0, 0, 1}, Address: net.IP{192, 0, 2, 1}}
	names.known[unsafe.SliceData(peer.Address)] = peerName{name: "192.0.2.1", as: 65001, id: net.IP{10, 0, 0, 1}}
	d := newDecoder(&conf.Config{}, names)
	origin := &bgpOrigin{source: peer, nlri: bgp.NewIPAddrPrefix(24, "203.0.113.0")}
	list := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeNextHop("192.0.2.1")}

	begun, done := make(chan struct{}), make(chan struct{})
	var session sync.WaitGroup
	session.Go(func() {
		close(begun)
		for {
			select {
			case <-done:
				return
			default:
				peer.AS, peer.ID = 65002, net.IP{10, 0, 0, 2} // as opensent in pkg/server/fsm.go
			}
		}
	})
	<-begun
	for range 1000 {
		e, err := d.attrs(origin, list, speaker.Destination{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		if err != nil || e.attrs.PeerAS != 65001 || e.attrs.RouterID != netip.MustParseAddr("10.0.0.1") {
			t.Fatalf("decoded as %+v, %v", e, err)
		}
	}
	close(done)
	session.Wait()
}
