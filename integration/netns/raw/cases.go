package raw

import (
	"fmt"
	"net/netip"
	"slices"
)

// Stage is how far a session is when a case's messages come.
type Stage int

// The stages: nothing was sent, the OPEN was, the session is up.
const (
	Early Stage = iota
	Opened
	Established
)

// Case is a neighbour's misbehaviour, and what becomes of it.
type Case struct {
	Name     string
	Stage    Stage
	Open     []byte // the OPEN, where it is not the usual one
	Messages [][]byte
	// Ends is how the session ends: "1/3" by a NOTIFICATION of these codes, "closed"
	// without one; "": it stays.
	Ends string
	// Taken says that the prefix of Speaker is a route all the same.
	Taken bool
}

// Cases are the cases of one speaker.
func (s Speaker) Cases() []Case {
	return slices.Concat(headers(), opens(s), early(s), endings(s), attributes(s), wellKnown(s), families(s), floods(s))
}

// headers are messages that their header alone condemns, before the OPEN and later.
func headers() (list []Case) {
	bad := func(name, ends string, m []byte) {
		for stage, text := range []string{"before OPEN", "before KEEPALIVE", "on a session"} {
			list = append(list, Case{Name: name + " " + text, Stage: Stage(stage), Messages: [][]byte{m}, Ends: ends})
		}
	}
	for _, kind := range []byte{0, 6, 255} {
		bad(fmt.Sprintf("type %d", kind), "1/3", Message(kind))
	}
	bad("type 9 with a body", "1/3", Message(9, 1, 2, 3))
	for kind := byte(TypeOpen); kind <= TypeRefresh; kind++ {
		for _, size := range []int{0, 18, 4097, 65535} {
			stage := Stage(2 * ((int(kind) + size) % 2)) // each length and each type before OPEN and later
			m := Sized(size, kind, make([]byte, 64)...)
			list = append(list, Case{Name: fmt.Sprintf("type %d of %d bytes, at stage %d", kind, size, stage), Stage: stage, Messages: [][]byte{m}, Ends: "1/2"})
		}
	}
	for i, size := range []int{28, 22, 20, 20, 22} { // one less than the least, of the KEEPALIVE one more than the most
		kind := byte(TypeOpen + i)
		m := Message(kind, make([]byte, size-headerSize)...)
		list = append(list, Case{Name: fmt.Sprintf("type %d of %d bytes", kind, size), Stage: Established, Messages: [][]byte{m}, Ends: "1/2"})
	}
	bad("no marker", "1/1", make([]byte, headerSize))
	almost := slices.Clone(Keepalive)
	almost[15] = 0xfe
	bad("a marker with one bit less", "1/1", almost)
	return list
}

// opens are OPENs that open nothing.
func opens(s Speaker) (list []Case) {
	open := func(name, ends string, m []byte) {
		list = append(list, Case{Name: "OPEN " + name, Stage: Early, Messages: [][]byte{m}, Ends: ends})
	}
	four := slices.Concat(Family(1, 1), Family(2, 1), FourByteAS(s.AS))
	with := func(version byte, as, hold uint16, id string, parameters []byte) []byte {
		return s.openWith(version, as, hold, netip.MustParseAddr(id), byte(len(parameters)), parameters)
	}
	as, id := uint16(s.AS), s.ID.String()
	open("of version 3", "2/1", with(3, as, 90, id, four))
	open("of version 255", "2/1", with(255, as, 90, id, four))
	open("with AS 0", "2/2", with(4, 0, 90, id, four))
	open("with AS 0 in its capability", "2/2", with(4, as, 90, id, slices.Concat(Family(1, 1), FourByteAS(0))))
	open("of another AS", "2/2", with(4, 64999, 90, id, slices.Concat(Family(1, 1), FourByteAS(64999))))
	open("with a hold time of 1", "2/6", with(4, as, 1, id, four))
	open("with a hold time of 2", "2/6", with(4, as, 2, id, four))
	open("with the identifier 0.0.0.0", "2/3", with(4, as, 90, "0.0.0.0", four))
	open("with parameters over its end", "1/2", s.openWith(4, as, 90, s.ID, 200, four))
	open("with one parameter over its end", "1/2", with(4, as, 90, id, []byte{2, 200, 1, 4}))
	open("with a parameter of one byte", "1/2", with(4, as, 90, id, []byte{2}))
	// GoBGP bears these: it goes on without the capability. What follows ends the session.
	bear := func(name string, parameters []byte) {
		list = append(list, Case{Name: "OPEN " + name, Stage: Early, Messages: [][]byte{with(4, as, 90, id, parameters), Message(9)}, Ends: "1/3"})
	}
	bear("with a capability over its end", []byte{2, 3, 1, 200, 0})
	bear("with a capability of one byte", []byte{2, 1, 65})
	bear("with AS numbers of three bytes", Capability(65, 0, 0, 1))
	bear("with a family of one byte", Capability(1, 0))
	bear("with half a family of ADD-PATH", Capability(69, 0, 1, 1))
	bear("with half a family of graceful restart", Capability(64, 0, 60, 0, 1, 1))
	bear("with a graceful restart of one byte", Capability(64, 0))
	bear("with a name over its end", Capability(73, 250, 'a'))
	bear("with extended nexthops of five bytes", Capability(5, 0, 1, 0, 1, 0))
	bear("with a long-lived restart of three bytes", Capability(71, 0, 1, 1))
	return list
}

