package relay

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	bgpPort = 179
	// maxPassword is the kernel's TCP_MD5SIG_MAXKEYLEN.
	maxPassword = 80
)

// neighbor is a rib.Neighbor with what its zero values stand for.
type neighbor struct{ rib.Neighbor }

func (n neighbor) port() uint16 {
	if n.Port == 0 {
		return bgpPort
	}
	return n.Port
}

func (n neighbor) connectRetry() time.Duration {
	if n.ConnectRetry <= 0 {
		return rib.DefaultConnectRetry
	}
	return n.ConnectRetry
}

func (n neighbor) holdTime() time.Duration {
	if n.HoldTime <= 0 {
		return rib.DefaultHoldTime
	}
	return n.HoldTime
}

// sendTTL is the TTL that our packets have, 0 for the system's default.
func (n neighbor) sendTTL() uint8 {
	if n.TTLSecurity != 0 {
		return 255
	}
	return n.TTL
}

// listenKey is what makes two neighbours share a listening socket.
type listenKey struct {
	device string
	local  netip.Addr // with the zone of a link-local address
	port   uint16
}

func (n neighbor) listenKey() listenKey {
	k := listenKey{device: n.Device, local: n.Local.WithZone(n.Peer.Zone()), port: n.ListenPort}
	if k.port == 0 {
		k.port = bgpPort
	}
	return k
}

var aliases = netip.MustParsePrefix("127.0.0.0/8")

func (n neighbor) check() error {
	switch {
	case !n.Peer.IsValid() || n.Peer.IsUnspecified() || n.Peer.IsMulticast() || n.Peer.Is4In6():
		return fmt.Errorf("%v is not the address of a peer", n.Peer)
	case !n.Local.IsValid() || n.Local.IsUnspecified() || n.Local.IsMulticast() || n.Local.Is4In6():
		return fmt.Errorf("its local address is %v: give our address towards it in that namespace", n.Local)
	case n.Peer.Is4() != n.Local.Is4():
		return fmt.Errorf("its local address %v is of another family", n.Local)
	case n.Peer.Is6() && n.Peer.IsLinkLocalUnicast() != (n.Peer.Zone() != ""):
		return fmt.Errorf("a link-local peer needs its interface, %v%%eth0, and no other peer has one", n.Peer.WithZone(""))
	case n.Peer.Zone() != "" && !n.Local.IsLinkLocalUnicast():
		return fmt.Errorf("a link-local peer needs a link-local local address, and %v is none", n.Local)
	case n.Peer.Zone() == "" && n.Local.IsLinkLocalUnicast() && n.Local.Is6():
		return fmt.Errorf("its local address %v is link-local and the peer is not", n.Local)
	case n.Local.Zone() != "" && n.Local.Zone() != n.Peer.Zone():
		return fmt.Errorf("its local address is on %s and the peer on %q", n.Local.Zone(), n.Peer.Zone())
	case n.Peer.WithZone("") == n.Local.WithZone(""):
		return fmt.Errorf("its local address is the peer's")
	case !aliases.Contains(n.Alias):
		return fmt.Errorf("its alias %v is not in %v", n.Alias, aliases)
	case len(n.Password) > maxPassword || len(n.Secret) > maxPassword:
		return fmt.Errorf("its password has more than %d bytes", maxPassword)
	case n.ConnectRetry < 0 || n.HoldTime < 0:
		return fmt.Errorf("a time is negative")
	}
	return nil
}

// check finds what contradicts itself in a set of neighbours.
func check(neighbors []rib.Neighbor) error {
	type place struct {
		key  listenKey
		ns   string
		peer netip.Addr
	}
	aliases := make(map[netip.Addr]neighbor, len(neighbors))
	places := make(map[place]struct{}, len(neighbors))
	for _, given := range neighbors {
		n := neighbor{given}
		if err := n.check(); err != nil {
			return fmt.Errorf("neighbour %v: %w", n, err)
		}
		if other, taken := aliases[n.Alias]; taken {
			return fmt.Errorf("neighbour %v: its alias %v is that of %v", n, n.Alias, other)
		}
		aliases[n.Alias] = n
		at := place{n.listenKey(), n.Netns, n.Peer}
		if _, taken := places[at]; taken {
			return fmt.Errorf("neighbour %v: it is there twice with the local address %v", n, n.Local)
		}
		places[at] = struct{}{}
	}
	return nil
}
