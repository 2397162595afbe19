package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Attributes inside of RTA_ENCAP and NHA_ENCAP that x/sys/unix does not name
// (include/uapi/linux/mpls_iptunnel.h, seg6_iptunnel.h).
const (
	mplsLabels = 1 // MPLS_IPTUNNEL_DST: a stack of label entries
	seg6Header = 1 // SEG6_IPTUNNEL_SRH: struct seg6_iptunnel_encap

	sizeofLabel = 4
	bottom      = 1 << 8 // of the stack (RFC 3032, 2.1)
	labelShift  = 12
	// mostLabels is how many the kernel takes in a stack (nla_get_labels in net/mpls/af_mpls.c).
	mostLabels = 255

	seg6ModeEncap   = 1 // SEG6_IPTUN_MODE_ENCAP
	seg6ModeReduced = 3 // SEG6_IPTUN_MODE_ENCAP_RED
	// sizeofSeg6 is struct seg6_iptunnel_encap: the mode, and a segment routing header (RFC 8754,
	// 2) with one segment.
	sizeofSeg6 = 4 + 8 + 16
	// sizeofEncap is at least what the two attributes of an encapsulation take beside its labels.
	sizeofEncap = 3*attrHeader + 4 + sizeofSeg6
)

// seg6Fields are the fields of a segment routing header with one segment, before that: nexthdr,
// hdrlen, type, segments_left, first_segment, flags and tag.
var seg6Fields = [8]byte{0, 2, 4}

// checkEncap refuses an encapsulation that cannot be written whole; "": it can be.
func checkEncap(e rib.Encap) (why string) {
	is := e.Tunnel()
	switch e.Kind() {
	case 0:
		return ""
	case rib.EncapMPLS:
		if n := is.Labels.Len(); n == 0 || n > mostLabels {
			return fmt.Sprintf("%d labels are no stack of them", n)
		}
		for labels := []byte(is.Labels); len(labels) >= sizeofLabel; labels = labels[sizeofLabel:] {
			// The kernel refuses it in any stack (nla_get_labels).
			if label := binary.BigEndian.Uint32(labels); label > rib.MaxLabel || label == rib.ImplicitNull {
				return fmt.Sprintf("the label %d cannot be in a stack", label)
			}
		}
		return ""
	case rib.EncapSRv6:
		if sid := is.SID; !sid.Is6() || sid.Is4In6() || sid.IsUnspecified() || sid.IsMulticast() || sid.Zone() != "" {
			return fmt.Sprintf("%v is no SID", sid)
		}
		return ""
	}
	return fmt.Sprintf("there is no way here to write its encapsulation (%s)", e.Kind())
}

// mappedMPLS tells whether a hop is one of IPv6 by labels over an IPv4 link: the kernel asks by
// ARP for a gateway in ::ffff:0:0/96 (mpls_output in net/mpls/mpls_iptunnel.c), where it does not
// look for it in the table first.
func mappedMPLS(h *rib.Hop) bool { return h.Encap.Kind() == rib.EncapMPLS && h.OnLink && h.Ifindex > 0 }

// appendEncap appends the two attributes of an encapsulation, whose types are RTA_ENCAP_TYPE and
// RTA_ENCAP or those of a nexthop object; nothing where there is none. The kernel reads objects'
// attributes strictly, and takes the second only where it is marked as nested.
func appendEncap(b []byte, kindType, encapType uint16, e rib.Encap) []byte {
	kind := e.Kind()
	if kind == 0 {
		return b
	}
	b = native.AppendUint16(b, attrHeader+2)
	b = native.AppendUint16(b, kindType)
	b = native.AppendUint16(b, uint16(kind))
	b = append(b, 0, 0)
	nest := len(b)
	b = append(b, 0, 0, 0, 0)
	native.PutUint16(b[nest+2:], encapType|unix.NLA_F_NESTED)
	inner := len(b)
	b = append(b, 0, 0, 0, 0)
	is := e.Tunnel()
	if kind == rib.EncapMPLS {
		native.PutUint16(b[inner+2:], mplsLabels)
		b = appendLabels(b, is.Labels)
	} else {
		native.PutUint16(b[inner+2:], seg6Header)
		mode := uint32(seg6ModeEncap)
		if is.Reduced {
			mode = seg6ModeReduced
		}
		b = native.AppendUint32(b, mode)
		b = append(b, seg6Fields[:]...)
		sid := is.SID.As16()
		b = append(b, sid[:]...)
	}
	native.PutUint16(b[inner:], uint16(len(b)-inner))
	native.PutUint16(b[nest:], uint16(len(b)-nest))
	return b
}

