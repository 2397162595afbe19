package gobgp3

import (
	"net"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// figures are how much each neighbour has said and was told, as of at most a second ago: who
// asks costs GoBGP's loop nothing, and is answered while that is busy.
type figures struct {
	*loop
	of atomic.Pointer[map[string]figure] // by GoBGP's name of the neighbour; nil: none were taken
}

// figure is of one neighbour.
type figure struct {
	traffic rib.Traffic
	local   netip.Addr // our end of a session that is up
}

// take is called in the loop, once a second.
func (f *figures) take() {
	all := make(map[string]figure, len(*f.neighbors.in(unsafe.Pointer(f.server()))))
	for name, p := range f.peers() {
		all[name] = figureOf(p)
	}
	f.of.Store(&all)
}

func figureOf(p livePeer) (f figure) {
	f.traffic.Accepted, f.traffic.Advertised = -1, -1
	for _, t := range p.adjIn().table {
		f.traffic.Received += len(t.destinations)
	}
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		in, out := n.State.Messages.Received, n.State.Messages.Sent
		f.traffic.In = rib.Messages{Total: in.Total, Open: in.Open, Update: in.Update, Notification: in.Notification, Keepalive: in.Keepalive, Refresh: in.Refresh}
		f.traffic.Out = rib.Messages{Total: out.Total, Open: out.Open, Update: out.Update, Notification: out.Notification, Keepalive: out.Keepalive, Refresh: out.Refresh}
		if state != bgp.BGP_FSM_ESTABLISHED {
			return
		}
		conn := *p.conn.in(p.fsm)
		if conn == nil {
			return
		}
		if at, is := conn.LocalAddr().(*net.TCPAddr); is {
			f.local, _ = netip.AddrFromSlice(at.IP)
			f.local = f.local.Unmap()
		}
	})
	return f
}

// tell adds them to sessions.
func (f *figures) tell(sessions map[string]shown) {
	all := f.of.Load()
	for name, s := range sessions {
		s.Traffic.Accepted, s.Traffic.Advertised = -1, -1
		if all != nil {
			if of, known := (*all)[name]; known {
				s.Traffic = of.traffic
				if s.State == "established" && of.local.IsValid() {
					s.Local = of.local
				}
			}
		}
		sessions[name] = s
	}
}
