package guard

import (
	"cmp"
	"encoding/hex"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Reason is why the guard changed, held back or refused a message, or a part of it.
type Reason uint8

// The reasons. Their texts are in reasonTexts, and their names in metrics in
// reasonNames.
const (
	// Attributes that were cut out.
	RouteTarget Reason = iota
	ExtendedCommunity
	LocalPref
	Reflection
	AS4OnFourByte
	TunnelAttribute
	Repeated
	Discarded
	FamilyNotNegotiated
	// Routes that were withdrawn instead.
	OwnAS
	OwnOriginator
	OwnCluster
	ASZero
	FirstAS
	EmptyConfederation
	Martian
	Mapped
	RouteType
	OwnPrefix
	OverLimit
	TooLong
	Malformed
	// Messages whose routes were given the least preference.
	ShutDown
	// Messages that were held back, and sessions that were ended.
	Refresh
	Ended

	reasons
)

var reasonTexts = [reasons]string{
	RouteTarget:         "a route target that accept_route_targets does not name, or one of AS 0, was removed",
	ExtendedCommunity:   "an extended community that is not a customer's to set was removed",
	LocalPref:           "LOCAL_PREF of an eBGP neighbour was removed (RFC 4271, 5.1.5)",
	Reflection:          "ORIGINATOR_ID or CLUSTER_LIST of an eBGP neighbour was removed (RFC 7606, 7.9 and 7.10)",
	AS4OnFourByte:       "AS4_PATH or AS4_AGGREGATOR was removed from a session with four-byte AS numbers (RFC 6793, 6)",
	TunnelAttribute:     "an attribute of a family that was not negotiated, or not a customer's to set, was removed: Prefix-SID, tunnel encapsulation, BGP-LS or ATTR_SET",
	Repeated:            "an attribute that came twice was removed (RFC 7606, 3)",
	Discarded:           "a malformed attribute was discarded (RFC 7606, 2)",
	FamilyNotNegotiated: "routes of a family that was not negotiated, or that are not a customer's to announce, were left out",
	OwnAS:               "its AS_PATH has our own AS in it, more often than allow-own-as lets it",
	OwnOriginator:       "its ORIGINATOR_ID is this router (RFC 4456, 8)",
	OwnCluster:          "its CLUSTER_LIST has our own cluster in it (RFC 4456, 8)",
	ASZero:              "its AS_PATH has AS 0 in it (RFC 7607)",
	FirstAS:             "the first AS of its AS_PATH is not the neighbour's (enforce_first_as)",
	EmptyConfederation:  "its AS_PATH does not begin with a confederation's sequence (RFC 5065, 5)",
	Martian:             "no table should have this prefix (accept_martians lets one in)",
	Mapped:              "it lies in ::ffff:0:0/96, which is no prefix of IPv6 routing",
	RouteType:           "it is a route of EVPN of a type that is not known here (RFC 7432, 7)",
	OwnPrefix:           "it is a subnet or an address of this VRF itself",
	OverLimit:           "max_prefixes of this VRF is reached",
	TooLong:             "its attributes leave no room in a message for what is added where it is sent on (more than 2,800 bytes)",
	Malformed:           "its attributes are malformed, and it was taken for a withdrawal (RFC 7606, 2)",
	ShutDown:            "its routes are marked with GRACEFUL_SHUTDOWN, and have LOCAL_PREF 0 (RFC 8326)",
	Refresh:             "a ROUTE-REFRESH was put off or left out",
	Ended:               "the session was ended by a NOTIFICATION",
}

var reasonNames = [reasons]string{
	RouteTarget: "route_target", ExtendedCommunity: "extended_community", LocalPref: "local_pref",
	Reflection: "reflection", AS4OnFourByte: "as4_on_four_byte", TunnelAttribute: "tunnel_attribute",
	Repeated: "repeated_attribute", Discarded: "malformed_attribute", FamilyNotNegotiated: "family_not_negotiated",
	OwnAS: "own_as", OwnOriginator: "own_originator", OwnCluster: "own_cluster", ASZero: "as_zero",
	FirstAS: "first_as", EmptyConfederation: "empty_confederation", Martian: "martian", Mapped: "mapped_ipv6", RouteType: "evpn_route_type",
	OwnPrefix: "own_prefix", OverLimit: "over_limit", TooLong: "too_long", Malformed: "malformed", ShutDown: "graceful_shutdown", Refresh: "route_refresh", Ended: "ended",
}

// String is the reason as a sentence about a route, an attribute or a session.
func (r Reason) String() string { return reasonTexts[r] }

// Name is the reason as a label of a metric.
func (r Reason) Name() string { return reasonNames[r] }

// Refusal is a prefix that a neighbour announced and the guard took for withdrawn.
type Refusal struct {
	Neighbour string // as GoBGP names it
	Prefix    netip.Prefix
	Reason    Reason
	Detail    string // the mistake; "": the reason says it
	At        time.Time
}

// Report counts the guard's interventions in one neighbour's messages since the daemon
// started.
type Report struct {
	Neighbour string
	VRF       string
	Plain     uint64            // UPDATEs that passed as they came
	Rehearsed uint64            // UPDATEs that GoBGP's own code was tried on first
	Counts    map[Reason]uint64 // attributes, prefixes, messages or sessions, as the reason is about
	// Ended is why the guard ended the last session, and when; "": it has not.
	Ended   string
	EndedAt time.Time
	// Heard and Said are the last NOTIFICATIONs, of whichever session.
	Heard, Said Notice
	// Opened is what the last OPENs of both sides come to, even where GoBGP refused the
	// neighbour's for its AS.
	Opened Opened
	// RouteServer says that every path of the session was refused for its first AS, as
	// the paths of a route server are.
	RouteServer bool
}

// record is the guard's memory of a neighbour, over its sessions.
type record struct {
	name  string
	rules atomic.Pointer[Rules]

	plain, rehearsed atomic.Uint64
	counts           [reasons]atomic.Uint64
	known            atomic.Int64 // how many refused prefixes are remembered
	// Of the session that runs: whether a route has passed, and how many were refused for
	// their first AS.
	passed, firstAS atomic.Uint64
	pairs           pairs
	wire            wire

	mu       sync.Mutex
	refused  map[netip.Prefix]int      // guarded by mu; where in last
	back     map[netip.Prefix]struct{} // guarded by mu; own prefixes that were withdrawn
	last     []Refusal                 // guarded by mu; a ring
	next     int                       // guarded by mu; in last
	ended    string                    // guarded by mu
	endedAt  time.Time                 // guarded by mu
	saidAt   time.Time                 // guarded by mu; when a line was logged
	unsaid   int                       // guarded by mu; since then
	overflew bool                      // guarded by mu; last has lost some
}

// mostRefusals is how many refused prefixes of a neighbour are remembered.
const mostRefusals = 1024

func newRecord(name string) *record {
	return &record{name: name, refused: make(map[netip.Prefix]int)}
}

// refuse remembers a refused prefix.
func (r *record) refuse(p netip.Prefix, why Reason, detail string, at time.Time) {
	r.counts[why].Add(1)
	if !p.IsValid() {
		return // a route of EVPN that is about no prefix
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.known.Store(int64(len(r.refused))) }()
	x := Refusal{Neighbour: r.name, Prefix: p, Reason: why, Detail: detail, At: at}
	if i, known := r.refused[p]; known {
		r.last[i] = x
		return
	}
	if len(r.last) < mostRefusals {
		r.refused[p] = len(r.last)
		r.last = append(r.last, x)
		return
	}
	r.overflew = true
	if i, is := r.refused[r.last[r.next].Prefix]; is && i == r.next {
		delete(r.refused, r.last[r.next].Prefix)
	}
	r.last[r.next], r.refused[p] = x, r.next
	r.next = (r.next + 1) % mostRefusals
}

// forget drops the refusals of prefixes that have come again, or were withdrawn.
// The caller has looked at known first.
func (r *record) forget(list iter.Seq[netip.Prefix]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range list {
		delete(r.refused, p)
	}
	r.known.Store(int64(len(r.refused)))
}

// takeBack notes that a prefix was withdrawn. The guard does not know whether the neighbour
// had announced it, so it is not shown as refused.
func (r *record) takeBack(p netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == nil {
		r.back = make(map[netip.Prefix]struct{})
	}
	r.back[p] = struct{}{}
}

// forgetAll drops all refused prefixes.
func (r *record) forgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused, r.last, r.next, r.overflew = make(map[netip.Prefix]int), nil, 0, false
	r.known.Store(0)
}