// appendLabels appends a stack of label entries, of which the last is marked as the bottom.
func appendLabels(b []byte, labels rib.Labels) []byte {
	for i := 0; i+sizeofLabel <= len(labels); i += sizeofLabel {
		label := uint32(labels[i])<<24 | uint32(labels[i+1])<<16 | uint32(labels[i+2])<<8 | uint32(labels[i+3])
		b = binary.BigEndian.AppendUint32(b, label<<labelShift)
	}
	b[len(b)-2] |= bottom >> 8
	return b
}

// rawEncap is an encapsulation as a message has it: the kernel puts what it is after what it puts
// around a packet.
type rawEncap struct {
	kind rib.EncapKind
	is   []byte // RTA_ENCAP or NHA_ENCAP
}

// take takes in one of its two attributes.
func (r *rawEncap) take(kind bool, v []byte) {
	switch {
	case !kind:
		r.is = v
	case len(v) >= 2:
		r.kind = encapKind(native.Uint16(v))
	}
}

// encapKind is the kernel's number of a kind as rib has it: what it does not know is another's.
func encapKind(number uint16) rib.EncapKind {
	if number >= uint16(rib.EncapOther) {
		return rib.EncapOther
	}
	return rib.EncapKind(number)
}

// read is what the encapsulation says; where that is more than rib's can say, its kind alone.
func (r *rawEncap) read() rib.Encap {
	switch r.kind {
	case rib.EncapMPLS:
		if labels, ok := decodeStack(attribute(r.is, mplsLabels)); ok {
			return rib.ByMPLS(labels)
		}
	case rib.EncapSRv6:
		if sid, reduced, ok := decodeSegment(r.is); ok {
			return rib.BySRv6(sid, reduced)
		}
	}
	return rib.EncapOf(r.kind)
}

// decodeStack reads a stack of label entries.
func decodeStack(stack []byte) (rib.Labels, bool) {
	if len(stack) < sizeofLabel || len(stack)%sizeofLabel != 0 {
		return "", false
	}
	labels := make([]byte, 0, len(stack))
	for ; len(stack) > 0; stack = stack[sizeofLabel:] {
		entry := binary.BigEndian.Uint32(stack)
		if last := len(stack) == sizeofLabel; last != (entry&bottom != 0) {
			return "", false
		}
		labels = binary.BigEndian.AppendUint32(labels, entry>>labelShift)
	}
	return rib.Labels(labels), true
}

// decodeSegment reads the attributes of SEG6. It is not ok where packets do not just get an IPv6 header
// for one SID.
func decodeSegment(is []byte) (sid netip.Addr, reduced, ok bool) {
	var v []byte
	a := attrs{b: is}
	for typ, value, more := a.next(); more; typ, value, more = a.next() {
		if typ != seg6Header {
			return sid, false, false // a source, or a table for the packet outside, of its own
		}
		v = value
	}
	if len(v) != sizeofSeg6 || [8]byte(v[4:]) != seg6Fields {
		return sid, false, false
	}
	mode := native.Uint32(v)
	sid = netip.AddrFrom16([16]byte(v[12:]))
	return sid, mode == seg6ModeReduced, mode == seg6ModeEncap || mode == seg6ModeReduced
}

// encapKey is a rawEncap that can be kept. One that is longer than longestKept is none that rib
// can say more of than its kind.
type encapKey struct {
	kind rib.EncapKind
	is   string
}

const longestKept = 2*attrHeader + max(mostLabels*sizeofLabel, sizeofSeg6)
