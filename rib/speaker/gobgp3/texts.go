package gobgp3

import (
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// texts spares GoBGP from making the text of an IP prefix route, under which it has the route's
// destinations (keys.go): while it handles a message it asks twice for it, to look into the
// adj-RIB-in and into its own table (AdjRib.Update and Table.update in internal/pkg/table), before
// neighbours and watchers of best paths are told of the route. So the routes of a message have their
// texts with them until then. It is the loop's own.
type texts struct {
	lent []*routeWithText
	n    int // how many of lent are of the message in hand
}

// routeWithText is an IP prefix route in an NLRI that has its text with it.
type routeWithText struct {
	*bgp.EVPNIPPrefixRoute
	in   *bgp.EVPNNLRI
	text string
	asks int // for the text that are still to come; 0: the NLRI has its own route again
}

// lookups is how often GoBGP asks for the text of a route before it tells others of the route.
const lookups = 2

// lend has a route say its text until GoBGP has looked it up.
func (t *texts) lend(in *bgp.EVPNNLRI, r *bgp.EVPNIPPrefixRoute, text string) {
	if t.n == len(t.lent) {
		t.lent = append(t.lent, new(routeWithText))
	}
	l := t.lent[t.n]
	t.n++
	*l = routeWithText{r, in, text, lookups}
	in.RouteTypeData = l
}

// String is what GoBGP asks for. With the last time the NLRI is as it was: others may read it from
// then on.
func (l *routeWithText) String() string {
	text := l.text
	if l.asks--; l.asks == 0 {
		l.in.RouteTypeData = l.EVPNIPPrefixRoute
	}
	return text
}

// takeBack ends the message: GoBGP has asked less often for routes that it refused.
func (t *texts) takeBack() {
	for _, l := range t.lent[:t.n] {
		if l.asks > 0 {
			l.in.RouteTypeData = l.EVPNIPPrefixRoute
		}
		*l = routeWithText{}
	}
	t.n = 0
}

// overheard tells whether a watcher of somebody else's may read the routes of a message in another
// goroutine before GoBGP has looked them up: one of messages, or of paths by neighbour. It is called in
// the loop.
func overheard(l *loop) bool {
	for kind, list := range *l.watchers.in(unsafe.Pointer(l.server())) {
		switch kind {
		case ofBestPaths, "eor", "peerstate": // told later, or of no routes
		case "receivedmessage":
			if len(list) > 1 { // one is ours
				return true
			}
		default:
			if len(list) > 0 {
				return true
			}
		}
	}
	return false
}
