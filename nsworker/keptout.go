package nsworker

import (
	"context"
	"iter"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// keeping finds what the leaks of a VRF keep out of it: of what the VRFs that they are from go by,
// as the workers of those decide it, what the policies reject, and what is beyond the limits.
type keeping struct {
	into  string // in BGP
	rules []rib.LeakRule
	feed  *rib.Feed
	board *Board
	bgp   BGP
}

// keptAtOnce is of how many prefixes a worker is asked at a time what its VRF goes by.
const keptAtOnce = 1024

// list calls yield with what is kept out of the prefixes for which within, where it is not nil, is
// true, until yield returns false: by rule and prefix, each prefix once. What the VRF has of
// another source, or by another rule, is not among it.
func (k *keeping) list(ctx context.Context, within func(netip.Prefix) bool, yield func(*rib.KeptOut) bool) error {
	for i := range k.rules {
		feed, err := k.bgp.Feed(k.rules[i].From)
		if err != nil {
			continue // it is gone meanwhile
		}
		more := true
		for batch := range batches(feed.Sorted(within), keptAtOnce) {
			some, err := k.by(ctx, i, batch)
			if err != nil {
				return err
			}
			for j := 0; j < len(some) && more; j++ {
				more = yield(&some[j])
			}
			if !more {
				return nil
			}
		}
	}
	return nil
}

// batches are some of a sequence at a time, in the same room.
func batches[T any](all iter.Seq[T], n int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		room := make([]T, 0, n)
		for v := range all {
			if room = append(room, v); len(room) < n {
				continue
			}
			if !yield(room) {
				return
			}
			room = room[:0]
		}
		if len(room) > 0 {
			yield(room)
		}
	}
}

// by is what one of the rules keeps out, and none before it. It uses the room of prefixes.
func (k *keeping) by(ctx context.Context, i int, prefixes []netip.Prefix) ([]rib.KeptOut, error) {
	prefixes = slices.DeleteFunc(prefixes, func(p netip.Prefix) bool { return len(k.feed.Lookup(p)) > 0 })
	some, err := k.alone(ctx, &k.rules[i], prefixes)
	for j := 0; j < i && err == nil && len(some) > 0; j++ {
		prefixes = prefixes[:0]
		for _, out := range some {
			prefixes = append(prefixes, out.Prefix)
		}
		var before []rib.KeptOut
		before, err = k.alone(ctx, &k.rules[j], prefixes)
		some = slices.DeleteFunc(some, func(o rib.KeptOut) bool {
			return slices.ContainsFunc(before, func(b rib.KeptOut) bool { return b.Prefix == o.Prefix })
		})
	}
	return some, err
}

// alone is what a rule keeps out.
func (k *keeping) alone(ctx context.Context, rule *rib.LeakRule, prefixes []netip.Prefix) (some []rib.KeptOut, err error) {
	from := k.board.elector(rule.From)
	if from == nil || len(prefixes) == 0 {
		return nil, nil // nobody says what it goes by, and nothing is leaked
	}
	err = from.goesBy(ctx, prefixes, func(c *rib.Choice) {
		if out, is := rule.KeepsOut(c, k.into, k.board.RPKI()); is {
			some = append(some, out)
		}
	})
	return some, err
}
