package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// encapLocal is LWTUNNEL_ENCAP_SEG6_LOCAL, the kind of "encapsulation" that a SID's route has: it
// takes packets out of one (include/uapi/linux/lwtunnel.h).
const encapLocal = unix.LWTUNNEL_ENCAP_SEG6_LOCAL

// Attributes of it (include/uapi/linux/seg6_local.h).
const (
	localAction   = 1
	localTable    = 3
	localVia4     = 4
	localVia6     = 5
	localVRFTable = 9
	localCounters = 10 // which anybody may ask for, and which change nothing
)

// checkSID refuses a SID that the kernel would take for something else.
func checkSID(e *rib.Entrance) error {
	sid := e.SID
	switch {
	case !sid.Is6() || sid.Is4In6() || sid.IsUnspecified() || sid.IsMulticast() || sid.IsLinkLocalUnicast() || sid.Zone() != "":
		return fmt.Errorf("%v is no SID", sid)
	case byTable(e.Does) && (e.Table == 0 || e.Via.IsValid()):
		return fmt.Errorf("%v needs a table, and no address", e.Does)
	case e.Does == rib.DX4 && (!e.Via.Is4() || e.Table != 0):
		return fmt.Errorf("%v needs an IPv4 address, and no table", e.Does)
	case e.Does == rib.DX6 && (!e.Via.Is6() || e.Via.Zone() != "" || e.Table != 0):
		return fmt.Errorf("%v needs an IPv6 address, and no table", e.Does)
	case e.Does == rib.Forward && (!e.Via.Is6() || e.Via.Zone() != "" || e.Via.IsUnspecified() || e.Table != 0):
		return errors.New("it is to be sent on to an IPv6 address")
	case !byTable(e.Does) && e.Does != rib.DX4 && e.Does != rib.DX6 && e.Does != rib.Forward:
		return fmt.Errorf("there is no way here to write the %v", e.Does)
	}
	return nil
}

// byTable tells whether a behaviour looks the packet inside up in a table.
func byTable(b rib.Behaviour) bool { return b == rib.DT4 || b == rib.DT6 || b == rib.DT46 }

// appendSIDHead appends struct rtmsg and what names the route of a SID of ours.
func appendSIDHead(b []byte, e *rib.Entrance, protocol uint8) []byte {
	b = append(b, unix.AF_INET6, 128, 0, 0, unix.RT_TABLE_MAIN, protocol, unix.RT_SCOPE_UNIVERSE, byte(rib.KindUnicast))
	b = native.AppendUint32(b, 0)
	b = appendAttrAddr(b, unix.RTA_DST, e.SID)
	b = appendAttrU32(b, unix.RTA_TABLE, unix.RT_TABLE_MAIN)
	return appendAttrU32(b, unix.RTA_PRIORITY, rib.CoreMetric)
}

// appendSID appends the route of a SID. inVRF says that its interface is the VRF device which has
// its table: then the VRF's own addresses answer too, and not only those behind them.
func appendSID(b []byte, e *rib.Entrance, inVRF bool, protocol uint8) []byte {
	b = appendSIDHead(b, e, protocol)
	b = appendAttrU32(b, unix.RTA_OIF, uint32(e.Ifindex))
	if e.Does == rib.Forward {
		return appendAttrAddr(b, unix.RTA_GATEWAY, e.Via)
	}
	local := appendAttrU32(nil, localAction, uint32(e.Does))
	switch {
	case e.Does == rib.DX4:
		local = appendAttrAddr(local, localVia4, e.Via)
	case e.Does == rib.DX6:
		local = appendAttrAddr(local, localVia6, e.Via)
	case e.Does == rib.DT6 && !inVRF:
		local = appendAttrU32(local, localTable, e.Table)
	default:
		local = appendAttrU32(local, localVRFTable, e.Table)
	}
	kind := native.AppendUint16(nil, encapLocal)
	return appendAttr(appendAttr(b, unix.RTA_ENCAP_TYPE, kind), unix.RTA_ENCAP|unix.NLA_F_NESTED, local)
}

// sidLookup asks for the route by which the kernel takes a SID. It looks at no other table than
// main where rules lead to none.
func sidLookup(sid netip.Addr) []byte {
	b := append(make([]byte, 0, 32), unix.AF_INET6, 128, 0, 0, 0, 0, 0, 0)
	b = native.AppendUint32(b, unix.RTM_F_FIB_MATCH)
	return appendAttrAddr(b, unix.RTA_DST, sid)
}

