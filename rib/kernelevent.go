package rib

// RouteEvent is a change of one route that another program, or the kernel
// itself, made in the VRF's table.
type RouteEvent struct {
	Route   Route
	Deleted bool
	// Of a route that is not deleted, with neither it is the only one of its key.
	Replaces bool // it took the place of another with its key, whosever that was
	Beside   bool // others with its key may stand beside it
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
	// Came says that links or addresses came, or came up, and Reason which of
	// these: ResyncLink, ResyncAddress. No route went for that, and Routes are complete,
	// but hops that were dead may live again, of which the kernel says nothing.
	// It is not set where Resync is.
	Came bool
	// Links, where it is not nil, is what the interfaces are now: known at
	// once, while reading a large table takes its time.
	Links Links
	// Gone says that the binding no longer holds (the namespace's name was
	// removed or given to another, the VRF device is gone or has another
	// table). The table must be closed; nothing else in the event counts.
	Gone   bool
	GoneBy string // what is gone, for a person
	// Broken, where it is not nil, is why there will be no more events: nothing is
	// known of the table from then on, and it has to be opened anew.
	Broken error
}
