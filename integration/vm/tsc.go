package main

import "time"

// The guest's time stamp counter is the host's. A guest kernel finds out how
// fast it counts by racing it against emulated timers while it boots, and where
// the host is busy it is wrong by a factor: its clock, and with it every time
// limit of a test, then runs three times as fast as the world's. So it is told
// (tsc_early_khz).

// timeStampCounter reads the processor's counter.
func timeStampCounter() uint64

// instant is one moment on both clocks.
type instant struct {
	time    time.Time
	counter uint64
}

// now reads both clocks. Of several readings it takes the one that was
// interrupted least.
func now() instant {
	var best instant
	narrowest := time.Hour
	for range 10 {
		before := time.Now()
		counter := timeStampCounter()
		if gap := time.Since(before); gap < narrowest {
			narrowest = gap
			best = instant{before.Add(gap / 2), counter}
		}
	}
	return best
}

// counterKHz measures how fast the counter counts, in about 50 ms.
func counterKHz() uint64 {
	const long = 50 * time.Millisecond
	first := now()
	time.Sleep(long)
	last := now()
	return (last.counter - first.counter) * uint64(time.Millisecond) / uint64(last.time.Sub(first.time))
}
