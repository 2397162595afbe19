package rib

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unique"
)

// Encap is what a packet is put into on its way. The zero Encap is none. It is one word, and
// comparable, so that nexthops and hops stay so: what it says is kept once for all that say it.
type Encap struct{ of unique.Handle[encapOf] }

// encapOf is a Tunnel with its kind in half the room: a VRF has as many as it has other PEs.
type encapOf struct {
	kind    EncapKind
	reduced bool
	router  MAC
	vni     uint32
	rest    string // the labels of MPLS, or the bytes of SRv6's SID
}

// Tunnel is what an encapsulation says beside its kind and the PE that it leads to.
type Tunnel struct {
	VNI       uint32     // of VXLAN
	RouterMAC MAC        // of VXLAN: the inner destination address
	Labels    Labels     // of MPLS; none: they are not known
	SID       netip.Addr // of SRv6; invalid: it is not known, or there are several
	Reduced   bool       // of SRv6: without a segment routing header (H.Encaps.Red, RFC 8986, 5.2)
}

// EncapOf is an encapsulation of which only the kind is known: another program's; 0: none.
func EncapOf(kind EncapKind) Encap {
	if kind == 0 {
		return Encap{}
	}
	return Encap{unique.Make(encapOf{kind: kind})}
}

// Kind is the kind of e; 0: it is none.
func (e Encap) Kind() EncapKind {
	if e == (Encap{}) {
		return 0
	}
	return e.of.Value().kind
}

// EncapKind is the kernel's number of a kind of encapsulation, enum lwtunnel_encap_types
// (include/uapi/linux/lwtunnel.h); 0: none. VXLAN is none of those there: what the kernel
// forwards by is the device, and the PE's entries on it (Endpoint).
type EncapKind uint8

// Of the kinds that BGP names VXLAN, and those that nothing here knows, are far from the kernel's
// own numbers.
const (
	EncapMPLS  EncapKind = 1
	EncapSRv6  EncapKind = 5 // SEG6
	EncapVXLAN EncapKind = 255
	EncapOther EncapKind = 254
)

// String is the kind as `ip route` names it behind "encap".
func (k EncapKind) String() string {
	names := [...]string{"none", "mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm"}
	switch {
	case int(k) < len(names):
		return names[k]
	case k == EncapVXLAN:
		return "vxlan"
	case k == EncapOther:
		return "another"
	}
	return strconv.Itoa(int(k))
}

// Word is the kind as the configuration has it.
func (k EncapKind) Word() string {
	if k == EncapSRv6 {
		return "srv6"
	}
	return k.String()
}

// ByVXLAN puts packets into VXLAN with a VNI, for the router that has a MAC address (RFC 9135,
// 5.1; RFC 9136, 4.4.1).
func ByVXLAN(vni uint32, router MAC) Encap {
	return Encap{unique.Make(encapOf{kind: EncapVXLAN, vni: vni, router: router})}
}

// ByMPLS puts labels before packets, the outermost first.
func ByMPLS(labels Labels) Encap {
	return Encap{unique.Make(encapOf{kind: EncapMPLS, rest: string(labels)})}
}

// BySRv6 puts packets into IPv6 for a SID (RFC 8986, 5.1 and 5.2).
func BySRv6(sid netip.Addr, reduced bool) Encap {
	return Encap{unique.Make(encapOf{kind: EncapSRv6, rest: string(sid.AsSlice()), reduced: reduced})}
}

// Tunnel is what e says beside its kind; the zero one where that is not known.
func (e Encap) Tunnel() Tunnel {
	if e == (Encap{}) {
		return Tunnel{}
	}
	is := e.of.Value()
	t := Tunnel{VNI: is.vni, RouterMAC: is.router, Reduced: is.reduced}
	if is.kind == EncapSRv6 {
		t.SID, _ = netip.AddrFromSlice([]byte(is.rest)) // none of a SID that is not known
	} else {
		t.Labels = Labels(is.rest)
	}
	return t
}

// EncapTo is an encapsulation, and the PE that it leads to; invalid: that is not to be told.
type EncapTo struct {
	Encap
	PE netip.Addr
}

