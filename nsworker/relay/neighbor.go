package relay

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	bgpPort = 179
	// The defaults of GoBGP, which a neighbour without settings has there too.
	defaultConnectRetry = 120 * time.Second
	defaultHoldTime     = 90 * time.Second
	// maxPassword is the kernel's TCP_MD5SIG_MAXKEYLEN.
	maxPassword = 80
)

// Neighbor is a BGP neighbour inside a network namespace. Two that are equal in
// every field are the same neighbour to Set.
type Neighbor struct {
	VRF   string // for logs and status only
	Netns string // as Sockets takes it
	// Device binds the sockets to an interface or VRF device of the namespace.
	// "": none.
	Device string
	// Peer is the neighbour's address; a link-local one has its interface as
	// the zone.
	Peer netip.Addr
	// Local is our address towards the peer, of the same family. The address of
	// a link-local peer is link-local too, and takes the peer's zone.
	Local      netip.Addr
	Port       uint16 // of the peer; 0 is 179
	ListenPort uint16 // ours; 0 is 179
	// Alias is where the connection to the BGP server comes from: an address in
	// 127.0.0.0/8 that no other neighbour has, GoBGP's neighbor-address.
	Alias netip.Addr
	// Secret is the MD5 key of the connection from Alias to the BGP server;
	// "": none. Any user of the host may send from any address in 127.0.0.0/8,
	// and without a secret may pass for the neighbour.
	Secret string
	// Password is the MD5 key of the session with the peer, at most 80 bytes;
	// "": none.
	Password string
	// TTLSecurity is the least TTL or hop limit that is taken from the peer; we
	// send 255 then (RFC 5082). 0: off.
	TTLSecurity uint8
	// TTL is what we send: 1 for eBGP, the number of hops for multihop eBGP.
	// 0: the system's default.
	TTL uint8
	// PassiveOnly leaves the dialling to the peer.
	PassiveOnly bool
	// ConnectRetry is the longest time between two attempts to dial; the first
	// ones follow each other sooner. 0: 120 s.
	ConnectRetry time.Duration
	// HoldTime is BGP's hold time as configured: a peer that acknowledges
	// nothing for so long is given up. 0: 90 s.
	HoldTime time.Duration
}

// String names the neighbour for a person. It keeps the secrets out of
// whatever prints a Neighbor.
func (n Neighbor) String() string {
	return fmt.Sprintf("%v in %s", n.Peer, rib.NetnsText(n.Netns))
}

// GoString does the same for %#v.
func (n Neighbor) GoString() string { return n.String() }

func (n Neighbor) port() uint16 {
	if n.Port == 0 {
		return bgpPort
	}
	return n.Port
}

func (n Neighbor) connectRetry() time.Duration {
	if n.ConnectRetry <= 0 {
		return defaultConnectRetry
	}
	return n.ConnectRetry
}

func (n Neighbor) holdTime() time.Duration {
	if n.HoldTime <= 0 {
		return defaultHoldTime
	}
	return n.HoldTime
}

// sendTTL is the TTL that our packets have, 0 for the system's default.
func (n Neighbor) sendTTL() uint8 {
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

func (n Neighbor) listenKey() listenKey {
	k := listenKey{device: n.Device, local: n.Local.WithZone(n.Peer.Zone()), port: n.ListenPort}
	if k.port == 0 {
		k.port = bgpPort
	}
	return k
}

var aliases = netip.MustParsePrefix("127.0.0.0/8")

func (n Neighbor) check() error {
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
func check(neighbors []Neighbor) error {
	type place struct {
		key  listenKey
		ns   string
		peer netip.Addr
	}
	aliases := make(map[netip.Addr]Neighbor, len(neighbors))
	places := make(map[place]struct{}, len(neighbors))
	for _, n := range neighbors {
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
