// Package rib holds what vrfredist decides about and how: routes, BGP's paths, VRFs' views
// of the kernel, policies, and the decisions themselves.
//
// It is pure: no I/O, no goroutine, no clock but a Feed's. The same input gives the same
// output, whatever the order of paths and routes, and what is decided here is decided
// nowhere else: Decide from BGP to the kernel, DecideImport from the kernel to BGP. The
// worker acts on them; lists, explanations and plans print the same verdicts and traces.
//
// Values are immutable once they are handed on, and any goroutine may read them: a View
// with its Links and ForeignTable, Exporting and Importing, Attrs. A Feed is safe for
// concurrent use. NexthopIndex, Slots and Trace have one owner at a time.
//
// Begin with path.go and route.go, what BGP and the kernel have; decide.go and import.go,
// the two decisions; best.go, the choice among paths; resolve.go, from a nexthop to the
// hops of a route; feed.go, how paths come to a worker. Packages that talk to BGP
// (rib/speaker) and to the kernel (nsworker/kernel) translate into and out of these types.
package rib
