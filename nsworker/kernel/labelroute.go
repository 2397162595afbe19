package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// labelBits is the length of the destination of an AF_MPLS route.
const labelBits = 20

// checkEntrance refuses what the kernel would take for something else.
func checkEntrance(e *rib.Entrance) error {
	switch {
	case e.Ifindex <= 0:
		return errors.New("it has no interface")
	case e.SID.IsValid() && e.Label != 0:
		return errors.New("it is a label and a SID at once")
	case e.SID.IsValid():
		return checkSID(e)
	case e.Label < rib.FirstLabel || e.Label > rib.MaxLabel:
		return fmt.Errorf("a label is from %d to %d", rib.FirstLabel, rib.MaxLabel)
	case e.Via.IsValid() && (e.Via.Is4In6() || e.Via.IsUnspecified() || e.Via.IsMulticast()):
		return fmt.Errorf("%v is no address to send packets to", e.Via)
	}
	return nil
}

// appendLabelHead appends struct rtmsg and the label of a route of ours.
func appendLabelHead(b []byte, e *rib.Entrance, protocol uint8) []byte {
	b = append(b, unix.AF_MPLS, labelBits, 0, 0, unix.RT_TABLE_MAIN, protocol, unix.RT_SCOPE_UNIVERSE, byte(rib.KindUnicast))
	b = native.AppendUint32(b, 0)
	return appendAttr(b, unix.RTA_DST, appendLabels(nil, rib.LabelStack(e.Label)))
}

// appendLabelRoute appends the route that takes the label off and hands the packet to the VRF
// device, or to the address beyond the link.
func appendLabelRoute(b []byte, e *rib.Entrance, protocol uint8) []byte {
	b = appendLabelHead(b, e, protocol)
	if e.Via.IsValid() {
		family := uint16(unix.AF_INET)
		if e.Via.Is6() {
			family = unix.AF_INET6
		}
		b = appendAttr(b, unix.RTA_VIA, append(native.AppendUint16(nil, family), e.Via.AsSlice()...))
	}
	return appendAttrU32(b, unix.RTA_OIF, uint32(e.Ifindex))
}

// labelLookup asks for the route of a label (mpls_getroute in net/mpls/af_mpls.c).
func labelLookup(label uint32) []byte {
	b := append(make([]byte, 0, 32), unix.AF_MPLS, labelBits, 0, 0, 0, 0, 0, 0)
	b = native.AppendUint32(b, unix.RTM_F_FIB_MATCH)
	return appendAttr(b, unix.RTA_DST, appendLabels(nil, rib.LabelStack(label)))
}

// oneLabel is the label of a stack that has one.
func oneLabel(stack []byte) (uint32, bool) {
	if len(stack) != sizeofLabel {
		return 0, false
	}
	return binary.BigEndian.Uint32(stack) >> labelShift, true
}

// decodeLabelRoute reads a route of AF_MPLS. One that does more than to take the label off, or
// that has several ways, comes without an interface.
func decodeLabelRoute(body []byte) (s rib.StandingEntrance, ok bool, err error) {
	if len(body) < unix.SizeofRtMsg {
		return s, false, fmt.Errorf("route message of %d bytes is too short", len(body))
	}
	s.Protocol = body[5]
	otherwise := rib.Kind(body[7]) != rib.KindUnicast
	a := attrs{b: body[unix.SizeofRtMsg:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.RTA_DST:
			s.Label, ok = oneLabel(v)
		case unix.RTA_OIF:
			s.Ifindex = int(attrU32(v))
		case unix.RTA_VIA:
			s.Via = attrVia(v)
			otherwise = otherwise || !s.Via.IsValid() // an Ethernet address
		case unix.RTA_NEWDST, unix.RTA_MULTIPATH:
			otherwise = true
		}
	}
	if a.bad || !ok {
		return s, false, errors.New("MPLS route message is malformed")
	}
	if otherwise {
		s.Entrance = rib.Entrance{Label: s.Label}
	}
	return s, true, nil
}
