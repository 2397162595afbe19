package gobgp3

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// scope are announcements that may have gone from BGP: prefixes by VRF; nil: all of
// the VRF; and all of every VRF under everyVRF.
type scope map[string]map[netip.Prefix]bool

const everyVRF = ""

// maxLost bounds the prefixes of a scope by VRF: beyond, it is all of the VRF.
const maxLost = 10_000

func (s scope) add(more scope) {
	for vrf, prefixes := range more {
		have, there := s[vrf]
		switch {
		case there && have == nil:
		case prefixes == nil, len(have)+len(prefixes) > maxLost:
			s[vrf] = nil
		case !there:
			s[vrf] = maps.Clone(prefixes)
		default:
			maps.Copy(have, prefixes)
		}
	}
}

// mender sends announcements again that other clients of the API took out of BGP.
type mender struct {
	*embedded
	announcer *speaker.Announcer
	forged    atomic.Bool // a client added paths under our identifier

	mu   sync.Mutex
	lost scope // guarded by mu; announcements to look after
}

func newMender(e *embedded, a *speaker.Announcer) *mender {
	return &mender{embedded: e, announcer: a, lost: make(scope)}
}

// note keeps announcements to look after.
func (m *mender) note(lost scope) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost.add(lost)
}

// lostBy returns which of our announcements a request of another client may have
// taken away.
func (m *mender) lostBy(request any) scope {
	switch r := request.(type) {
	case *api.DeletePathRequest:
		switch {
		case len(r.GetUuid()) > 0 && !m.forged.Load():
			return nil // GoBGP gives ids to paths of clients alone
		case len(r.GetUuid()) > 0:
			return scope{everyVRF: nil}
		case r.GetPath() == nil:
			return m.lostFamily(r.GetFamily())
		}
		return m.lostPaths(r.GetVrfId(), r.GetPath())
	case *api.AddPathRequest:
		return m.forging(m.lostPaths(r.GetVrfId(), r.GetPath()))
	case *api.AddPathStreamRequest:
		return m.forging(m.lostPaths(r.GetVrfId(), r.GetPaths()...))
	}
	return nil
}

// forging notes that a client added a path in our name: from then on an id of a
// client's path may be one of ours.
func (m *mender) forging(lost scope) scope {
	if len(lost) > 0 {
		m.forged.Store(true)
	}
	return lost
}

// lostFamily are the announcements of one family; nil: of all.
func (m *mender) lostFamily(f *api.Family) scope {
	switch {
	case f == nil:
		return scope{everyVRF: nil}
	case f.GetSafi() == api.Family_SAFI_UNICAST:
		return scope{speaker.Default: nil}
	case f.GetSafi() != api.Family_SAFI_MPLS_VPN:
		return nil
	}
	lost := make(scope)
	for _, v := range m.vrfs() {
		lost[v.Name] = nil
	}
	return lost
}

// lostPaths are the announcements that a client's paths take away: those with our
// identifier, by which alone GoBGP tells local paths apart. A path whose prefix cannot be
// read may take away any.
func (m *mender) lostPaths(vrf string, paths ...*api.Path) scope {
	lost := make(scope)
	var d *decoder
	for _, p := range paths {
		if p.GetIdentifier()-ourIdentifier > uint32(rib.FromAggregate) {
			continue
		}
		if d == nil {
			d = newDecoder(m.inForce(), nil)
		}
		nlri, err := apiutil.GetNativeNlri(p)
		if err != nil {
			return scope{everyVRF: nil}
		}
		to, _, err := d.destination(nlri)
		name := speaker.Default
		switch {
		case err != nil:
			return scope{everyVRF: nil}
		case vrf != "":
			name = vrf
		case to.RD != 0:
			name = d.vrfs[to.RD]
		}
		if name != "" {
			lost.add(scope{name: {to.Prefix: true}})
		}
	}
	return lost
}

// mend sends the announcements again that are to be looked after and went from BGP.
func (m *mender) mend(ctx context.Context) error {
	m.mu.Lock()
	lost := m.lost
	m.lost = make(scope)
	m.mu.Unlock()
	if all, every := lost[everyVRF]; every && all == nil {
		for _, name := range m.announcer.VRFs() {
			lost[name] = nil
		}
	}
	delete(lost, everyVRF)
	var failed error
	for _, name := range slices.Sorted(maps.Keys(lost)) {
		n, err := m.announcer.Reannounce(ctx, name, lost[name])
		if n > 0 {
			m.log.slog.Warn("another client of the API deleted announcements; they were sent again", "vrf", name, "announcements", n)
		}
		if err != nil {
			failed = err
			m.note(scope{name: lost[name]})
		}
	}
	return failed
}
