// Package nexthop keeps what the routes of one VRF hang on: the sets of nexthops that
// their best paths come down to, what those resolve to in the VRF's view of the kernel,
// and the kernel's nexthop objects that stand for them.
//
// All prefixes whose best paths have the same nexthops share one [Set]; its [Forwarding]
// is what their routes carry. [Sets] resolves a set when it is new, and those that a
// changed link, address or route can touch ([Sets.OnLinks], [Sets.Covered]), and yields the ones of
// which the outcome changed: their routes are to be looked at again, by whoever owns them.
//
// [Objects] is a ledger of the VRF's objects in the kernel: one group for each set, so
// that a changed resolution is one replace however many routes use it, and one single
// object for each way out. Ids come from [IDs], which the VRFs of a daemon share.
//
// Everything but IDs belongs to the worker's goroutine. Begin reading at set.go, then
// sets.go.
package nexthop
