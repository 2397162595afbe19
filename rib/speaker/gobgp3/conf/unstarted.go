package conf

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Unstarted are the neighbours of a configuration that Check found good, before BGP has started; why is
// the reason for which there is no session yet.
func Unstarted(text []byte, why string) ([]speaker.Session, error) {
	c, err := Read(text, rib.Extras{}, func(string, func(netip.Addr) bool) (netip.Addr, string) { return netip.Addr{}, why })
	if err != nil {
		return nil, err
	}
	var list []speaker.Session
	for i := range c.Set.Neighbors {
		n := &c.Set.Neighbors[i].Config
		addr, err := netip.ParseAddr(n.NeighborAddress)
		if err != nil {
			return nil, err
		}
		list = append(list, speaker.Session{
			VRF: n.Vrf, Address: addr, PeerAS: n.PeerAs, State: speaker.Pending, Reason: why, Stopped: n.AdminDown, Origin: speaker.Configured,
		})
	}
	for _, w := range c.Waiting {
		list = append(list, w.Session)
	}
	return list, nil
}
