package rib

// ResyncReason is why a VRF's table is read again: an index of [ResyncReasons]T.
type ResyncReason uint8

// The reasons for a reading. The kernel's side and the worker give them; the metrics and
// the events of a VRF have their texts.
const (
	ResyncStart       ResyncReason = iota
	ResyncTimer                    // the slow reconcile
	ResyncAsked                    // `vrfredist resync`
	ResyncLink                     // a link went, came or changed
	ResyncAddress                  // an address went, came or changed
	ResyncNexthop                  // a nexthop object was changed by somebody else
	ResyncOverflow                 // events were lost: ENOBUFS
	ResyncBacklog                  // so many events wait that a reading costs less
	ResyncWrite                    // a batch of changes was not answered
	ResyncConflict                 // a foreign route, not known yet, has a key of ours
	ResyncOverwritten              // a change of ours may have met a foreign route too
	ResyncRefused                  // the kernel refused what should have been possible
	ResyncOther                    // nexthop_objects or the tables to import changed in the configuration
	ResyncExpired                  // an IPv6 route of another program should have ended
	ResyncEndpoint                 // an entry for another PE was changed by somebody else
	ResyncReasons
)

func (r ResyncReason) String() string {
	return [ResyncReasons]string{
		"start", "timer", "asked", "link", "address", "nexthop", "overflow", "backlog",
		"write", "conflict", "overwritten", "refused", "other", "expired", "endpoint",
	}[r]
}