// early are whole messages that come too early, and none.
func early(s Speaker) []Case {
	good := s.Announce(s.Prefix)
	second := [][]byte{s.Open()}
	return []Case{
		{Name: "KEEPALIVE before OPEN", Stage: Early, Messages: [][]byte{Keepalive}, Ends: "5/1"},
		{Name: "UPDATE before OPEN", Stage: Early, Messages: [][]byte{good}, Ends: "5/1"},
		{Name: "ROUTE-REFRESH before OPEN", Stage: Early, Messages: [][]byte{Refresh(1, 1)}, Ends: "5/1"},
		{Name: "NOTIFICATION before OPEN", Stage: Early, Messages: [][]byte{Message(TypeNotification, 6, 2)}, Ends: "closed"},
		{Name: "UPDATE before KEEPALIVE", Stage: Opened, Messages: [][]byte{good}, Ends: "5/2"},
		{Name: "ROUTE-REFRESH before KEEPALIVE", Stage: Opened, Messages: [][]byte{Refresh(1, 1)}, Ends: "5/2"},
		{Name: "NOTIFICATION before KEEPALIVE", Stage: Opened, Messages: [][]byte{Message(TypeNotification, 6, 2)}, Ends: "closed"},
		{Name: "a second OPEN before KEEPALIVE", Stage: Opened, Messages: second, Ends: "5/2"},
		{Name: "a hundred OPENs", Stage: Opened, Messages: slices.Repeat(second, 100), Ends: "5/2"},
		{Name: "a second OPEN on a session", Stage: Established, Messages: second, Ends: "5/3"},
		{Name: "NOTIFICATION on a session", Stage: Established, Messages: [][]byte{Message(TypeNotification, 6, 2)}, Ends: "closed"},
		{Name: "NOTIFICATION of codes that there are not", Stage: Established, Messages: [][]byte{Message(TypeNotification, 255, 255, 1)}, Ends: "closed"},
	}
}

// endings are UPDATEs of whose routes nothing can be said.
func endings(s Speaker) (list []Case) {
	end := func(name, ends string, m []byte) {
		list = append(list, Case{Name: "UPDATE " + name, Stage: Established, Messages: [][]byte{m}, Ends: ends})
	}
	one := NLRI(s.Prefix)
	end("with withdrawals over its end", "3/1", Message(TypeUpdate, 0xff, 0xff, 0, 0))
	end("with attributes over its end", "3/1", Message(TypeUpdate, 0, 0, 0, 9, 0x40, 1, 1, 0))
	end("with half an attribute, and no route", "3/1", Update(nil, []byte{0x40, 1, 9, 0}, nil))
	end("with a prefix of 33 bits", "3/10", Update(nil, s.Attrs(), []byte{33, 30, 1, 2, 0, 0}))
	end("with a prefix of 255 bits", "3/10", Update(nil, s.Attrs(), append([]byte{255}, make([]byte, 40)...)))
	end("with half a prefix", "3/10", Update(nil, s.Attrs(), []byte{24, 30, 1}))
	end("that withdraws 33 bits", "3/10", Update([]byte{33, 30, 1, 2, 0, 0}, nil, nil))
	end("that withdraws half a prefix", "3/10", Update([]byte{32, 30, 1}, nil, nil))
	end("with a prefix of 129 bits", "3/10", Update(nil, s.Attrs6(Reach(2, 1, s.Nexthop6.AsSlice(), append([]byte{129}, make([]byte, 17)...))), nil))
	twice := slices.Concat(Reach(2, 1, s.Nexthop6.AsSlice(), NLRI("2001:db8:30::/48")), Reach(2, 1, s.Nexthop6.AsSlice(), NLRI("2001:db8:31::/48")))
	end("with MP_REACH twice", "3/1", Update(nil, s.Attrs6(twice), nil))
	end("with MP_UNREACH twice", "3/1", Update(nil, slices.Concat(Unreach(2, 1, nil), Unreach(2, 1, nil)), nil))
	for n := range 3 {
		end(fmt.Sprintf("with an MP_REACH of %d bytes", n), "3/9", Update(nil, s.Attrs(Attr(Optional, 14, make([]byte, n)...)), one))
		end(fmt.Sprintf("with an MP_UNREACH of %d bytes", n), "3/9", Update(nil, Attr(Optional, 15, make([]byte, n)...), nil))
	}
	end("with an MP_REACH of a family alone", "3/9", Update(nil, s.Attrs(Attr(Optional, 14, 0, 2, 1)), one))
	end("with a nexthop over the end of MP_REACH", "3/9", Update(nil, s.Attrs(Attr(Optional, 14, 0, 2, 1, 200, 1, 2)), one))
	return list
}
