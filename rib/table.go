package rib

// Table is one complete and uninterrupted reading of a VRF's table and of the
// links of its namespace. A reader that cannot vouch for completeness returns
// an error instead: a failed read is no news.
type Table struct {
	Links  Links
	Routes RouteList          // all of them, own and foreign, both families, TOS 0 only
	Beside map[uint32][]Route // the same of other tables that were asked for
	// Objects says that the kernel has nexthop objects, and Nexthops are those
	// of the namespace that have our protocol: of this VRF and of others.
	Objects  bool
	Nexthops []Nexthop
	// Endpoints are those on the VXLAN devices of this VRF that are ours, whole or in part.
	Endpoints []Endpoint
}
