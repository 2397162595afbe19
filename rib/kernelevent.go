package rib

// RouteEvent is a change of one route that another program, or the kernel
// itself, made in the VRF's table.
type RouteEvent struct {
	Route   Route
	Table   uint32 // another one than the VRF's own; 0: that
	Deleted bool
	// Of an add. Both false: no other route has this key (NLM_F_EXCL).
	Replaces bool // it took the place of a route with this key, of whatever protocol (NLM_F_REPLACE)
	Beside   bool // it was appended: other routes with this key may stand beside it
}

// KernelEvents is what happened in a namespace since it was last asked, as far
// as one VRF is concerned.
type KernelEvents struct {
	// Routes, oldest first. Empty where Resync is set: whoever reads the table
	// again needs no single steps.
	Routes []RouteEvent
	// Resync says that the table must be read again, and Reason why.
	Resync bool
	Reason ResyncReason
	// Came says that a link or an address was added, or a link came up; Reason is
	// ResyncLink or ResyncAddress. The kernel removed no route for it, so Routes are complete,
	// but hops that were RTNH_F_DEAD may live again, of which it sends no event. It is
	// not set where Resync is.
	Came bool
	// Links, where it is not nil, are the interfaces now: the reader has them at once,
	// while reading a large table takes its time.
	Links Links
	// Gone says that the binding no longer holds (the namespace's name was
	// removed or given to another, the VRF device is gone or has another
	// table). The table must be closed; nothing else in the event counts.
	Gone   bool
	GoneBy string // what is gone, for a person
	// Broken, where it is not nil, is why there will be no more events: what happens to
	// the table from then on is not known, and it has to be opened anew.
	Broken error
}
