package vrf

import "testing"

func TestSlips(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"red", "red", 0}, {"", "red", 3}, {"red", "", 3}, {"red", "rde", 2}, {"red", "bred", 1},
		{"tenant-a", "tenant-b", 1}, {"kitten", "sitting", 3},
	} {
		if got := Slips(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
