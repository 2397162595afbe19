package vrf

import (
	"testing"
	"time"
)

func TestCountOf(t *testing.T) {
	for want, of := range map[string]struct {
		n     int
		thing string
	}{"no VRFs": {0, "VRF"}, "1 VRF": {1, "VRF"}, "3 routes": {3, "route"}, "no prefixes": {0, "prefix"}, "2 prefixes": {2, "prefix"}} {
		if got := CountOf(of.n, of.thing); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEnumerate(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := Enumerate(words, "or"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": -time.Hour, "59s": 59*time.Second + 400*time.Millisecond, "2m5s": 125 * time.Second, "1h0m": time.Hour, "3d4h": 76 * time.Hour,
	} {
		if got := Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
