package gobgp3

import (
	"fmt"
	"net"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/eapache/channels"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// GoBGP v3 offers its best paths in one way, WatchEvent, which renders each as a
// message of the gRPC API, also for a caller in the same process: some 7 µs and 2 KB
// for a route, which the caller then unmarshals again, where GoBGP itself takes 12 µs
// to receive, judge and store it. WatchEvent is a goroutine around a watcher that is
// not exported. This file takes that watcher instead, and reads GoBGP's own paths.
//
// It depends on GoBGP's insides, so nothing here is taken for granted: a function
// that is not there does not link (linked.go), and the layout of every struct is compared
// with GoBGP's, by checkInternals before BGP starts, and by shapes.learn when the first
// event comes. Where one differs, Run fails. No field is read but those that WatchEvent
// reads, and none written but a watcher's filters. insides.go has the tables behind it.

// watchOption gets a watcher's options, which are where the watcher is.
type watchOption func(unsafe.Pointer)

// bgpPath is table.Path: a path that was received, or a change of its parent. The
// fields of these mirrors are named as GoBGP's, and _ where nothing reads them.
type bgpPath struct {
	info      *bgpOrigin // of the first parent
	parent    *bgpPath
	pathAttrs []bgp.PathAttributeInterface
	dels      []bgp.BGPAttrType
	attrsHash uint32
	rejected  bool // of adj-RIB-in: a loop check refused it
	dropped   bool // of a withdrawal: the path's local identifier is free again

	IsNexthopInvalid bool
	IsWithdraw       bool
}

// bgpOrigin is table.originInfo.
type bgpOrigin struct {
	nlri           bgp.AddrPrefixInterface
	source         *bgpPeer
	timestamp      int64 // Unix seconds
	_              bool
	isFromExternal bool
	_              bool
	_              bool
}

// bgpPeer is table.PeerInfo. Of a path that originated here the Address is nil. A session
// that comes up writes AS and ID.
type bgpPeer struct {
	AS      uint32
	ID      net.IP
	_       uint32
	LocalID net.IP
	Address net.IP
	_       net.IP
	_       bool
	_       net.IP
	_       uint8
	_       bool
}

// bestEvent is server.watchEventBestPath: the best path of a destination, or a withdrawn
// one where it has none left; nothing, where the best path stays; of a batch of changes the
// paths of those of which it does not.
type bestEvent struct {
	PathList      []*bgpPath
	MultiPathList [][]*bgpPath // also, where multipath is on: those as good as the best
	_             map[uint32]bool
}

// eorEvent is server.watchEventEor.
type eorEvent struct {
	Family   bgp.RouteFamily
	PeerInfo *bgpPeer
}

// messageEvent is server.watchEventMessage: a message of a neighbour, before GoBGP handles
// it, which it may not do.
type messageEvent struct {
	Message     *bgp.BGPMessage
	_           uint32
	_           uint32
	PeerAddress net.IP // without its zone
	_           net.IP
	_           net.IP
	_           bool
	_           time.Time
	_           bool
}

// origin is where a path came from, as it was received.
func (p *bgpPath) origin() *bgpOrigin {
	for p.parent != nil {
		p = p.parent
	}
	return p.info
}

// attributes are the attributes of a path. The list belongs to GoBGP and to other paths.
func (p *bgpPath) attributes() []bgp.PathAttributeInterface {
	for q := p; len(q.dels) == 0; q = q.parent {
		if q.parent == nil {
			return q.pathAttrs
		}
		if len(q.pathAttrs) > 0 {
			break
		}
	}
	return pathAttributes(p) // a policy changed them: a list is made of the changes
}

// stream is a watch of GoBGP's messages, best paths and End-of-RIB markers, in their one
// order: the markers that there were already come from events, up to pastEnd, and all
// else from live.
type stream struct {
	watcher unsafe.Pointer
	events  <-chan any
	live    *queue
}

// pastEnd comes after the markers that there were already.
type pastEnd struct{}

// eventKinds are GoBGP's names of the events that a watch is for, under which it looks
// for a watcher's filters.
var eventKinds = []string{"bestpath", "eor", "receivedmessage"}

// watchAll starts a watch. It waits for GoBGP's loop.
//
// GoBGP shows each new event to a watcher's filter before it goes into the watcher's
// channels, in the loop itself, and drops the events that the filter does not pass. This
// filter passes none, and has changes put into a queue of ours what it tells. seen is called
// in the loop for each event of best paths and End-of-RIB.
func watchAll(c *changes, seen func(event any)) (stream, error) {
	live := newQueue()
	divert := func(opts unsafe.Pointer) { // it is called in the loop
		c.follow(live)
		filters := *(*map[string]func(any) bool)(unsafe.Add(opts, filtersAt()))
		for _, kind := range eventKinds {
			filters[kind] = func(event any) bool { c.event(live, event, seen); return false }
		}
	}
	w := serverWatch(c.server(), watchBestPath(false), watchEOR(true), watchMessage(false), divert)
	b := stream{w, watcherEvent(w), live}
	if err := b.checkKinds(c.loop); err != nil {
		b.stop()
		return stream{}, err
	}
	ch := reflect.NewAt(watcherType(), w).Elem().FieldByName("ch")
	// The filters divert later events to our queue, so this marker is the last item in
	// the channel: all before it is from before the watch.
	(*channels.InfiniteChannel)(ch.UnsafePointer()).In() <- pastEnd{}
	return b, nil
}

// checkKinds makes sure that GoBGP has the watcher under eventKinds, and so looks for
// filters under those names: under other names it would find none, and fill the channel,
// which nobody reads after pastEnd.
func (b stream) checkKinds(l *loop) error {
	var kinds []string
	err := l.inLoop(func() error {
		field, _ := reflect.TypeFor[server.BgpServer]().FieldByName("watcherMap")
		all := reflect.NewAt(field.Type, unsafe.Add(unsafe.Pointer(l.server()), field.Offset)).Elem()
		for it := all.MapRange(); it.Next(); {
			for i := range it.Value().Len() {
				if it.Value().Index(i).UnsafePointer() == b.watcher {
					kinds = append(kinds, it.Key().String())
				}
			}
		}
		return nil
	})
	if slices.Sort(kinds); err == nil && !slices.Equal(kinds, eventKinds) {
		err = internalsError("the events of best paths, of End-of-RIB and of messages are called %q, not %q", kinds, eventKinds)
	}
	return err
}

// errLate is that of an event that came by a watcher's channel after pastEnd: GoBGP
// has not asked the filter.
func errLate(event any) error {
	return internalsError("a %T came by the watcher's channel, past its filters", event)
}

// stop ends the watch. It waits for GoBGP's loop.
func (b stream) stop() { watcherStop(b.watcher) }

// filtersAt is how far behind a watcher's options, which are its first field, its
// filters are.
func filtersAt() uintptr {
	filters, _ := watcherType().FieldByName("filters")
	return filters.Offset
}

// checkInternals compares the mirrors with GoBGP's types, as far as its server leads
// to them.
func checkInternals() error {
	w := watcherType()
	if w == nil {
		return internalsError("BgpServer.watcherMap is no map of lists of watchers")
	}
	if ch, has := w.FieldByName("ch"); !has || ch.Type != reflect.TypeFor[*channels.InfiniteChannel]() {
		return internalsError("watcher.ch is no *channels.InfiniteChannel")
	}
	if opts, has := w.FieldByName("opts"); !has || opts.Offset != 0 {
		return internalsError("watcher.opts is not its first field")
	}
	if filters, has := w.FieldByName("filters"); !has || !isFilters(filters.Type) {
		return internalsError("watcher.filters is no map[string]func(any) bool")
	}
	path := pathType()
	if path == nil {
		return internalsError("no BgpServer.globalRib.Tables[].destinations[].knownPathList[]")
	}
	return same(path, reflect.TypeFor[bgpPath]())
}

// isFilters tells whether a type is, but for the names of its parts, that of
// map[string]func(any) bool.
func isFilters(t reflect.Type) bool {
	return same(t, reflect.TypeFor[map[string]func(any) bool]()) == nil
}

func watcherType() reflect.Type { return follow(reflect.TypeFor[server.BgpServer](), "watcherMap") }

// pathType is table.Path.
func pathType() reflect.Type {
	return follow(reflect.TypeFor[server.BgpServer](), "globalRib", "Tables", "destinations", "knownPathList")
}

// shapes are the types of GoBGP's events, which only an event itself shows.
type shapes struct{ best, eor, message reflect.Type }

// read returns an event, the others being nil.
func (s *shapes) read(event any) (*bestEvent, *eorEvent, *messageEvent, error) {
	t := reflect.TypeOf(event)
	if t == nil || t != s.best && t != s.eor && t != s.message {
		if err := s.learn(t); err != nil {
			return nil, nil, nil, err
		}
	}
	switch p := reflect.ValueOf(event).UnsafePointer(); t {
	case s.best:
		return (*bestEvent)(p), nil, nil, nil
	case s.eor:
		return nil, (*eorEvent)(p), nil, nil
	default:
		return nil, nil, (*messageEvent)(p), nil
	}
}

func (s *shapes) learn(t reflect.Type) error {
	var mirror reflect.Type
	is := &s.best
	switch fmt.Sprint(t) {
	case "*server.watchEventBestPath":
		mirror = reflect.TypeFor[*bestEvent]()
	case "*server.watchEventEor":
		mirror, is = reflect.TypeFor[*eorEvent](), &s.eor
	case "*server.watchEventMessage":
		mirror, is = reflect.TypeFor[*messageEvent](), &s.message
	default:
		return internalsError("an event of best paths is a %v", t)
	}
	if err := same(t, mirror); err != nil {
		return err
	}
	*is = t
	return nil
}