// wasRefused tells whether one of the prefixes was refused or taken back, or may have
// been. They are no more.
func (r *record) wasRefused(list []netip.Prefix) (was bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range list {
		_, refused := r.refused[p]
		_, back := r.back[p]
		was = was || refused || back || r.overflew
		delete(r.back, p)
	}
	return was
}

// say logs an intervention, at most once a minute for a neighbour: the next line has the
// number of those in between.
func (r *record) say(log *slog.Logger, now time.Time, why Reason, detail string, m []byte) {
	r.mu.Lock()
	if now.Sub(r.saidAt) < time.Minute {
		r.unsaid++
		r.mu.Unlock()
		return
	}
	unsaid := r.unsaid
	r.saidAt, r.unsaid = now, 0
	r.mu.Unlock()
	attrs := []any{"neighbor", r.name, "reason", cmp.Or(detail, why.String()), "message", hex.EncodeToString(m[:min(len(m), 64)])}
	if rules := r.rules.Load(); rules != nil && rules.VRF != "" {
		attrs = append(attrs, "vrf", rules.VRF)
	}
	if unsaid > 0 {
		attrs = append(attrs, "others since the last line", unsaid)
	}
	if why == Ended {
		log.Warn("a BGP session was ended, because of what the neighbour sent", attrs...)
		return
	}
	log.Warn("what a BGP neighbour sent was not taken as it came; `vrfredist neighbor` counts it by kind", attrs...)
}