// isSID tells whether a route message is about a route that takes packets out of SRv6.
func isSID(body []byte) bool {
	kind := attribute(body[unix.SizeofRtMsg:], unix.RTA_ENCAP_TYPE)
	return len(kind) >= 2 && native.Uint16(kind) == encapLocal
}

// ofSID tells whether a message is about such a route, or about one of ours that sends packets for
// a SID on.
func ofSID(body []byte, protocol uint8) bool {
	forwards := body[5] == protocol && body[1] == 128 && attrU32(attribute(body[unix.SizeofRtMsg:], unix.RTA_PRIORITY)) == rib.CoreMetric
	return forwards || isSID(body)
}

// decodeSID reads an IPv6 route to one address. It is not ok where it is to more of them; of one
// that is written otherwise than ours the interface is 0. vrfTable is the table of a VRF device.
func decodeSID(body []byte, vrfTable func(ifindex int) uint32) (s rib.StandingEntrance, ok bool, err error) {
	if len(body) < unix.SizeofRtMsg {
		return s, false, fmt.Errorf("route message of %d bytes is too short", len(body))
	}
	if body[0] != unix.AF_INET6 || body[1] != 128 {
		return s, false, nil
	}
	s.Protocol = body[5]
	table, metric := uint32(body[4]), uint32(0)
	var local []byte
	otherwise := false
	a := attrs{b: body[unix.SizeofRtMsg:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.RTA_DST:
			s.SID = attrAddr(v)
		case unix.RTA_TABLE:
			table = attrU32(v)
		case unix.RTA_PRIORITY:
			metric = attrU32(v)
		case unix.RTA_OIF:
			s.Ifindex = int(attrU32(v))
		case unix.RTA_ENCAP:
			local = v
		case unix.RTA_GATEWAY:
			s.Via, s.Does = attrAddr(v), rib.Forward
		case unix.RTA_MULTIPATH, rtaNexthopID:
			otherwise = true
		}
	}
	if a.bad || !s.SID.Is6() {
		return s, false, errors.New("IPv6 route message is malformed")
	}
	otherwise = otherwise || table != unix.RT_TABLE_MAIN || metric != rib.CoreMetric || rib.Kind(body[7]) != rib.KindUnicast
	switch {
	case isSID(body):
		s.Via, s.Does = netip.Addr{}, 0
		otherwise = !takeLocal(&s.Entrance, local, vrfTable) || otherwise
	case attribute(body[unix.SizeofRtMsg:], unix.RTA_ENCAP_TYPE) != nil, s.Does != rib.Forward:
		otherwise = true
	}
	if otherwise {
		s.Entrance = rib.Entrance{SID: s.SID, Does: s.Does}
	}
	return s, true, nil
}

// takeLocal takes in what a route does with the packets of a SID. It is false where it is not
// written as ours.
func takeLocal(e *rib.Entrance, local []byte, vrfTable func(ifindex int) uint32) bool {
	known, inVRF, plain := true, false, false
	a := attrs{b: local}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case localAction:
			e.Does = rib.Behaviour(min(attrU32(v), 255))
		case localTable:
			e.Table, plain = attrU32(v), true
		case localVRFTable:
			e.Table, inVRF = attrU32(v), true
		case localVia4, localVia6:
			e.Via = attrAddr(v)
		case localCounters:
		default:
			known = false // a flavour, or a header of its own
		}
	}
	if !known || a.bad || checkSID(e) != nil || inVRF && plain {
		return false
	}
	// A table that a VRF device has is written as that device's.
	return !byTable(e.Does) || inVRF || e.Does == rib.DT6 && vrfTable(e.Ifindex) != e.Table
}

// sidRefusal is the kernel's refusal of a SID, with what is to be done about it.
func sidRefusal(to *rib.Entrance, err *requestError) error {
	switch {
	case err.errno == unix.EPERM && strings.Contains(err.text, "trict mode"):
		return fmt.Errorf("%w: sysctl -w net.vrf.strict_mode=1 in the namespace of the VRF device", err)
	case err.errno == unix.ENODEV:
		return fmt.Errorf("%w: the VRF device that has the table %d is not there, or its interface is not", err, to.Table)
	case err.errno == unix.EOPNOTSUPP, err.errno == unix.EINVAL && err.text == "":
		return fmt.Errorf("%w: the kernel may lack %v, which needs %s", err, to.Does, since(to.Does))
	}
	return err
}

// since is what a behaviour needs.
func since(b rib.Behaviour) string {
	switch b {
	case rib.DT46:
		return "Linux 5.14 and VRF devices"
	case rib.DT4:
		return "Linux 5.11 and VRF devices"
	}
	return "Linux 4.14 with CONFIG_IPV6_SEG6_LWTUNNEL"
}
