package vrf

// LeakCount is how many prefixes come into a VRF from another one by a leak of its configuration.
type LeakCount struct {
	Into, From string
	Prefixes   int
	Over       int // that its max_prefixes keeps out
}
