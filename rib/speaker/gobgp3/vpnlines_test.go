package gobgp3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// vpns are the VPN routes of a prefix that a peer has from our router, one line each.
func (p *peer) vpns(pfx string) (list []string) {
	p.t.Helper()
	f := p.path(spec{prefix: pfx, rd: 1}).Family
	err := p.ListPath(context.Background(), &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: f}, func(d *api.Destination) {
		for _, path := range d.Paths {
			if path.NeighborIp != "127.0.0.1" {
				continue
			}
			nlri, err := apiutil.GetNativeNlri(path)
			if err != nil {
				p.t.Fatal(err)
			}
			if inner, err := innerPrefix(nlri); err == nil && inner == prefix(pfx) {
				list = append(list, vpnLine(p.t, path, nlri))
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func vpnLine(t testing.TB, path *api.Path, nlri bgp.AddrPrefixInterface) string {
	t.Helper()
	attrs, err := apiutil.GetNativePathAttributes(path)
	if err != nil {
		t.Fatal(err)
	}
	var nexthop, as, sid string
	var communities, targets []string
	for _, a := range attrs {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			nexthop = a.Nexthop.String()
		case *bgp.PathAttributeAsPath:
			as = bgp.AsPathString(a)
		case *bgp.PathAttributeCommunities:
			communities = append(communities, fmt.Sprint(a.Value))
		case *bgp.PathAttributeExtendedCommunities:
			for _, e := range a.Value {
				if _, is := decodeRT(e); is { // marks are route targets
					targets = append(targets, e.String())
				}
			}
		case *bgp.PathAttributePrefixSID:
			var v rib.Via
			takeService(&v, a, nlri.AFI() == bgp.AFI_IP6)
			sid = fmt.Sprintf(" SID %s %d+%d%s", v.SID, v.SIDFrom, v.SIDBits, v.SIDFault)
		}
	}
	var labels string
	switch n := nlri.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		labels = n.Labels.String()
	case *bgp.LabeledVPNIPv6AddrPrefix:
		labels = n.Labels.String()
	}
	return fmt.Sprintf("%s label %s by %s path [%s] %v %v%s", rdOf(nlri), labels, nexthop, as, communities, targets, sid)
}

// tellsVPN waits until a PE has this alone of a prefix as VPN routes; "": nothing.
func (x *carrying) tellsVPN(when string, by *peer, pfx, want string) {
	x.t.Helper()
	var got []string
	defer func() {
		if x.t.Failed() {
			x.t.Logf("%s: of %s %s has %q", when, pfx, by.addr, got)
		}
	}()
	eventually(x.t, fmt.Sprintf("%s: %s has %s as %q", when, by.addr, pfx, want), func() bool {
		got = by.vpns(pfx)
		return want == "" && len(got) == 0 || slices.Equal(got, []string{want})
	})
}

// line is a VPN route of red as a PE has it.
func line(by rib.Carried, as, communities string, six bool) string {
	label, nexthop, sid := fmt.Sprint(by.Label), by.Source.String(), ""
	if by.Kind == rib.EncapSRv6 {
		s, from, bits := by.SRv6.SID, 0, 0
		if six && by.SRv6.SID6.IsValid() {
			s = by.SRv6.SID6
		}
		label = "3"
		if by.SRv6.Transpose && !by.SRv6.SID6.IsValid() {
			label, s, from, bits = "4096", by.SRv6.Locator.Addr(), 64, 16
		}
		sid = fmt.Sprintf(" SID %s %d+%d", s, from, bits)
	}
	return fmt.Sprintf("65000:1 label [%s] by %s path [%s] [[%s]] [65000:1]%s", label, nexthop, as, communities, sid)
}

// allOf are lines of red's routes as a PE of this AS has them.
func (x *carrying) allOf(when string, by rib.Carried) {
	x.t.Helper()
	for i := range customersPrefixes {
		x.hasOf(when, x.pe, customersPrefixes[i], line(by, "65003", customersCommunity, i == 1))
		x.hasOf(when, x.pe, ownPrefixes[i], line(by, "", ownCommunity, i == 1))
		x.hasOf(when, x.abroad, ownPrefixes[i], line(by, "65000", ownCommunity, i == 1))
	}
}

// takes says of red what its worker says once packets come in by this.
func (x *carrying) takes(by rib.Carried) {
	if !by.Numbered() {
		by = rib.Carried{}
	}
	x.Takes("red", by, func() {})
}

// hasOf waits until a PE has this alone of a prefix of red as VPN routes; "": nothing.
func (x *carrying) hasOf(when string, by *peer, pfx, want string) {
	x.t.Helper()
	var got []string
	defer func() {
		if x.t.Failed() {
			x.t.Logf("%s: of %s %s has %q", when, pfx, by.addr, got)
		}
	}()
	eventually(x.t, fmt.Sprintf("%s: %s has %s as %q", when, by.addr, pfx, want), func() bool {
		got = slices.DeleteFunc(by.vpns(pfx), func(s string) bool { return strings.HasPrefix(s, "65000:2 ") })
		return want == "" && len(got) == 0 || slices.Equal(got, []string{want})
	})
}

// record keeps all VPN routes that a peer ever gets.
func (p *peer) record() (lines func() []string) {
	p.t.Helper()
	var mu sync.Mutex
	var list []string
	ctx, cancel := context.WithCancel(context.Background())
	p.t.Cleanup(cancel)
	request := &api.WatchEventRequest{Table: &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{{Type: api.WatchEventRequest_Table_Filter_ADJIN, Init: true}}}}
	if err := p.WatchEvent(ctx, request, func(r *api.WatchEventResponse) {
		for _, path := range r.GetTable().GetPaths() {
			nlri, err := apiutil.GetNativeNlri(path)
			if err != nil || path.IsWithdraw || !isVPN(bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())) {
				continue
			}
			mu.Lock()
			list = append(list, vpnLine(p.t, path, nlri))
			mu.Unlock()
		}
	}); err != nil {
		p.t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// hasLabel wants GoBGP to have a label for a VRF.
func (x *carrying) hasLabel(vrf string, label uint32) {
	x.t.Helper()
	_ = x.inLoop(func() error {
		if v := x.loop.rib().Vrfs[vrf]; v == nil || v.MplsLabel != label {
			x.t.Errorf("GoBGP has %+v", v)
		}
		return nil
	})
}
