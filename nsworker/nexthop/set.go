package nexthop

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"

	"github.com/vrfredist/vrfredist/rib"
)

// Want is what the paths of a prefix come down to.
type Want struct {
	Ways []*Way
	// Weights are the shares of Ways, in their order; none: all count the same.
	Weights []uint16
	PrefSrc netip.Addr // of the routes; invalid: none
	// Sent are the neighbours of whom there is a path by one of Ways: when the sessions with
	// all of them have ended, the nexthops count no more, though they may be reached still.
	// None: it is not known, or not a neighbour's path.
	Sent       []netip.Addr
	Backup     *Way // nil: none
	BackupSent []netip.Addr
	Metric     uint32 // of the routes
	Blackhole  bool   // the best path says so (RFC 7999): there are no nexthops
	Spare      bool   // the routes are backup routes, under the metric after Metric
}

// Set is the nexthops of prefixes, with their backup, and what they resolve to now. All
// prefixes that want the same share it, so that a changed link costs one resolution for each
// distinct nexthop, and one nexthop object for each distinct set. Its exported fields are for
// reading alone. A VRF with many other PEs has one for each, so its size counts.
type Set struct {
	Want

	Carries   *Forwarding // what its routes carry; nil: it is unresolved
	Hops      []rib.Hop   // what the routes lead to; a way's own list, where that is all
	Reason    string      // why it is unresolved, for a person
	Group     uint32      // the id of its nexthop object, which it may share; 0: none yet
	OnBackup  bool        // Hops are the backup's
	Contested bool        // another program keeps changing its objects, which are left alone
	Waits     bool        // unresolved, because a VRF that it needs has no table now, or not yet
	Asked     bool        // unresolved, because the core has yet to say how it leads to a PE

	ipv6    bool
	active  bool  // a route is to have it: its objects are wanted
	inline  bool  // no object can be had: routes carry the hops themselves
	users   int32 // entries that point here
	natural int32 // how much of the key is about the nexthops alone
	key     string
	wants   []uint32 // the objects that it needs, and behind those what its backup would need
	needs   int32    // how many of them it needs itself
}

// appendKey appends what makes the nexthops of two sets different, in whichever order they
// came.
func appendKey(b []byte, f rib.Family, members []Member) []byte {
	if f == rib.IPv6 {
		b = append(b, '6')
	} else {
		b = append(b, '4')
	}
	for _, m := range members {
		b = m.appendKey(b)
	}
	return b
}

// normal puts the parts of a want into an order of their own.
func (w *Want) normal() {
	if len(w.Ways) > 1 {
		sort.Sort(&byWay{Ways: w.Ways, Weights: w.Weights}) // w itself would be allocated for each caller
	}
	slices.SortFunc(w.Sent, netip.Addr.Compare)
	w.Sent = slices.Compact(w.Sent)
	slices.SortFunc(w.BackupSent, netip.Addr.Compare)
	w.BackupSent = slices.Compact(w.BackupSent)
}

// byWay orders the ways of a want, and their weights along with them.
type byWay Want

func (w *byWay) Len() int { return len(w.Ways) }

func (w *byWay) Less(i, j int) bool {
	a, b := w.Ways[i], w.Ways[j]
	if c := a.Addr.Compare(b.Addr); c != 0 {
		return c < 0
	}
	return bytes.Compare(a.appendKey(nil), b.appendKey(nil)) < 0
}

func (w *byWay) Swap(i, j int) {
	w.Ways[i], w.Ways[j] = w.Ways[j], w.Ways[i]
	if len(w.Weights) > 0 {
		w.Weights[i], w.Weights[j] = w.Weights[j], w.Weights[i]
	}
}

// appendKey appends what makes two sets different. natural is how long the part of it is that
// is only about the nexthops: what ids are made of.
func (w *Want) appendKey(b []byte, f rib.Family) (key []byte, natural int) {
	b = appendKey(b, f, nil)
	if w.Blackhole {
		b = append(b[:len(b)-1], '!')
		return w.appendTerms(b), len(b)
	}
	for i, way := range w.Ways {
		b = way.appendKey(b)
		if len(w.Weights) > 0 {
			b = binary.BigEndian.AppendUint16(append(b, '*'), w.Weights[i])
		}
	}
	natural = len(b)
	b = w.appendTerms(b)
	if w.Spare {
		b = append(b, '^')
	}
	b = appendPeers(b, w.Sent)
	if w.Backup != nil {
		b = w.Backup.appendKey(append(b, '>'))
		b = appendPeers(b, w.BackupSent)
	}
	return b, natural
}

// appendTerms appends what the routes have beside their nexthops.
func (w *Want) appendTerms(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, '='), w.Metric)
	if w.PrefSrc.IsValid() {
		b = w.PrefSrc.AppendTo(append(b, '$'))
	}
	return b
}

func appendPeers(b []byte, peers []netip.Addr) []byte {
	for _, p := range peers {
		b = p.AppendTo(append(b, '<'))
	}
	return b
}

// Used tells whether any route wants the set still.
func (s *Set) Used() bool { return s.users > 0 }

// Use adds one user to a set.
func (s *Set) Use() { s.users++ }

// Leaks tells whether a set is reached through another VRF. A nil one is not.
func (s *Set) Leaks() bool {
	return s != nil && (slices.ContainsFunc(s.Ways, (*Way).leaks) || s.Backup != nil && s.Backup.leaks())
}

func (w *Way) leaks() bool { return w.Source != "" }

// HopsOf returns the hops of a route that carries f: those of the set where it hangs on the
// set's group, which may lead elsewhere by now than when the route was read.
func (s *Set) HopsOf(f *Forwarding) []rib.Hop {
	if s != nil && f.Group != 0 && f.Group == s.Group {
		return s.Hops
	}
	return f.Hops
}

// family is that of its routes.
func (s *Set) family() rib.Family {
	if s.ipv6 {
		return rib.IPv6
	}
	return rib.IPv4
}
