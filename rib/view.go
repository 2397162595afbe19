package rib

import (
	"iter"
	"net/netip"
	"slices"
	"strconv"
)

// View is what a VRF has of the kernel: where its table is, the interfaces of its
// namespace, and the foreign routes of the table. It is a snapshot: whoever holds one
// may read it while the next is made.
type View struct {
	Where   Where
	Links   Links
	Foreign *ForeignTable
	Imports *Importing // what the VRF imports of it, for those that it leaks into; nil: any of it
	// ByDefault lets the default route lead to nexthops: nearly any is reached by it.
	ByDefault bool
	Beside    map[uint32]*ForeignTable // other tables of the namespace that are imported too; immutable
}

// mainTable is the number of the main table (RT_TABLE_MAIN).
const mainTable = 254

// plain tells whether the table is neither a main one nor a VRF device's: one to which
// rules lead, and which every interface of the namespace may serve beside other tables.
func (v View) plain() bool {
	return v.Where.Device == 0 && v.Where.Table != mainTable && v.Where.Table != 0
}

// Member tells whether an interface belongs to the VRF: to a main table what is in no
// VRF device, to a VRF device itself and what is in it, to a plain table everything. A
// bridge's port is where the bridge is.
func (v View) Member(link Link) bool {
	return v.plain() || v.device(link) == v.Where.Device
}

// device returns the index of the VRF device that an interface is, or is in; 0: it is in
// none. A master that is not there is in another namespace, and none of ours.
func (v View) device(link Link) int {
	for range maxMasters + 1 {
		switch {
		case link.VRFTable != 0:
			return link.Index
		case link.Master == 0:
			return 0
		}
		link = v.Links[link.Master]
	}
	return 0
}

// maxMasters bounds how often a master is followed, as the kernel bounds how deep devices
// may be nested (MAX_NEST_DEV).
const maxMasters = 8

// own tells whether nh is an address of this VRF. Tenants in VRF devices of one namespace
// may use the same addresses, so those of other VRFs' interfaces do not count, nor in a
// plain table those of a VRF device's interfaces, unless the table has their subnet.
func (v View) own(nh netip.Addr) bool {
	if zoned(nh) { // fe80::1 on one interface says nothing about the others
		link, found := v.zone(nh)
		nh = nh.WithZone("")
		return found && v.Member(link) && slices.ContainsFunc(link.Addrs, func(a netip.Prefix) bool { return a.Addr() == nh })
	}
	for _, link := range v.Links {
		for _, a := range link.Addrs {
			if a.Addr() == nh && v.Member(link) && (!v.plain() || v.device(link) == 0 || v.connects(nh, link)) {
				return true
			}
		}
	}
	return false
}

// connects tells whether the table has a subnet on a link in which an address lies.
func (v View) connects(addr netip.Addr, link Link) bool {
	for _, routes := range v.Foreign.Covering(addr) {
		if slices.ContainsFunc(routes, func(r Route) bool { return r.ConnectsBy(link.Index, v.Links) }) {
			return true
		}
	}
	return false
}

// OnLink tells whether the gateway of a hop is on its link: link-local, or in a subnet that
// is connected there.
func (v View) OnLink(h Hop) bool {
	if zoned(h.Gateway) {
		return true
	}
	for _, routes := range v.Foreign.Covering(h.Gateway) {
		for _, r := range routes {
			for _, o := range r.Hops {
				if o.Ifindex == h.Ifindex && !o.Gateway.IsValid() {
					return true
				}
			}
		}
	}
	return false
}

// zone returns the interface that is the zone of a link-local address, by name or index.
func (v View) zone(nh netip.Addr) (Link, bool) {
	link, found := v.Links.ByName(nh.Zone())
	if index, err := strconv.Atoi(nh.Zone()); !found && err == nil {
		link, found = v.Links[index]
	}
	return link, found
}

// DependsOn yields the ifindexes whose change can alter Resolve(nh): those of the hops
// of every route that covers it, dead hops too. One may come several times. 0 means that
// the change of any interface can: the zone of a link-local nexthop may come back under
// another index, and a gateway without an interface is looked up further.
func (v View) DependsOn(nh netip.Addr) iter.Seq[int] {
	return func(yield func(int) bool) {
		if zoned(nh) {
			yield(0)
			return
		}
		for _, routes := range v.Foreign.Covering(nh.WithZone("")) {
			for _, r := range routes {
				for _, h := range r.Hops {
					if !yield(h.Ifindex) {
						return
					}
				}
			}
		}
	}
}

// zoned tells whether nh means something on one interface only. IPv4 link-local
// addresses do too, but have no zones: there the connected route decides.
func zoned(nh netip.Addr) bool { return nh.Is6() && nh.IsLinkLocalUnicast() }
