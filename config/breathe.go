package config

import "runtime"

// breathe lets others have the processor. A configuration with thousands of VRFs takes tens of
// milliseconds to read, often again and again, and Go would leave the routes that come meanwhile to
// wait for ten of them at each of the goroutines through which they go.
func breathe() { runtime.Gosched() }
