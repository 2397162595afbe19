package gobgp3

import (
	"context"
	"maps"

	"github.com/vrfredist/vrfredist/rib"
)

// sinks are the feeds of each VRF that say the same: its own, and its mirrors.
type sinks map[string][]*rib.Feed

// Mirror makes feeds that say what another VRF's says, for a second reader of
// its routes: mirrors has the VRF by the name of the feed, which is no VRF's.
// Those of an earlier call that are not in it go. A mirror of a VRF that is not
// configured is empty. It may be called before Run and while it runs.
func (s *Speaker) Mirror(ctx context.Context, mirrors map[string]string) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.mu.Lock()
	same, runs := maps.Equal(s.mirrors, mirrors), s.watch != nil
	var gone []*rib.Feed
	for name := range s.mirrors {
		if _, stays := mirrors[name]; !stays {
			gone = append(gone, s.feeds[name])
			delete(s.feeds, name)
		}
	}
	for name := range mirrors {
		if s.feeds[name] == nil {
			s.feeds[name] = rib.NewFeed()
		}
	}
	s.mirrors = maps.Clone(mirrors)
	s.mu.Unlock()
	if same || !runs {
		return nil
	}
	// As in Reload, what has begun is finished.
	if err := s.rewatch(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	for _, f := range gone { // only now that no watch writes it
		f.Retain(func(rib.Path) bool { return false })
	}
	return nil
}

// sinks is called with mu held.
func (s *Speaker) sinks() sinks {
	all := make(sinks, len(s.feeds))
	for name, f := range s.feeds {
		if of, mirror := s.mirrors[name]; mirror {
			all[of] = append(all[of], f)
		} else {
			all[name] = append(all[name], f)
		}
	}
	return all
}
