package gobgp3

import (
	"errors"
	"fmt"
	"net"
	"reflect"
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
// that is not there does not link, and the layout of every struct is compared with
// GoBGP's, by checkInternals before BGP starts, and by shapes.learn when the first
// event comes. Where one differs, Run fails. Read is only what WatchEvent reads, and written
// only a watcher's filters. insides.go has the tables behind it.

//go:linkname serverWatch github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).watch
func serverWatch(s *server.BgpServer, options ...watchOption) unsafe.Pointer

//go:linkname watchBestPath github.com/osrg/gobgp/v3/pkg/server.watchBestPath
func watchBestPath(current bool) watchOption

//go:linkname watchEOR github.com/osrg/gobgp/v3/pkg/server.watchEor
func watchEOR(current bool) watchOption

//go:linkname watcherEvent github.com/osrg/gobgp/v3/pkg/server.(*watcher).Event
func watcherEvent(watcher unsafe.Pointer) <-chan any

//go:linkname watcherStop github.com/osrg/gobgp/v3/pkg/server.(*watcher).Stop
func watcherStop(watcher unsafe.Pointer)

//go:linkname getPathAttrs github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).GetPathAttrs
func getPathAttrs(p *bgpPath) []bgp.PathAttributeInterface

// watchOption gets a watcher's options, which are where the watcher is.
type watchOption func(unsafe.Pointer)

// bgpPath is table.Path: one that was received, or a change of its parent. The
// fields of these mirrors are named as GoBGP's, and _ where nothing reads them.
type bgpPath struct {
	info      *bgpOrigin // of the first parent
	parent    *bgpPath
	pathAttrs []bgp.PathAttributeInterface
	dels      []bgp.BGPAttrType
	attrsHash uint32
	_         bool
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

// bgpPeer is table.PeerInfo. Of what originated here the Address is nil. A session
// that comes up writes AS and ID.
type bgpPeer struct {
	AS      uint32
	ID      net.IP
	_       uint32
	_       net.IP
	Address net.IP
	_       net.IP
	_       bool
	_       net.IP
	_       uint8
	_       bool
}

// bestEvent is server.watchEventBestPath: the best paths of a destination, one
// withdrawn where it has none left; or first of all those of the whole table.
type bestEvent struct {
	PathList      []*bgpPath
	MultiPathList [][]*bgpPath // instead, where multipath is on
	_             map[uint32]bool
}

// eorEvent is server.watchEventEor.
type eorEvent struct {
	Family   bgp.RouteFamily
	PeerInfo *bgpPeer
}

// origin is what a path was when it was received.
func (p *bgpPath) origin() *bgpOrigin {
	for p.parent != nil {
		p = p.parent
	}
	return p.info
}

// attributes are those of a path, which GoBGP and other paths have in common.
func (p *bgpPath) attributes() []bgp.PathAttributeInterface {
	for q := p; len(q.dels) == 0; q = q.parent {
		if q.parent == nil {
			return q.pathAttrs
		}
		if len(q.pathAttrs) > 0 {
			break
		}
	}
	return getPathAttrs(p) // a policy changed them: a list is made of the changes
}

// bestPaths is a watch of GoBGP's best paths and End-of-RIB markers, in their one
// order: what there is already comes from events, until snapshotEnd does, and all
// that is new from live.
type bestPaths struct {
	watcher unsafe.Pointer
	events  <-chan any
	live    *queue
}

// snapshotEnd comes after the events of the snapshot.
type snapshotEnd struct{}

// watchBest starts a watch. It waits for GoBGP's loop.
//
// GoBGP lets a filter see what is new before it goes into a watcher's channels, in
// the loop itself, and drops what the filter does not pass. This one passes nothing
// and has put the event into a queue of ours. seen is called for each in the loop.
func watchBest(bgp *server.BgpServer, seen func(event any)) bestPaths {
	live := newQueue()
	divert := func(opts unsafe.Pointer) {
		filters := *(*map[string]func(any) bool)(unsafe.Add(opts, filtersAt()))
		for _, kind := range []string{"bestpath", "eor"} {
			filters[kind] = func(event any) bool { live.put(event); seen(event); return false }
		}
	}
	w := serverWatch(bgp, watchBestPath(true), watchEOR(true), divert)
	ch := reflect.NewAt(watcherType(), w).Elem().FieldByName("ch")
	// Nothing else goes that way any more, so it is behind all of the snapshot.
	(*channels.InfiniteChannel)(ch.UnsafePointer()).In() <- snapshotEnd{}
	return bestPaths{w, watcherEvent(w), live}
}

// stop ends the watch. It waits for GoBGP's loop.
func (b bestPaths) stop() { watcherStop(b.watcher) }

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
	path := follow(reflect.TypeFor[server.BgpServer](), "globalRib", "Tables", "destinations", "knownPathList")
	if path == nil {
		return internalsError("no BgpServer.globalRib.Tables[].destinations[].knownPathList[]")
	}
	return errors.Join(same(path, reflect.TypeFor[bgpPath]()), checkPeer(), checkHeld())
}

// isFilters tells whether a type is, but for the names of its parts, that of
// map[string]func(any) bool.
func isFilters(t reflect.Type) bool {
	if t.Kind() != reflect.Map || t.Key().Kind() != reflect.String || t.Elem().Kind() != reflect.Func {
		return false
	}
	f, empty := t.Elem(), reflect.TypeFor[any]()
	return f.NumIn() == 1 && f.In(0).ConvertibleTo(empty) && f.In(0).Kind() == reflect.Interface && f.In(0).NumMethod() == 0 &&
		f.NumOut() == 1 && f.Out(0) == reflect.TypeFor[bool]()
}

func watcherType() reflect.Type { return follow(reflect.TypeFor[server.BgpServer](), "watcherMap") }

// follow returns the type that a path of fields leads to, through pointers, lists
// and maps; nil: nowhere.
func follow(t reflect.Type, fields ...string) reflect.Type {
	for _, name := range fields {
		f, has := t.FieldByName(name)
		if !has {
			return nil
		}
		t = f.Type
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil
		}
	}
	return t
}

