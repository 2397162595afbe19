package gobgp3

import (
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// localAddresses has GoBGP announce the address at which a session is, where it would
// announce ::. When a session is established GoBGP notes the local-address of the
// configuration as the nexthop of what it announces there, and reads an address with a zone
// as none at all. But it needs the zone to dial and to compare who dials in. So for the
// turn of the loop in which it makes the note the address is the one that stands for any, of
// which it takes the connection's, and then is what it was.
type localAddresses struct {
	*loop
	taken []takenAddress // the loop's own
}

type takenAddress struct {
	peer livePeer
	was  string
}

// established is called in the loop, with the session's lock held, before GoBGP makes the
// note.
func (l *localAddresses) established(p livePeer) {
	transport := &(*p.conf.in(p.fsm)).Transport.Config
	if a, err := netip.ParseAddr(transport.LocalAddress); err != nil || a.Zone() == "" {
		return
	}
	l.taken = append(l.taken, takenAddress{p, transport.LocalAddress})
	transport.LocalAddress = netip.IPv6Unspecified().String()
}

// putBack is called in the loop, at the end of that turn.
func (l *localAddresses) putBack() {
	for _, t := range l.taken {
		t.peer.change(func(n *oc.Neighbor) { n.Transport.Config.LocalAddress = t.was })
	}
	clear(l.taken)
	l.taken = l.taken[:0]
}
