package daemon

import (
	"os"
	"runtime"
)

// leastThreads is on how many threads goroutines run at least, however few processors there are. Go lets one
// that wakes wait until another has had its 10 ms, and a route passes through four; the kernel lets a
// thread that wakes run at once. That costs the processors a little more: bench -only 'beside a full table:
// vrfredist|^load: vrfredist$', with GOMAXPROCS=2 and without.
const leastThreads = 4

// spreadThreads has goroutines run on leastThreads. GOMAXPROCS of the environment stays as it is.
func spreadThreads() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < leastThreads {
		runtime.GOMAXPROCS(leastThreads)
	}
}
