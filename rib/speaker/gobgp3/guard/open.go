package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Families are the address families of a session, each with its mode of ADD-PATH.
type Families = map[bgp.RouteFamily]bgp.BGPAddPathMode

// agreement is the agreement of both OPENs.
type agreement struct {
	Session
	notification bool // RFC 8538's N bit, of both: a NOTIFICATION keeps the routes
	refresh      bool // the neighbour takes a ROUTE-REFRESH

	unicast, vpn [2]encoding // by rib.Family: IPv4, IPv6
	evpn         encoding
}

// encoding is how prefixes of a family are written.
type encoding struct {
	agreed bool
	id     int // bytes of a path identifier before each (RFC 7911)
	bits   int // of an address
	rd     int // bytes of label and RD before the address, counted in the length
	// evpn says that each is a route of EVPN, with a type and a length.
	evpn bool
}

// agree reads both OPENs as GoBGP does. The neighbour's may make GoBGP's parser panic.
func agree(own, peer []byte) (a *agreement, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("an OPEN that GoBGP does not survive: %v", p)
		}
	}()
	theirs, err := bgp.ParseBGPMessage(peer)
	if err != nil {
		var is *bgp.MessageError
		if errors.As(err, &is) {
			return nil, is // GoBGP has a NOTIFICATION for it
		}
		return nil, fmt.Errorf("an OPEN that GoBGP does not survive: %w", err)
	}
	ours, err := bgp.ParseBGPMessage(own)
	if err != nil {
		return nil, fmt.Errorf("our own OPEN: %w", err)
	}
	x, y := capabilitiesOf(ours.Body.(*bgp.BGPOpen)), capabilitiesOf(theirs.Body.(*bgp.BGPOpen))
	a = &agreement{
		Session: Session{
			Families: make(Families), FourByteAS: x.fourByte && y.fourByte,
			PeerAS: y.as, External: x.as != y.as,
		},
		notification: x.notification && y.notification,
		refresh:      y.refresh,
	}
	for f := range x.families {
		if !y.families[f] {
			continue
		}
		mode := bgp.BGP_ADD_PATH_NONE
		// GoBGP reads path identifiers only of who sent the capability.
		if x.addPath[f]&bgp.BGP_ADD_PATH_RECEIVE != 0 && y.addPath[f]&bgp.BGP_ADD_PATH_SEND != 0 {
			mode |= bgp.BGP_ADD_PATH_RECEIVE
		}
		// It measures what it reads, a rule of FlowSpec for one, by what it would send.
		if x.addPath[f]&bgp.BGP_ADD_PATH_SEND != 0 && y.addPath[f]&bgp.BGP_ADD_PATH_RECEIVE != 0 {
			mode |= bgp.BGP_ADD_PATH_SEND
		}
		a.Families[f] = mode
	}
	a.unicast = [2]encoding{a.encoding(bgp.RF_IPv4_UC, 32, 0), a.encoding(bgp.RF_IPv6_UC, 128, 0)}
	a.vpn = [2]encoding{a.encoding(bgp.RF_IPv4_VPN, 32, labelAndRD), a.encoding(bgp.RF_IPv6_VPN, 128, labelAndRD)}
	a.evpn = a.encoding(bgp.RF_EVPN, 0, 0)
	a.evpn.evpn = true
	return a, nil
}

// names are the names of the families, in their order.
func (a *agreement) names() (list []string) {
	for _, f := range slices.Sorted(maps.Keys(a.Families)) {
		list = append(list, f.String())
	}
	return list
}

// labelAndRD are one label of three bytes and a route distinguisher of eight (RFC 4364
// and RFC 8277).
const labelAndRD = 11

func (a *agreement) encoding(f bgp.RouteFamily, bits, rd int) encoding {
	mode, agreed := a.Families[f]
	e := encoding{agreed: agreed, bits: bits, rd: rd}
	if mode&bgp.BGP_ADD_PATH_RECEIVE != 0 {
		e.id = 4
	}
	return e
}

// of returns how the prefixes of a family are written that the guard reads itself.
func (a *agreement) of(afi uint16, safi uint8) (encoding, bool) {
	if afi == bgp.AFI_L2VPN && safi == bgp.SAFI_EVPN {
		return a.evpn, true
	}
	if afi != bgp.AFI_IP && afi != bgp.AFI_IP6 {
		return encoding{}, false
	}
	switch safi {
	case bgp.SAFI_UNICAST:
		return a.unicast[afi-1], true
	case bgp.SAFI_MPLS_VPN:
		return a.vpn[afi-1], true
	}
	return encoding{}, false
}

// labelled tells whether a family was agreed on of which the routes carry a label or a
// tunnel: VPN, EVPN and labelled unicast. These families have a use for Prefix-SID (RFC 8669,
// RFC 9252) and tunnel encapsulation (RFC 9012).
func (a *agreement) labelled() bool {
	for f := range a.Families {
		switch _, safi := bgp.RouteFamilyToAfiSafi(f); safi {
		case bgp.SAFI_MPLS_VPN, bgp.SAFI_MPLS_LABEL, bgp.SAFI_EVPN, bgp.SAFI_ENCAPSULATION, bgp.SAFI_SRPOLICY:
			return true
		}
	}
	return false
}

// linkState tells whether BGP-LS was agreed on (RFC 9552).
func (a *agreement) linkState() bool {
	for f := range a.Families {
		if afi, _ := bgp.RouteFamilyToAfiSafi(f); afi == bgp.AFI_LS {
			return true
		}
	}
	return false
}

// capabilities are the capabilities of one OPEN.
type capabilities struct {
	as                              uint32
	families                        map[bgp.RouteFamily]bool
	addPath                         Families
	fourByte, notification, refresh bool
}

func capabilitiesOf(o *bgp.BGPOpen) capabilities {
	c := capabilities{as: uint32(o.MyAS), families: make(map[bgp.RouteFamily]bool), addPath: make(Families)}
	for _, p := range o.OptParams {
		list, is := p.(*bgp.OptionParameterCapability)
		if !is {
			continue
		}
		for _, one := range list.Capability {
			c.take(one)
		}
	}
	if len(c.families) == 0 {
		c.families[bgp.RF_IPv4_UC] = true // RFC 4760, 8: an OPEN that names no family has this one
	}
	return c
}

func (c *capabilities) take(one bgp.ParameterCapabilityInterface) {
	switch v := one.(type) {
	case *bgp.CapMultiProtocol:
		c.families[v.CapValue] = true
	case *bgp.CapFourOctetASNumber:
		c.fourByte, c.as = true, v.CapValue
	case *bgp.CapAddPath:
		for _, t := range v.Tuples {
			c.addPath[t.RouteFamily] = t.Mode
		}
	case *bgp.CapGracefulRestart:
		c.notification = v.Flags&0x04 != 0
	case *bgp.CapRouteRefresh:
		c.refresh = true
	}
}

// openAS are the AS numbers of an OPEN, which may be 0 in neither place (RFC 7607).
func openAS(m []byte, a *agreement) (zero bool) {
	return binary.BigEndian.Uint16(m[headerSize+1:]) == 0 || a.PeerAS == 0
}
