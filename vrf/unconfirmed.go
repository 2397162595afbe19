package vrf

import "time"

// Unconfirmed is a reload of the configuration that nobody has confirmed.
type Unconfirmed struct {
	// Until is when the configuration from before it comes back; zero: it has.
	Until time.Time
}