func internalsError(format string, args ...any) error {
	return fmt.Errorf("the GoBGP in this program is not the one that it was written for, v3.37.0, whose insides it reads: "+format, args...)
}

// same compares a type of GoBGP with our mirror of it, and the types in them.
func same(theirs, ours reflect.Type) error {
	return sameSince(theirs, ours, make(map[reflect.Type]bool))
}

func sameSince(theirs, ours reflect.Type, seen map[reflect.Type]bool) error {
	if theirs == ours || seen[ours] || ours.Kind() == reflect.UnsafePointer && theirs.Kind() == reflect.Pointer {
		return nil
	}
	if theirs.Kind() != ours.Kind() || theirs.Size() != ours.Size() {
		return internalsError("%s is not as %s", theirs, ours)
	}
	switch ours.Kind() {
	case reflect.Pointer, reflect.Slice:
		return sameSince(theirs.Elem(), ours.Elem(), seen)
	case reflect.Map:
		if err := sameSince(theirs.Key(), ours.Key(), seen); err != nil {
			return err
		}
		return sameSince(theirs.Elem(), ours.Elem(), seen)
	case reflect.Int, reflect.String:
		return nil // a type of their own with nothing in it
	case reflect.Struct:
	default:
		return internalsError("%s is not %s", theirs, ours)
	}
	seen[ours] = true
	if theirs.NumField() != ours.NumField() {
		return internalsError("%s has %d fields, want %d", theirs, theirs.NumField(), ours.NumField())
	}
	for i := range ours.NumField() {
		t, o := theirs.Field(i), ours.Field(i)
		if t.Offset != o.Offset || o.Name != "_" && t.Name != o.Name {
			return internalsError("field %d of %s is %s, want %s", i, theirs, t.Name, o.Name)
		}
		if err := sameSince(t.Type, o.Type, seen); err != nil {
			return err
		}
	}
	return nil
}

// shapes are the types of GoBGP's events, which only an event itself shows.
type shapes struct{ best, eor reflect.Type }

// read returns an event, the other being nil.
func (s *shapes) read(event any) (*bestEvent, *eorEvent, error) {
	t := reflect.TypeOf(event)
	if t == nil || t != s.best && t != s.eor {
		if err := s.learn(t); err != nil {
			return nil, nil, err
		}
	}
	p := reflect.ValueOf(event).UnsafePointer()
	if t == s.best {
		return (*bestEvent)(p), nil, nil
	}
	return nil, (*eorEvent)(p), nil
}

func (s *shapes) learn(t reflect.Type) error {
	var mirror reflect.Type
	is := &s.best
	switch fmt.Sprint(t) {
	case "*server.watchEventBestPath":
		mirror = reflect.TypeFor[*bestEvent]()
	case "*server.watchEventEor":
		mirror, is = reflect.TypeFor[*eorEvent](), &s.eor
	default:
		return internalsError("an event of best paths is a %v", t)
	}
	if err := same(t, mirror); err != nil {
		return err
	}
	*is = t
	return nil
}
