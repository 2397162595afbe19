package gobgp3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// GoBGP looks a neighbour without an address (neighbor-interface) up in the kernel's
// neighbour table whenever it is given the configuration, and refuses all of it where
// nobody is there at that moment; later it never looks again. So GoBGP is given such
// a neighbour by the address that it has now, or not at all, and another time when
// that has changed.

// Links says who is on the interfaces of the daemon's namespace.
type Links interface {
	// Adjacent returns the interfaces as they are now.
	Adjacent(ctx context.Context) (rib.Adjacencies, error)
	// Changed is signalled when Adjacent may have another answer.
	Changed() <-chan struct{}
}

// Pending is the State of a neighbour that waits for its interface, or for somebody
// to be heard on it: GoBGP does not have it meanwhile.
const Pending = "pending"

// unnumbered are the neighbours of a configuration that are named by an interface. It
// is immutable.
type unnumbered struct {
	text    []byte                // of the configuration, as it was given
	placed  map[string]netip.Addr // by interface: what GoBGP has
	waiting []absentee            // what it has not
}

// absentee is a neighbour that GoBGP does not have yet.
type absentee struct {
	Session
	neighbour
}

// standIn is the address of every neighbour that has none, where only the rest of a
// configuration is judged.
var standIn = netip.MustParseAddr("fe80::1")

// place returns a configuration as GoBGP gets it. choose returns the address of the
// other end of an interface, or why there is none.
func place(text []byte, choose func(device string, taken func(netip.Addr) bool) (netip.Addr, string)) (placed []byte, u unnumbered, err error) {
	u = unnumbered{text: text, placed: make(map[string]netip.Addr)}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, u, fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	all, groups := section{value: root}, make(map[string]section)
	for _, g := range all.each("peer-groups") {
		groups[g.at("config").text("peer-group-name")] = g
	}
	addresses := make(map[string]bool)
	for _, n := range all.each("neighbors") {
		addresses[n.at("config").text("neighbor-address")] = true
	}
	changed := false
	var stay []any
	for _, n := range all.each("neighbors") {
		config := n.at("config")
		device, group := config.text("neighbor-interface"), groups[config.text("peer-group")]
		if addr, err := netip.ParseAddr(config.text("neighbor-address")); device == "" && (err != nil || addr.Zone() == "") {
			stay = append(stay, n.value)
			continue
		}
		changed = true
		if device != "" {
			taken := func(a netip.Addr) bool { return addresses[a.WithZone(device).String()] }
			peer, waits := choose(device, taken)
			if waits != "" {
				u.waiting = append(u.waiting, absent(n, group, device, waits))
				continue
			}
			u.placed[device] = peer
			n = renamed(n, group, peer.WithZone(device).String())
		}
		stay = append(stay, fromAnyAddress(n, group).value)
	}
	if !changed {
		return text, u, nil
	}
	root["neighbors"] = stay
	placed, err = json.Marshal(root)
	return placed, u, err
}

// absent is a neighbour that GoBGP does not get, as it would get it.
func absent(n, group section, device, waits string) absentee {
	config := n.at("config")
	w := absentee{Session: Session{VRF: config.text("vrf"), State: Pending, Reason: waits, Interface: device, Origin: Configured}}
	w.neighbour = neighbour{vrf: w.VRF, zone: device, down: config.value["admin-down"] == true}
	for _, from := range []section{n, group} {
		if w.PeerAS == 0 {
			w.PeerAS = uint32(from.at("config").number("peer-as"))
		}
		if len(w.families) > 0 {
			continue
		}
		for _, a := range from.each("afi-safis") {
			if f, err := bgp.GetRouteFamily(a.at("config").text("afi-safi-name")); err == nil {
				w.families = append(w.families, f)
			}
		}
	}
	if len(w.families) == 0 {
		w.families = []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC}
	}
	return w
}

// renamed gives a neighbour an address in place of its interface. GoBGP would take the
// families of an address's own kind then, and takes both of an interface.
func renamed(n, group section, address string) section {
	config := maps.Clone(n.at("config").value)
	delete(config, "neighbor-interface")
	config["neighbor-address"] = address
	n.value = maps.Clone(n.value)
	n.value["config"] = config
	if !n.has("afi-safis") && !group.has("afi-safis") {
		family := func(name string) any { return map[string]any{"config": map[string]any{"afi-safi-name": name}} }
		n.value["afi-safis"] = []any{family("ipv4-unicast"), family("ipv6-unicast")}
	}
	return n
}

// fromAnyAddress has sessions with a neighbour on a link begin at whatever address the
// kernel chooses, which is the link's own. GoBGP would look that up, refuse the
// configuration where it is not there, dial from it when it is another one's, and
// announce :: as the nexthop for its zone.
func fromAnyAddress(n, group section) section {
	if n.at("transport", "config").has("local-address") || group.at("transport", "config").has("local-address") {
		return n
	}
	transport, config := maps.Clone(n.at("transport").value), maps.Clone(n.at("transport", "config").value)
	if transport == nil {
		transport = make(map[string]any)
	}
	if config == nil {
		config = make(map[string]any)
	}
	config["local-address"], transport["config"] = "::", config
	n.value = maps.Clone(n.value)
	n.value["transport"] = transport
	return n
}

