package gobgp3

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/eapache/channels"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// GoBGP v3 offers its best paths in one way, WatchEvent, which renders each as a
// message of the gRPC API, also for a caller in the same process: some 7 µs and 2 KB
// for a route, which the caller then unmarshals again, where GoBGP itself takes 12 µs
// to receive, judge and store it. WatchEvent is a goroutine around a watcher that is
// not exported. This file takes that watcher instead. No field of it is written but its
// filters.

// eventKinds are GoBGP's names of the events that a watch is for, under which it looks
// for a watcher's filters.
var eventKinds = []string{ofBestPaths, "eor", "receivedmessage"}

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
