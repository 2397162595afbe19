package daemon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// sessions is BGP as far as its neighbours are concerned.
type sessions interface {
	// Sessions returns the neighbours by address, and how each fares.
	Sessions() []speaker.Session
	// Guarded returns what was done to the messages of each neighbour, which is named by
	// the address that BGP knows it by; the VRF of the global table is "".
	Guarded() []vrf.Guarded
}

// carrier carries the sessions of neighbours in namespaces: the relay.
type carrier interface {
	// Set brings the neighbours to these.
	Set(neighbors []rib.Neighbor) error
	// Open brings the places to these where somebody may dial in of whom nothing is known.
	Open(doors []rib.Doorway)
	// Status returns what is known of each.
	Status() []relay.Status
	// Retry looks at a namespace at once.
	Retry(netns string)
}

// advertiser sends router advertisements on links.
type advertiser interface{ Set(devices []string) }

// neighbors are the BGP neighbours as people know them: BGP has those in namespaces by
// an alias, and the relay knows why one of them has no session. It is a part of the
// api.Backend, and of the sources of metrics and status page.
type neighbors struct {
	bgp     sessions
	relay   carrier
	adverts advertiser
	log     *slog.Logger // nil: none

	steer steering
	drain drains // graceful shutdowns that are under way

	made func(vrf.LayerKey) bool // over the API; nil: none was

	inside atomic.Pointer[map[netip.Addr]rib.Neighbor] // those in namespaces, by alias; nil: none were set
}

// know takes in which neighbours are in namespaces.
func (n *neighbors) know(list []rib.Neighbor) {
	inside := byAlias(list)
	n.inside.Store(&inside)
}

// set hands the relay the neighbours of a configuration.
func (n *neighbors) set(c *config.Config) error {
	n.know(c.Neighbors)
	n.relay.Open(c.Doorways())
	return n.relay.Set(c.Neighbors)
}

func byAlias(list []rib.Neighbor) map[netip.Addr]rib.Neighbor {
	m := make(map[netip.Addr]rib.Neighbor, len(list))
	for _, n := range list {
		m[n.Alias] = n
	}
	return m
}

// behind returns the neighbour in a namespace that BGP knows by an alias.
func (n *neighbors) behind(alias netip.Addr) (rib.Neighbor, bool) {
	inside := n.inside.Load()
	if inside == nil {
		return rib.Neighbor{}, false
	}
	one, is := (*inside)[alias]
	return one, is
}

// link returns where a neighbour is that BGP knows by an alias, and its address there.
func (n *neighbors) link(alias netip.Addr) (netns, device string, inside netip.Addr) {
	one, _ := n.behind(alias)
	return one.Netns, cmp.Or(one.Peer.Zone(), one.Device), one.Peer
}

// called is a neighbour's address as people know it, where BGP knows it by an alias.
func (n *neighbors) called(name string) string {
	alias, err := netip.ParseAddr(name)
	if err != nil {
		return name
	}
	if one, is := n.behind(alias); is {
		return fmt.Sprintf("%s (in the gobgp command line %s)", one, name)
	}
	return name
}

// Sessions implements api.Backend. A neighbour inside a namespace has its own
// address here, and the relay's word on why it has no session.
func (n *neighbors) Sessions(ctx context.Context, name string) ([]vrf.Session, error) {
	all, err := n.AllSessions(ctx)
	return all[name], err
}

// AllSessions implements api.Backend and the sources of metrics and status page: the neighbours of each VRF.
func (n *neighbors) AllSessions(context.Context) (map[string][]vrf.Session, error) {
	return n.all(), nil
}

func (n *neighbors) all() map[string][]vrf.Session {
	inside := make(map[netip.Addr]relay.Status)
	for _, st := range n.relay.Status() {
		inside[st.Alias] = st
	}
	out := make(map[string][]vrf.Session)
	for _, s := range n.bgp.Sessions() {
		session := vrf.Session{
			Peer: s.Address, PeerAS: s.PeerAS, State: s.State, Since: s.Since, Interface: s.Interface, Reason: s.Reason,
			Origin: string(s.Origin), Removed: s.Removed,
			Down: s.Down, Stopped: s.Stopped && s.Explained.IsZero(), Draining: s.Draining, Established: s.Established,
			Local: s.Local, Families: s.Families, Traffic: s.Traffic, Heard: s.Heard, Said: s.Said,
		}
		if st, ok := inside[s.Address]; ok {
			session.Peer, session.Alias, session.Netns, session.Local = st.Peer, st.Alias, st.Netns, st.Local
			session.Reason = reasonOf(s, st)
		}
		if s.Origin == speaker.Configured && n.made != nil && n.made(vrf.NeighborKey(session.Peer.String(), session.Netns)) {
			session.Origin = vrf.OriginAPI
		}
		name := cmp.Or(s.VRF, vrf.Default)
		out[name] = append(out[name], session)
	}
	return out
}

// reasonOf is why a neighbour in a namespace has no session. The relay knows more than that a
// connection broke, or that there was none; BGP, why it ended one or did not take it.
func reasonOf(s speaker.Session, st relay.Status) string {
	explained := !s.Explained.IsZero()
	switch {
	case s.Disabled:
		return strings.ReplaceAll(s.Reason, speaker.AliasWord, st.Peer.String())
	case s.Stopped, s.State == vrf.Established:
		return s.Reason
	case st.Error != "" && !st.Met && (!explained || st.ErrorAt.After(s.Explained)):
		return st.Error
	case explained:
		return s.Reason
	case st.State == relay.StateListening && st.Error == "" && st.ListenError == "" && s.Reason == "":
		return "it has not connected, and we do not dial (passive-mode)"
	}
	return cmp.Or(st.Error, st.ListenError, s.Reason)
}

// Guarded implements metrics.Source. A neighbour inside a namespace has its own address.
func (n *neighbors) Guarded() []vrf.Guarded {
	list := n.bgp.Guarded()
	for i, g := range list {
		list[i].VRF = cmp.Or(g.VRF, vrf.Default)
		if alias, err := netip.ParseAddr(g.Neighbor); err == nil {
			if one, is := n.behind(alias); is {
				list[i].Neighbor, list[i].Netns = one.Peer.String(), one.Netns
			}
		}
	}
	return list
}

// reporting makes the relay look at a namespace whenever a worker in it sees its table
// come or go; by itself it looks now and then.
func (n *neighbors) reporting(netns string, report vrf.Report) vrf.Report {
	var pending atomic.Bool
	return func(st vrf.WorkerStatus) {
		if now := st.State == vrf.Pending; pending.Swap(now) != now {
			n.relay.Retry(netns)
		}
		report(st)
	}
}