// String is t for a person: "vxlan 100 to 10.255.0.2, 02:00:00:00:02:01", "mpls 16002/80, PE
// 10.255.0.2"; "" where it is none.
func (t EncapTo) String() string { return t.By("") }

// By is String with where packets go, between the labels or the SID and the PE: "mpls 16002/80 via
// 192.0.2.9 dev core, PE 10.255.0.2". Of VXLAN the PE's address says that.
func (t EncapTo) By(way string) string {
	s, is := t.Encap.String(), t.Tunnel()
	if way != "" && t.Kind() != EncapVXLAN {
		s = strings.TrimPrefix(s+" "+way, " ")
	}
	switch {
	case !t.PE.IsValid() || t.Encap == (Encap{}):
	case t.Kind() == EncapVXLAN && is.RouterMAC != (MAC{}):
		s += fmt.Sprintf(" to %s, %s", t.PE, is.RouterMAC)
	case t.Kind() == EncapVXLAN:
		s += fmt.Sprintf(" to %s", t.PE)
	default:
		s += fmt.Sprintf(", PE %s", t.PE)
	}
	return s
}

// String is e for a person, as far as it is known: "mpls 16002/80", "srv6 fd00:2:0:1:100::"; "" where it
// is none.
func (e Encap) String() string {
	if e == (Encap{}) {
		return ""
	}
	s, is := e.Kind().Word(), e.Tunnel()
	switch {
	case is.VNI != 0:
		s += " " + strconv.FormatUint(uint64(is.VNI), 10)
	case is.Labels != "":
		s += " " + is.Labels.String()
	case is.SID.IsValid():
		s += " " + is.SID.String()
	}
	return s
}

// withoutPE is t without what it says of another router.
func (t EncapTo) withoutPE() EncapTo {
	if t.Kind() != EncapVXLAN {
		return EncapTo{Encap: EncapOf(t.Kind())}
	}
	return EncapTo{Encap: ByVXLAN(t.Tunnel().VNI, MAC{})}
}

// AppendKey appends what makes two encapsulations different, and nothing for none. The ids of
// nexthop objects are made of it, and outlive the daemon.
func (e Encap) AppendKey(b []byte) []byte {
	if e == (Encap{}) {
		return b
	}
	b = append(b, 'e', byte(e.Kind()))
	switch t := e.Tunnel(); {
	case t == (Tunnel{}):
	case t.Labels != "":
		b = append(b, t.Labels...)
	case t.SID.IsValid():
		b = t.SID.AppendTo(b)
		if t.Reduced {
			b = append(b, '-')
		}
	default:
		b = strconv.AppendUint(b, uint64(t.VNI), 10)
		b = append(append(b, '-'), t.RouterMAC[:]...)
	}
	return b
}

// MAC is the Ethernet address of an interface. The zero one is none.
type MAC [6]byte

// ParseMAC reads an address of six bytes in one of the usual forms.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(MAC{}) {
		return MAC{}, fmt.Errorf("%q is no MAC address; write one like 02:00:00:00:01:01", s)
	}
	return MAC(hw), nil
}

// Unicast tells whether it can be the address of one router.
func (m MAC) Unicast() bool { return m != MAC{} && m[0]&1 == 0 }

// String is the usual form.
func (m MAC) String() string {
	b := make([]byte, 0, 3*len(m))
	for i := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, m[i:i+1])
	}
	return string(b)
}

// Carrier is the family of BGP by which another router's path came into a VRF.
type Carrier uint8

// What carries paths. NotCarried are those of neighbours in the VRF, those of the global table,
// and this router's own.
const (
	NotCarried Carrier = iota
	ByVPN              // a VPN route (RFC 4364), which has a label
	ByEVPN             // an IP prefix route of EVPN, type 5 (RFC 9136)
)

// String names the family for a person.
func (c Carrier) String() string {
	switch c {
	case ByVPN:
		return "VPN"
	case ByEVPN:
		return "EVPN"
	}
	return "plain"
}

// MaxVNI is the largest VXLAN network identifier: it has 24 bits (RFC 7348, 5).
const MaxVNI = 1<<24 - 1