// end notes why the session was ended.
func (r *record) end(why string, at time.Time) {
	r.counts[Ended].Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.endedAt = why, at
}

// cut notes that the session was ended for something else than what the neighbour sent.
func (r *record) cut(why string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.endedAt = why, at
}

func (r *record) report() Report {
	p := Report{Neighbour: r.name, Plain: r.plain.Load(), Rehearsed: r.rehearsed.Load(), Counts: make(map[Reason]uint64)}
	if rules := r.rules.Load(); rules != nil {
		p.VRF = rules.VRF
	}
	for i := range r.counts {
		if n := r.counts[i].Load(); n > 0 {
			p.Counts[Reason(i)] = n
		}
	}
	p.Heard, p.Said, p.Opened = r.wire.last()
	p.RouteServer = r.firstAS.Load() > 0 && r.passed.Load() == 0
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Ended, p.EndedAt = r.ended, r.endedAt
	return p
}

// Reports are the reports of all neighbours, by name.
func (g *Guard) Reports() []Report {
	g.mu.Lock()
	list := make([]Report, 0, len(g.records))
	for _, r := range g.records {
		list = append(list, r.report())
	}
	g.mu.Unlock()
	slices.SortFunc(list, func(a, b Report) int { return cmp.Compare(a.Neighbour, b.Neighbour) })
	return list
}

// LinkLocal is the link-local address that a neighbour sent beside a global one in its
// nexthops (RFC 2545, 3); invalid: none.
func (g *Guard) LinkLocal(neighbour string, global netip.Addr) netip.Addr {
	g.mu.Lock()
	r := g.records[neighbour]
	g.mu.Unlock()
	if r == nil {
		return netip.Addr{}
	}
	return r.pairs.of(global)
}

// Refused are the refusals that are remembered in a VRF ("": the global table), of a
// prefix or, where it is none, of all, by prefix and neighbour.
func (g *Guard) Refused(vrf string, p netip.Prefix) []Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Refusal
	for _, r := range g.records {
		if rules := r.rules.Load(); rules != nil && rules.VRF == vrf {
			list = append(list, r.refusals(p)...)
		}
	}
	slices.SortFunc(list, func(a, b Refusal) int {
		return cmp.Or(a.Prefix.Compare(b.Prefix), cmp.Compare(a.Neighbour, b.Neighbour))
	})
	return list
}

func (r *record) refusals(p netip.Prefix) (list []Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.IsValid() {
		if i, is := r.refused[p]; is {
			list = append(list, r.last[i])
		}
		return list
	}
	for _, i := range r.refused {
		list = append(list, r.last[i])
	}
	return list
}
