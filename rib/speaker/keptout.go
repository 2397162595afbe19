package speaker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// keptAtOnce is how many prefixes are put in order at a time: a rule that takes a default route
// out of a full table keeps a million out.
const keptAtOnce = 1 << 16

// KeptOut calls yield with what the rules of a VRF called into do not let in, of the prefixes for
// which within, where it is not nil, is true, until yield returns false. What the VRF has of
// another source, or by another rule, is not among it. feed is the VRF's.
func KeptOut(ctx context.Context, from Tables, rules []rib.LeakRule, into string, feed *rib.Feed, within func(netip.Prefix) bool, yield func(rib.KeptOut) bool) error {
	k := keeping{rules: rules, into: into, feed: feed, within: within, yield: yield}
	for _, family := range []Family{{Of: rib.IPv4}, {Of: rib.IPv6}, {Of: rib.IPv4, VPN: true}, {Of: rib.IPv6, VPN: true}} {
		if !slices.ContainsFunc(rules, func(r rib.LeakRule) bool { return (r.From == Default) != family.VPN }) {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		k.stop = cancel
		err := from.Paths(ctx, family, nil, k.destination)
		cancel()
		switch {
		case k.ended && errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return fmt.Errorf("read what the leaks of VRF %q keep out: %w", into, err)
		}
		if k.flush(); k.ended {
			return nil
		}
	}
	return nil
}

// keeping is the work of one KeptOut.
type keeping struct {
	rules  []rib.LeakRule
	into   string
	feed   *rib.Feed
	within func(netip.Prefix) bool
	yield  func(rib.KeptOut) bool
	stop   func()

	some  []rib.KeptOut
	ended bool
}

// destination takes down what is kept out of one destination.
func (k *keeping) destination(d Destination, paths []rib.Path, _ bool) {
	if k.ended || k.within != nil && !k.within(d.Prefix) {
		return
	}
	for i := range k.rules {
		out, is := k.by(&k.rules[i], d, paths)
		if !is {
			continue
		}
		if len(k.feed.Lookup(d.Prefix)) > 0 {
			return
		}
		k.some = append(k.some, out)
		if len(k.some) >= keptAtOnce {
			k.flush()
		}
		return
	}
}

// by is what one rule keeps out of a destination.
func (k *keeping) by(rule *rib.LeakRule, d Destination, paths []rib.Path) (out rib.KeptOut, is bool) {
	if (rule.From == Default) != (d.RD == 0) {
		return out, false
	}
	for _, p := range paths {
		if !rule.Concerns(&p) {
			continue
		}
		p.Attrs = rule.Leaked(p.Attrs)
		r := rule.Judge(&p, k.into, true, nil)
		if !r.Rejected {
			p.Attrs = r.Attrs
			// Without a limit it is about to come in.
			return rib.KeptOut{Prefix: d.Prefix, Path: p, Rule: *rule}, rule.MaxPrefixes > 0
		}
		if !is {
			out, is = rib.KeptOut{Prefix: d.Prefix, Path: p, Rule: *rule, By: r.By}, true
		}
	}
	return out, is
}

// flush yields what was taken down.
func (k *keeping) flush() {
	slices.SortFunc(k.some, func(a, b rib.KeptOut) int { return a.Prefix.Compare(b.Prefix) })
	for _, out := range k.some {
		if !k.yield(out) {
			k.ended = true
			k.stop()
			break
		}
	}
	clear(k.some)
	k.some = k.some[:0]
}
