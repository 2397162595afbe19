// Package nsworker keeps one VRF true: the BGP routes that its policy takes are in the
// kernel's table, the kernel's routes that its policy takes are in BGP, and what differs is
// seen and put right.
//
// A [Worker] is one start of a VRF: one goroutine, one select. While the table of the VRF is
// there its work is a tableSync, whose turn has three parts. An event (of the kernel, of BGP's
// feed, a changed Spec, a timer) only marks what it may concern. One pass evaluates each
// marked entry, and decides. Then a bounded part of what is due is written.
//
// What is wanted and what is there stands in three ledgers, the books: routes, nexthop
// objects, announcements. All of it belongs to the worker's goroutine. Others hand a query to
// the loop, and get a copy or something immutable. What workers know of each other is on the
// [Board], which has a lock of its own.
//
// The kernel and BGP are seen through the interfaces of seams.go, so that the loop runs in
// tests without root, against fakes that lose, refuse and repeat. A [Rehearsal] runs the same
// tableSync on a reading of the table, and writes nothing: that is a plan.
//
// Begin reading at sync.go (a turn), then books.go (what is known), routes.go (one route),
// events.go (what the kernel says).
package nsworker
