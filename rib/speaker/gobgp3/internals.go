package gobgp3

import (
	"fmt"
	"reflect"

	"github.com/eapache/channels"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// What there is of GoBGP here that it does not export is compared with it before BGP starts,
// by checkInternals and learnInsides, or, where only an event leads to it, when the first one
// comes, by shapes.learn. Where something differs, Run fails.

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
