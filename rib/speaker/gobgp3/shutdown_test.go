package gobgp3

import (
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
)

// TestShutdownOfNeighbors: what a neighbour marks with GRACEFUL_SHUTDOWN is the last choice as a VPN
// route, in a VRF and in the global table, until it is sent without; that of a neighbour of our AS
// is as it says.
func TestShutdownOfNeighbors(t *testing.T) {
	pe, ours := newPeer(t, "127.0.0.2", 65002, allFamilies...), newPeer(t, "127.0.0.4", 65000, allFamilies...)
	red, out := newPeer(t, "127.0.0.3", 65003, "ipv4-unicast"), newPeer(t, "127.0.0.5", 65005, "ipv4-unicast")
	s := run(t, Options{Config: toJSON(t, baseConf(
		[]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
		[]any{
			neighborConf(pe.addr, 65002, pe.port, allFamilies...), neighborConf(ours.addr, 65000, ours.port, allFamilies...),
			inVRF(neighborConf(red.addr, 65003, red.port, "ipv4-unicast"), "red"), neighborConf(out.addr, 65005, out.port, "ipv4-unicast"),
		}))})
	preferred := func(pfx, vrf string, want uint32, shutsDown bool) {
		t.Helper()
		eventually(t, pfx+" has its preference", func() bool {
			paths, err := s.Candidates(t.Context(), vrf, prefix(pfx))
			return err == nil && len(paths) == 1 && paths[0].Attrs.LocalPref == want && paths[0].Attrs.ShutsDown() == shutsDown
		})
	}
	marked := []proto.Message{&api.CommunitiesAttribute{Communities: []uint32{65000<<16 | 1, uint32(rib.CommunityGracefulShutdown)}}}
	for _, attrs := range [][]proto.Message{nil, marked, nil} {
		is := attrs != nil
		want := map[bool]uint32{false: 100, true: 0}[is]
		pe.announce(spec{prefix: "10.1.0.0/16", rd: 7, rts: []uint32{1}, attrs: attrs})
		red.announce(spec{prefix: "10.2.0.0/16", attrs: attrs})
		out.announce(spec{prefix: "10.3.0.0/16", attrs: attrs})
		ours.announce(spec{prefix: "10.4.0.0/16", attrs: append([]proto.Message{&api.LocalPrefAttribute{LocalPref: 150}}, attrs...)})
		preferred("10.1.0.0/16", "red", want, is)
		preferred("10.2.0.0/16", "red", want, is)
		preferred("10.3.0.0/16", "default", want, is)
		preferred("10.4.0.0/16", "default", 150, false)
	}
}
