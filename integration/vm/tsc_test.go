package main

import "testing"

func TestCounterIsMeasuredTheSameEveryTime(t *testing.T) {
	first := counterKHz()
	// No processor with the features that Go needs counts at less.
	if first < 100_000 || first > 20_000_000 {
		t.Fatalf("the counter counts at %d kHz", first)
	}
	for range 3 {
		again := counterKHz()
		if diff := max(first, again) - min(first, again); diff > first/1000 {
			t.Errorf("the counter counts at %d kHz and then at %d", first, again)
		}
	}
}
