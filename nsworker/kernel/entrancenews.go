package kernel

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// entranceNews is what a namespace's monitor tells Entrances. The monitor guards it, but for ready.
type entranceNews struct {
	ready    chan struct{}
	protocol uint8
	port     uint32 // of the socket by which they are changed: its own changes are no news
	// of are the labels and SIDs that are to be heard of, whoever changes them; others only where
	// they are ours.
	of map[entranceKey]struct{}
}

// entranceKey is a label or a SID.
type entranceKey struct {
	label uint32
	sid   netip.Addr
}

func keyOf(e *rib.Entrance) entranceKey { return entranceKey{e.Label, e.SID} }

func newEntranceNews(protocol uint8, port uint32) *entranceNews {
	return &entranceNews{ready: make(chan struct{}, 1), protocol: protocol, port: port, of: make(map[entranceKey]struct{})}
}

func (n *entranceNews) signal() {
	select {
	case n.ready <- struct{}{}:
	default:
	}
}

// hear takes in a route message.
func (n *entranceNews) hear(m message) {
	if m.port != n.port && n.concerns(m.body) {
		n.signal()
	}
}

// concerns tells whether a route message is about a label or SID that is to be heard of, or about
// the end of a table or locator that is ours.
func (n *entranceNews) concerns(body []byte) bool {
	const protocol, kind, most = 5, 7, 128 // places in struct rtmsg, and the bits of a SID
	if len(body) < unix.SizeofRtMsg {
		return false
	}
	ours := body[protocol] == n.protocol
	switch {
	case body[0] == unix.AF_MPLS:
		if ours {
			return true
		}
		label, _ := oneLabel(attribute(body[unix.SizeofRtMsg:], unix.RTA_DST))
		_, is := n.of[entranceKey{label: label}]
		return is
	case ours && rib.Kind(body[kind]) == rib.KindUnreachable:
		return attrU32(attribute(body[unix.SizeofRtMsg:], unix.RTA_PRIORITY)) == rib.CoreMetric
	case body[0] == unix.AF_INET6 && body[1] == most:
		if _, is := n.of[entranceKey{sid: attrAddr(attribute(body[unix.SizeofRtMsg:], unix.RTA_DST))}]; is {
			return true
		}
		return ours && ofSID(body, n.protocol)
	}
	return false
}
