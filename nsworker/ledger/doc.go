// Package ledger keeps, for each of many keys, what should be in a store and what is
// there, and finds out what has to be written. It does no I/O and has no clock but the
// one that it is given: a worker's routes are one ledger, its nexthop objects another,
// its announcements a third.
//
// Who owns a ledger sets what is wanted, reports what the store confirmed or showed
// ([Ledger.Put], [Ledger.Saw]), and marks the entries that an event may concern
// ([Ledger.Mark]). Nothing is decided then. One pass ([Ledger.Pass]) hands every marked
// entry to its owner once, who looks at it and has the ledger compare ([Ledger.Settle]);
// no entry is changed from within another one's evaluation. What differs is due, comes
// out of [Ledger.Next] in the order in which it became due, and is answered for by Put or
// [Ledger.Refuse].
//
// What others do to the store is drift: it is counted where something is to be put right,
// and where the same key drifts again and again the [Contention] says to leave it alone
// for a while. That is the one place that says what contention is, for routes, nexthop
// objects and routes of our protocol that nobody here wrote alike.
//
// A ledger and everything in it belongs to one goroutine. Begin reading at ledger.go.
package ledger
