package vrf

import (
	"fmt"
	"strings"
	"time"
)

// CountOf renders a number of things: "no VRFs", "1 VRF", "3 prefixes". The daemon and
// its command line say every number this way.
func CountOf(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if strings.HasSuffix(thing, "x") {
		thing += "e"
	}
	if n == 0 {
		return "no " + thing + "s"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Enumerate joins words as a person does: "a, b or c".
func Enumerate(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// Span renders a duration in its two greatest units: "3d4h", "2m5s".
func Span(d time.Duration) string {
	s := int64(max(0, d.Round(time.Second)).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s/3600%24)
}