// fit reads a configuration as it fits the interfaces of now. before is what GoBGP has.
func (s *Speaker) fit(ctx context.Context, text []byte, extras rib.Extras, before *conf) (*conf, error) {
	if s.options.Links == nil {
		return readConf(text, extras)
	}
	// Only a configuration that has such neighbours depends on the answer.
	now := sync.OnceValues(func() (rib.Adjacencies, error) { return s.options.Links.Adjacent(ctx) })
	placed, u, err := place(text, func(device string, taken func(netip.Addr) bool) (netip.Addr, string) {
		var have netip.Addr
		if before != nil {
			have = before.placed[device]
		}
		links, _ := now()
		return s.choose(links, device, have, taken)
	})
	if err != nil {
		return nil, err
	}
	if len(u.placed)+len(u.waiting) > 0 {
		if _, err := now(); err != nil {
			return nil, fmt.Errorf("look who is on the interfaces: %w", err)
		}
	}
	c, err := readConf(placed, extras)
	if err != nil {
		return nil, err
	}
	c.unnumbered, c.given = u, extras
	return c, nil
}

// choose is who a neighbour on an interface is: whom GoBGP has there, as long as that
// one speaks or nobody else does, or else who was heard last. A link that goes down
// makes nobody another, and takes what was heard along.
func (s *Speaker) choose(now rib.Adjacencies, device string, have netip.Addr, taken func(netip.Addr) bool) (netip.Addr, string) {
	link, there := now[device]
	peers := slices.DeleteFunc(slices.Clone(link.Peers), taken)
	if there && have.IsValid() && !taken(have) && (len(peers) == 0 || s.sessions.speaks(have.WithZone(device))) {
		return have, ""
	}
	link.Peers = peers
	if waits := (rib.Adjacencies{device: link}).Waits(device); there && waits != "" {
		return netip.Addr{}, waits
	}
	if !there {
		return netip.Addr{}, now.Waits(device)
	}
	return peers[0], ""
}

const (
	// refitGap is the least time between two changes of who is on which interface.
	refitGap = time.Second
	// refitAgain is when one that failed is tried again.
	refitAgain = 10 * time.Second
)

// follow gives GoBGP neighbours by interface as they come, go and change, until ctx
// ends.
func (s *Speaker) follow(ctx context.Context) {
	if s.options.Links == nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.options.Links.Changed():
		case <-s.sessions.fell:
		case <-timer.C:
		}
		next := time.Hour
		if err := s.refit(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errStopped) {
			s.options.Logger.Error("a neighbour on an interface could not be brought up to date; it is tried again", "in", refitAgain, "err", err)
			next = refitAgain
		}
		pause := time.NewTimer(refitGap)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		timer.Reset(next)
	}
}

// refit has GoBGP have the configuration in force as it fits the interfaces of now.
func (s *Speaker) refit(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.mu.Lock()
	old, ended := s.conf, s.ended
	s.mu.Unlock()
	if ended {
		return errStopped
	}
	if len(old.placed)+len(old.waiting) == 0 {
		return nil
	}
	next, err := s.fit(ctx, old.text, old.given, old)
	if err != nil {
		return err
	}
	s.tellWaiting(old.waiting, next.waiting)
	if maps.Equal(old.placed, next.placed) {
		if !slices.EqualFunc(old.waiting, next.waiting, sameWait) {
			same := *old
			same.waiting = next.waiting
			s.mu.Lock()
			s.conf = &same
			s.mu.Unlock()
			s.drift.rename(&same)
		}
		return nil
	}
	r := newReconciler(s, old)
	defer r.release()
	now, err := readBack(ctx, r.bgp)
	if err != nil {
		return err
	}
	// What clients did to other neighbours waits for a reload.
	r.correct(s.drift.held(), now, func(d Difference) bool { return d.Kind == KindNeighbor && old.isPlaced(d.Name) })
	ctx = context.WithoutCancel(ctx)
	if err := r.reach(ctx, next); err != nil {
		return errors.Join(err, r.reach(ctx, old))
	}
	for device, peer := range next.placed {
		if old.placed[device] != peer {
			s.options.Logger.Info("a neighbour without an address was heard", "interface", device, "address", peer)
		}
	}
	return errors.Join(s.retell(old, next), s.holdOn(ctx, r.bgp, next), s.takeOver(ctx, next, true))
}

// isPlaced tells whether GoBGP has a neighbour by interface by this name.
func (c *conf) isPlaced(name string) bool {
	addr, err := netip.ParseAddr(name)
	return err == nil && c.placed[addr.Zone()] == addr.WithZone("")
}

// tellWaiting logs each neighbour that waits, and did not, or for something else.
func (s *Speaker) tellWaiting(before, now []absentee) {
	for _, w := range now {
		if !slices.ContainsFunc(before, func(o absentee) bool { return sameWait(o, w) }) {
			s.options.Logger.Warn("a neighbour waits: "+w.Reason, "interface", w.Interface, "as", w.PeerAS)
		}
	}
}

func sameWait(a, b absentee) bool { return a.Interface == b.Interface && a.Reason == b.Reason }
