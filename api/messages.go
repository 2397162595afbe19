package api

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func vrfMessage(st vrf.Status) *vrfredistv1.Vrf {
	c := st.Counts.Total()
	m := &vrfredistv1.Vrf{
		Name: st.Spec.Name, State: string(st.State), Reason: st.Reason,
		SinceUnix: unix(st.Since), RetryUnix: unix(st.Retry), Restarts: int32(st.Restarts),
		ImportRts: texts(st.Spec.ImportRTs), ExportRts: texts(st.Spec.ExportRTs),
		Netns: st.Spec.Binding.Netns, Device: st.Spec.Binding.Device, Table: st.Table,
		Binding: st.Spec.Binding.String(), Of: st.Spec.VRF,
		Import: importInfo(st.Spec), Export: exportInfo(st.Spec),
		Counts: &vrfredistv1.Counts{
			Paths: uint32(c.Paths), Imported: uint32(c.Imported), Installed: uint32(c.Installed),
			Filtered: uint32(c.Filtered), Unresolved: uint32(c.Unresolved), Conflict: uint32(c.Conflict),
			OverQuota: uint32(c.OverQuota), Failed: uint32(c.Failed), Stale: uint32(c.Stale), Foreign: uint32(c.Foreign),
		},
	}
	if p := st.Progress; p != (vrf.Progress{}) {
		m.Progress = &vrfredistv1.Progress{Phase: p.Phase, Done: uint32(p.Done), Total: uint32(p.Total)}
	}
	m.Sessions, m.SessionsUp, m.SessionTrouble = uint32(st.Sessions.All), uint32(st.Sessions.Up), st.Sessions.Trouble
	if st.Spec.RD != 0 {
		m.Rd = st.Spec.RD.String()
	}
	if d := st.Spec.Makes; d.Made() {
		m.MadeDevice = &vrfredistv1.MadeDevice{Table: d.Table, Interfaces: d.Interfaces}
	}
	if st.Spec.Carriage.Kind != 0 {
		m.Carriage = carriageMessage(st)
	}
	return m
}

// carriageMessage says how packets get to other PEs.
func carriageMessage(st vrf.Status) *vrfredistv1.Carriage {
	c := &st.Spec.Carriage
	m := &vrfredistv1.Carriage{
		Encap: c.Kind.Word(), Vni: c.VNI, Device: c.MadeDevice(), DeviceReady: st.Carried.Device, Managed: c.Managed,
		Endpoints: uint32(st.Carried.Endpoints), Source: address(c.Carried().Source), CoreNetns: c.Core.Netns,
		Label: c.Label, Sid: address(c.SRv6.SID), Sid6: address(c.SRv6.SID6), CoreLink: cmp.Or(c.Through.Link, c.SRv6.Link),
	}
	if c.Through.To != (rib.Binding{}) {
		m.Table = c.Through.To.String()
	}
	if c.Router != (rib.MAC{}) {
		m.RouterMac = c.Router.String()
	}
	return m
}

