package nsworker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// forwarding is what a route does, without its prefix. It is shared by all
// routes that do the same, and immutable.
type forwarding struct {
	metric  uint32
	kind    rib.Kind
	group   uint32    // the nexthop object it hangs on; 0: none
	hops    []rib.Hop // with a group, what it was when the route was read
	prefSrc netip.Addr
}

func forwardingOf(r rib.Route) forwarding {
	return forwarding{r.Metric, r.Kind, r.NexthopID, r.Hops, r.PrefSrc}
}

func (f *forwarding) route(prefix netip.Prefix, protocol uint8) rib.Route {
	return rib.Route{
		Prefix: prefix, Metric: f.metric, Protocol: protocol,
		Kind: f.kind, Hops: f.hops, PrefSrc: f.prefSrc, NexthopID: f.group,
	}
}

// same tells whether a route need not be written again to go from f to o.
func (f *forwarding) same(o *forwarding) bool {
	if f == o {
		return true
	}
	if f == nil || o == nil || f.metric != o.metric || f.group != o.group {
		return false
	}
	if f.group != 0 { // what it stands for is the group's business
		return f.kind == o.kind && f.prefSrc == o.prefSrc
	}
	var any netip.Prefix
	return rib.SameForwarding(f.route(any, 0), o.route(any, 0))
}

// target is what the best paths of a prefix come down to: a set of nexthops,
// and what it resolves to now. All prefixes with the same set share it, so that
// a changed link costs one resolution for each distinct set.
type target struct {
	key       string
	ipv6      bool
	blackhole bool
	nexthops  []nexthop
	users     int // entries that point here

	want   *forwarding // nil: unresolved
	hops   []rib.Hop   // what the nexthops resolve to
	group  uint32      // the id of its nexthop object; 0: none yet
	links  []int       // the interfaces that rests on
	inline bool        // no object can be had: routes carry the hops themselves
	fought bool        // another program keeps changing its objects, which are left alone
	waits  bool        // unresolved, because a VRF that it needs has no table now, or not yet
	reason string      // why, for a person
}

// nexthop is one member of a target.
type nexthop struct {
	addr   netip.Addr
	netns  string       // the namespace of the interface that is the zone of addr, as a Binding names it
	source string       // a leak: the VRF in whose table it is resolved
	prefix netip.Prefix // a leak of an import: that VRF's own route for prefix
}

// appendKey appends what makes two targets different.
func (n nexthop) appendKey(b []byte) []byte {
	b = append(b, '|')
	b = n.addr.AppendTo(b)
	if n.netns != "" {
		b = append(append(b, '/'), n.netns...)
	}
	if n.source != "" {
		b = append(append(b, '@'), n.source...)
	}
	if n.prefix.IsValid() {
		b = n.prefix.AppendTo(append(b, '#'))
	}
	return b
}

// targets holds the targets of one VRF by key. The worker owns it.
type targets struct {
	byKey map[string]*target
	buf   []byte
}

// get returns the shared target of these nexthops, with one more user, and
// whether it is new and has to be resolved.
func (t *targets) get(ipv6, blackhole bool, nexthops []nexthop) (tg *target, fresh bool) {
	b := append(t.buf[:0], '4')
	if ipv6 {
		b[0] = '6'
	}
	if blackhole {
		b = append(b, '!')
	} else {
		for _, n := range nexthops {
			b = n.appendKey(b)
		}
	}
	t.buf = b
	if tg, ok := t.byKey[string(b)]; ok {
		tg.users++
		return tg, false
	}
	tg = &target{key: string(b), ipv6: ipv6, blackhole: blackhole, users: 1}
	if !blackhole {
		tg.nexthops = append([]nexthop(nil), nexthops...)
	}
	t.byKey[tg.key] = tg
	return tg, true
}

// put gives one use of tg back, and tells whether that was the last.
func (t *targets) put(tg *target) (last bool) {
	if tg.users--; tg.users > 0 {
		return false
	}
	delete(t.byKey, tg.key)
	return true
}

// lostGroup is told that the group with this id is gone and its id with it.
func (t *targets) lostGroup(id uint32) {
	for _, tg := range t.byKey {
		if tg.group == id {
			tg.group = 0
		}
	}
}

// resolver turns targets into forwarding, with the view of the VRF itself and
// those of the VRFs that leak into it.
type resolver struct {
	view    rib.View
	netns   string // of the view, as the Binding names it
	board   *Board
	home    string // the VRF in whose table nexthops are looked up after this one: vrf.Spec.VRF; "": none
	policy  rib.ExportPolicy
	objects *objects
}

