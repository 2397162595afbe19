package gobgp3

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// FuzzEvent holds that no UPDATE of a neighbour, as GoBGP reads it and makes paths of
// it, makes the watch panic, and that what comes into the feeds is whole, in the right
// one, and told apart.
func FuzzEvent(f *testing.F) {
	conf := baseConf([]any{
		vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
		vrfConf("blue", "65000:2", []string{"65000:1", "65000:2"}, nil),
	}, nil)
	for _, b := range updates(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		paths := received(b)
		h := newHarness(t, conf)
		for _, p := range paths {
			h.sendPaths(p)
		}
		h.sendPaths(paths...)
		h.sendPaths(slices.Concat(paths, paths)...)
		for name, feed := range h.feeds {
			for _, e := range feed.Take(nil, 1<<20) {
				wholeEntry(t, name, e)
			}
		}
	})
}

// received makes paths of the body of an UPDATE as GoBGP does; none where GoBGP ends
// the session, or takes nothing of it.
func received(body []byte) []*bgpPath {
	if len(body) > bgp.BGP_MAX_MESSAGE_LENGTH-19 {
		return nil
	}
	m, err := bgp.ParseBGPMessage(rawMessage(bgp.BGP_MSG_UPDATE, body...))
	if err != nil {
		return nil
	}
	update := m.Body.(*bgp.BGPUpdate)
	families := make(map[bgp.RouteFamily]bgp.BGPAddPathMode)
	for _, f := range []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN} {
		families[f] = bgp.BGP_ADD_PATH_NONE
	}
	if _, err := bgp.ValidateUpdateMsg(update, families, true, false, true); err != nil {
		return nil
	}
	if end, _ := update.IsEndOfRib(); end {
		return nil
	}
	from := &bgpPeer{AS: 65001, ID: net.IPv4(127, 0, 0, 2).To4(), Address: net.IPv4(127, 0, 0, 2).To4()}
	return processMessage(m, from, time.Unix(1, 0))
}

// updates are bodies of UPDATE messages (RFC 4271 section 4.3).
func updates(t testing.TB) (out [][]byte) {
	t.Helper()
	body := func(withdrawn, nlri []byte, attributes ...[]byte) {
		b := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
		b = append(b, withdrawn...)
		all := slices.Concat(attributes...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(all)))
		out = append(out, slices.Concat(b, all, nlri))
	}
	asPath := attribute(bgp.BGP_ATTR_TYPE_AS_PATH, []byte{2, 1, 0, 0, 0xfd, 0xe9})
	target := attribute(bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES, []byte{0, 2, 0xfd, 0xe8, 0, 0, 0, 1})
	reach := func(safi byte, nexthop, nlri []byte) []byte {
		return attribute(bgp.BGP_ATTR_TYPE_MP_REACH_NLRI, slices.Concat([]byte{0, 2, safi, byte(len(nexthop))}, nexthop, []byte{0}, nlri))
	}
	vpn := func(prefix ...byte) []byte { // label 16, RD 65001:7, and the prefix's bytes
		return slices.Concat([]byte{byte(24 + 64 + 8*len(prefix)), 0, 1, 1, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7}, prefix)
	}
	six := prefix("2001:db8::1/128").Addr().AsSlice()
	body(nil, []byte{16, 10, 1, 16, 10, 2}, rawOrigin, asPath, rawNexthop)
	body([]byte{16, 10, 1}, nil)
	body(nil, nil, rawOrigin, asPath, reach(bgp.SAFI_UNICAST, six, []byte{32, 0x20, 1, 0xd, 0xb8, 120, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2}))
	body(nil, nil, rawOrigin, asPath, target, reach(bgp.SAFI_MPLS_VPN, slices.Concat(make([]byte, 8), six), slices.Concat(vpn(0x20, 1, 0xd, 0xb8), vpn(0x20, 2))))
	body(nil, []byte{0}, rawOrigin, asPath, rawNexthop,
		attribute(bgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC, []byte{0, 0, 0, 5}),
		attribute(bgp.BGP_ATTR_TYPE_LOCAL_PREF, []byte{0, 0, 0, 7}),
		attribute(bgp.BGP_ATTR_TYPE_COMMUNITIES, []byte{0xff, 0xff, 0, 6, 0, 1, 0, 2}),
		attribute(bgp.BGP_ATTR_TYPE_ORIGINATOR_ID, []byte{192, 0, 2, 9}),
		attribute(bgp.BGP_ATTR_TYPE_CLUSTER_LIST, []byte{192, 0, 2, 3, 192, 0, 2, 4}),
		attribute(bgp.BGP_ATTR_TYPE_LARGE_COMMUNITY, []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}))
	body(nil, nil, attribute(bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI, slices.Concat([]byte{0, 2, bgp.SAFI_MPLS_VPN}, vpn(0x20, 2))))
	return out
}

// TestUpdatesAreReceived: the seeds of FuzzEvent reach the watch.
func TestUpdatesAreReceived(t *testing.T) {
	var got []int
	for _, b := range updates(t) {
		got = append(got, len(received(b)))
	}
	if want := []int{2, 1, 2, 2, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("the UPDATEs have %d paths, want %d", got, want)
	}
}

func wholeEntry(t *testing.T, name string, e rib.Entry) {
	t.Helper()
	if !e.Prefix.IsValid() || e.Prefix != e.Prefix.Masked() {
		t.Errorf("%s: the prefix %v", name, e.Prefix)
	}
	for i, p := range e.Paths {
		if p.Attrs == nil || p.Prefix != e.Prefix || (p.RD == 0) != (name == speaker.Default) {
			t.Errorf("%s: %v has the path %+v", name, e.Prefix, p)
		}
		if slices.ContainsFunc(e.Paths[:i], func(o rib.Path) bool { return o.RD == p.RD && o.ID == p.ID }) {
			t.Errorf("%s: %v has two paths of RD %v with the id %d", name, e.Prefix, p.RD, p.ID)
		}
	}
}

// attribute is a path attribute as RFC 4271 section 4.3 has it.
func attribute(typ bgp.BGPAttrType, value []byte) []byte {
	return append([]byte{byte(bgp.PathAttrFlags[typ]), byte(typ), byte(len(value))}, value...)
}
