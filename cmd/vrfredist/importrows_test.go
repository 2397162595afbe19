package main

import (
	"fmt"
	"testing"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// What is announced has its MED, by the word of this daemon and of those before it; what is not has none.
func TestImportRows(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ state, want string }{
		{"announced", "[[10.0.0.0/8 announced - kernel 7 ]]"},
		{"installed", "[[10.0.0.0/8 announced - kernel 7 ]]"},
		{"filtered", "[[10.0.0.0/8 filtered - kernel - ]]"},
	} {
		got := fmt.Sprint(importRows(&vrfredistv1.Route{Prefix: "10.0.0.0/8", State: tc.state, Protocol: "kernel", Med: 7}))
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.state, got, tc.want)
		}
	}
}