// resolve sets tg.want or tg.reason, and tells whether want changed, or whether tg's
// objects are fought over. Of several nexthops those that resolve are used; where none
// does, nothing is installed.
func (r *resolver) resolve(tg *target) (changed bool) {
	old, fought := tg.want, tg.fought
	tg.want, tg.hops, tg.reason, tg.waits = nil, nil, "", false
	src := r.policy.PrefSrc[rib.IPv4]
	if tg.ipv6 {
		src = r.policy.PrefSrc[rib.IPv6]
	}
	if tg.blackhole {
		tg.want = &forwarding{metric: r.policy.Metric, kind: rib.KindBlackhole}
	} else {
		var hops []rib.Hop
		for _, n := range tg.nexthops {
			h, err := r.hops(n)
			if err == nil && tg.ipv6 {
				err = onlyIPv6(n, h)
			}
			if err != nil {
				if tg.reason == "" {
					tg.reason = err.Error()
				}
				tg.waits = tg.waits || errors.Is(err, errNoView)
				continue
			}
			hops = mergeHops(hops, h)
		}
		if len(hops) > 0 {
			tg.reason, tg.waits = "", false
			tg.hops = hops
			tg.want = r.objects.forwarding(tg, forwarding{metric: r.policy.Metric, kind: rib.KindUnicast, hops: hops, prefSrc: src})
		}
	}
	changed = !old.same(tg.want)
	if !changed {
		tg.want = old
	}
	r.objects.aim(tg)
	return changed || tg.fought != fought
}

// onlyIPv6 refuses what the kernel has no way to do: an IPv6 route through an IPv4
// gateway, as a path has it whose nexthop is ::ffff:192.0.2.1 (RFC 4798, RFC 4659).
func onlyIPv6(n nexthop, hops []rib.Hop) error {
	if slices.ContainsFunc(hops, func(h rib.Hop) bool { return h.Gateway.Is4() }) {
		return fmt.Errorf("nexthop %s is unresolved: an IPv6 route cannot go through an IPv4 gateway", n.addr)
	}
	return nil
}

// mergeHops adds hops that are not there yet. One member of a group that is
// reached twice weighs no more for it.
func mergeHops(to, hops []rib.Hop) []rib.Hop {
next:
	for _, h := range hops {
		for _, o := range to {
			if o.Gateway == h.Gateway && o.Ifindex == h.Ifindex {
				continue next
			}
		}
		to = append(to, h)
	}
	return to
}

// leaks tells whether a target is reached through another VRF. A nil one is not.
func (t *target) leaks() bool {
	return t != nil && slices.ContainsFunc(t.nexthops, func(n nexthop) bool { return n.source != "" })
}

// errNoView is of a VRF whose worker has not told what its table holds.
var errNoView = errors.New("has no table now")

func (r *resolver) hops(n nexthop) ([]rib.Hop, error) {
	if n.source == "" {
		hops, err := n.in(r.view, r.netns)
		if err == nil || r.home == "" {
			return hops, err
		}
		return r.atHome(n, err)
	}
	from, ok := r.board.view(n.source)
	if !ok {
		return nil, fmt.Errorf("leaked from VRF %q, which %w", n.source, errNoView)
	}
	if !from.Where.SameNamespace(r.view.Where) {
		return nil, fmt.Errorf("leaked from VRF %q in another network namespace (%s); a leak needs both VRFs in one namespace", n.source, from.binding)
	}
	hops, err := leakedHops(from, n)
	if err != nil {
		return nil, fmt.Errorf("leaked from VRF %q: %w", n.source, err)
	}
	return hops, nil
}

// atHome resolves n in the VRF's own table, after this further one had nothing
// for it.
func (r *resolver) atHome(n nexthop, nothing error) ([]rib.Hop, error) {
	from, ok := r.board.view(r.home)
	if !ok {
		return nil, fmt.Errorf("%w; and VRF %q %w", nothing, r.home, errNoView)
	}
	if !from.Where.SameNamespace(r.view.Where) {
		return nil, fmt.Errorf("%w; and VRF %q has no table in this network namespace now", nothing, r.home)
	}
	hops, err := leakedHops(from, n)
	if err != nil {
		return nil, fmt.Errorf("%w; nor is it found in VRF %q: %w", nothing, r.home, err)
	}
	return hops, nil
}

// leakedHops resolves n in the VRF it came from. Its gateways are on a link
// that is not in the receiving table's subnets, so the kernel must be told not
// to look for them there (RTNH_F_ONLINK).
func leakedHops(from boardView, n nexthop) ([]rib.Hop, error) {
	var hops []rib.Hop
	var err error
	if n.prefix.IsValid() {
		hops, _, err = from.ResolvePrefix(n.prefix)
	} else {
		hops, err = n.in(from.View, from.binding.Netns)
	}
	if err != nil {
		return nil, err
	}
	out := make([]rib.Hop, len(hops))
	for i, h := range hops {
		h.OnLink = h.Gateway.IsValid()
		out[i] = h
	}
	return out, nil
}

// in resolves n in a view of the namespace that a Binding calls netns. An interface of
// another namespace is not this one's of the same name.
func (n nexthop) in(v rib.View, netns string) ([]rib.Hop, error) {
	if n.addr.Zone() != "" && !rib.SameNetns(n.netns, netns) {
		return nil, fmt.Errorf("nexthop %s is unresolved: it is link-local, and its interface is in another network namespace", n.addr)
	}
	hops, _, err := v.Resolve(n.addr)
	return hops, err
}
