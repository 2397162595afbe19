package speaker

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Feeds are the mailboxes of the VRFs by name, with the global table's under Default,
// and the mirrors of them. A feed is the same one as long as its VRF is configured.
type Feeds struct {
	mu      sync.Mutex
	feeds   map[string]*rib.Feed  // guarded by mu; of VRFs and of mirrors
	mirrors map[string]rib.Mirror // guarded by mu, never modified: see Mirror
}

// NewFeeds makes a feed for the global table and for each VRF.
func NewFeeds(vrfs []VRF) *Feeds {
	f := &Feeds{feeds: map[string]*rib.Feed{Default: rib.NewFeed()}}
	f.Add(vrfs)
	return f
}

// Feed returns the mailbox of a VRF, or of a mirror.
func (f *Feeds) Feed(name string) (*rib.Feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if feed := f.feeds[name]; feed != nil {
		return feed, nil
	}
	return nil, fmt.Errorf("VRF %q is not in GoBGP's configuration: add a [[vrfs]] section for it", name)
}

// Add makes feeds for the VRFs that have none.
func (f *Feeds) Add(vrfs []VRF) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range vrfs {
		if f.feeds[v.Name] == nil {
			f.feeds[v.Name] = rib.NewFeed()
		}
	}
}

// Keep lets go of the feeds of all other VRFs.
func (f *Feeds) Keep(vrfs []VRF) Gone {
	f.mu.Lock()
	defer f.mu.Unlock()
	var gone Gone
	kept := namesOf(vrfs)
	for name, feed := range f.feeds {
		if !kept[name] && f.mirrors[name] == (rib.Mirror{}) {
			gone = append(gone, feed)
			delete(f.feeds, name)
		}
	}
	return gone
}

// SetDown tells all feeds that a neighbour's session has ended, and its paths with it: see
// rib.Feed.SetDown.
func (f *Feeds) SetDown(peer netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, feed := range f.feeds {
		feed.SetDown(peer, true)
	}
}

// Down are the neighbours that the feeds count as down.
func (f *Feeds) Down() rib.Down {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.feeds[Default].Down() // a feed that was made later does not have them all
}

// repairing tells whether the reader of a feed is at it.
func (f *Feeds) repairing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, feed := range f.feeds {
		if feed.Repairing() {
			return true
		}
	}
	return false
}

const (
	// repairBegins is how long a worker may take to hear of a link.
	repairBegins = 50 * time.Millisecond
	// repairTakes bounds how long BGP waits for the kernel.
	repairTakes = 5 * time.Second
)

// AfterRepair calls end, which ends a session with its link, when no worker is writing the
// routes that the link took with it by another way. What BGP makes of a neighbour's end takes
// it twice as long as the kernel needs for the routes, on processors that both need; and
// packets wait for the kernel alone. It does not wait itself.
func (f *Feeds) AfterRepair(end func()) {
	last := time.Now().Add(repairTakes)
	var look func()
	look = func() {
		if f.repairing() && time.Now().Before(last) {
			time.AfterFunc(repairBegins, look)
			return
		}
		end()
	}
	time.AfterFunc(repairBegins, look)
}

// Mirror makes feeds with the paths of another VRF's feed, for a second reader of its
// routes: mirrors has the VRF by the name of the feed, which is no VRF's. The mirrors
// of an earlier call that are not in it go, and those that are to have others of the VRF's paths
// are made anew. A mirror of a VRF that is not configured is
// empty. A new one is filled by the next Intake, which is due where changed is true.
func (f *Feeds) Mirror(mirrors map[string]rib.Mirror) (gone Gone, changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = !maps.Equal(f.mirrors, mirrors)
	for name, was := range f.mirrors {
		if is, stays := mirrors[name]; !stays || is.Carried != was.Carried {
			gone = append(gone, f.feeds[name])
			delete(f.feeds, name)
		}
	}
	for name, of := range mirrors {
		switch {
		case f.feeds[name] != nil:
		case of.Carried:
			f.feeds[name] = rib.NewCarriedFeed()
		default:
			f.feeds[name] = rib.NewFeed()
		}
	}
	f.mirrors = maps.Clone(mirrors)
	return gone, changed
}

// ByVRF are the feeds of each VRF with the same paths: its own, and its mirrors.
func (f *Feeds) ByVRF() map[string][]*rib.Feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string][]*rib.Feed, len(f.feeds))
	for name, feed := range f.feeds {
		if of, mirror := f.mirrors[name]; mirror {
			all[of.VRF] = append(all[of.VRF], feed)
		} else {
			all[name] = append(all[name], feed)
		}
	}
	return all
}

// Gone are feeds that no VRF has any more.
type Gone []*rib.Feed

// Empty takes all paths out of them, so that whoever still reads one sees the VRF's
// routes go. It is called when no Intake writes them any more.
func (g Gone) Empty() {
	for _, f := range g {
		f.Retain(func(rib.Path) bool { return false })
	}
}