// encapMessage is what packets are put into on a hop, which is done by what it says; nil: nothing.
func encapMessage(to rib.EncapTo, hop *vrfredistv1.Hop) *vrfredistv1.Encap {
	if to.Encap == (rib.Encap{}) {
		return nil
	}
	is := to.Tunnel()
	var way []string
	if g := hop.GetGateway(); g != "" {
		way = append(way, "via", g)
	}
	if d := hop.GetDevice(); d != "" {
		way = append(way, "dev", d)
	}
	m := &vrfredistv1.Encap{Kind: to.Kind().Word(), Vni: is.VNI, Pe: address(to.PE), Text: to.By(strings.Join(way, " ")), Labels: is.Labels.All(), Sid: address(is.SID)}
	if mac := to.Tunnel().RouterMAC; to.PE.IsValid() && mac != (rib.MAC{}) {
		m.RouterMac = mac.String()
	}
	return m
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func routeMessage(name string, d vrf.Direction, r rib.RouteStatus) *vrfredistv1.Route {
	m := &vrfredistv1.Route{
		Prefix: r.Prefix.String(), State: r.State.String(), Reason: r.Reason,
		Metric: r.Route.Metric,
	}
	if r.Route.Kind != 0 {
		m.Kind = r.Route.Kind.String()
	}
	for i, hop := range r.Route.Hops {
		h := &vrfredistv1.Hop{Gateway: address(hop.Gateway), Weight: uint32(max(1, hop.Weight))}
		if i < len(r.Devices) {
			h.Device = r.Devices[i]
		}
		if i < len(r.Encaps) {
			h.Encap = encapMessage(r.Encaps[i], h)
		}
		m.Hops = append(m.Hops, h)
	}
	if d == vrf.Import {
		if r.State == rib.Installed {
			m.State = Announced
		}
		m.Protocol = rib.ProtocolName(r.Route.Protocol)
		m.Med = r.MED
		for _, c := range r.Comms {
			if strings.Count(c, ":") == 2 {
				m.LargeCommunities = append(m.LargeCommunities, c)
			} else {
				m.Communities = append(m.Communities, c)
			}
		}
		return m
	}
	addPath(m, name, r.Best)
	if b := r.Backup.Attrs; b != nil {
		m.Backup = &vrfredistv1.Backup{Nexthops: nexthops(b), Peer: address(b.Peer)}
		if b.Source != name {
			m.Backup.Source = b.Source
		}
	}
	return m
}

// nexthops are those of a path that it has.
func nexthops(a *rib.Attrs) (list []string) {
	for _, nexthop := range []netip.Addr{a.Nexthop, a.LinkLocal} {
		if nexthop.IsValid() {
			list = append(list, nexthop.String())
		}
	}
	return list
}

// addPath says where an exported route comes from. Of a stale route it is not known.
func addPath(m *vrfredistv1.Route, name string, best rib.Path) {
	if best.RD != 0 {
		m.Rd = best.RD.String()
	}
	a := best.Attrs
	switch {
	case a == nil:
		m.Label = best.Label
		return
	case a.Carrier == rib.ByEVPN:
		m.Vni = best.Label
	default:
		m.Label = best.Label
	}
	if a.Carrier != rib.NotCarried {
		m.Carrier = a.Carrier.String()
	}
	m.Nexthops = nexthops(a)
	m.Peer = address(a.Peer)
	m.AsPath = a.ASPath
	m.LocalPref, m.Med = a.LocalPref, a.MED
	m.Communities, m.LargeCommunities = texts(a.Communities), texts(a.Large)
	if a.Source != name {
		m.Source = a.Source
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func neighborMessage(n vrf.Session) *vrfredistv1.Neighbor {
	m := &vrfredistv1.Neighbor{
		Address: n.Name(), PeerAs: n.PeerAS, Alias: address(n.Alias), Netns: n.Netns,
		State: n.State, SinceUnix: unix(n.Since), Reason: n.Reason, Origin: n.Origin,
		DownUnix: unix(n.Down), Stopped: n.Stopped, Draining: n.Draining, Established: uint32(n.Established),
		LocalAddress: address(n.Local), Families: n.Families, Interface: n.Interface, Received: uint32(n.Traffic.Received),
		MessagesReceived: messageCounts(n.Traffic.In), MessagesSent: messageCounts(n.Traffic.Out),
		NotificationReceived: notificationMessage(n.Heard), NotificationSent: notificationMessage(n.Said),
	}
	for _, reason := range slices.Sorted(maps.Keys(n.Removed)) {
		m.Removed = append(m.Removed, &vrfredistv1.Removed{Reason: reason, Count: n.Removed[reason]})
	}
	return m
}

// messageCounts are the counts of one direction; nil: there were none.
func messageCounts(m rib.Messages) *vrfredistv1.Messages {
	if m == (rib.Messages{}) {
		return nil
	}
	return &vrfredistv1.Messages{Total: m.Total, Open: m.Open, Update: m.Update, Notification: m.Notification, Keepalive: m.Keepalive, Refresh: m.Refresh}
}

// notificationMessage is a NOTIFICATION; nil: there was none.
func notificationMessage(n rib.Notification) *vrfredistv1.Notification {
	if n.At.IsZero() {
		return nil
	}
	return &vrfredistv1.Notification{Code: uint32(n.Code), Subcode: uint32(n.Subcode), Text: n.Text, TimeUnix: unix(n.At)}
}
