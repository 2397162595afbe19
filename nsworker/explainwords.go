package nsworker

import (
	"fmt"
	"strings"
)

// The words of explanations.

// flat puts a route of several nexthops into one line.
func flat(s string) string {
	if !strings.ContainsAny(s, "\n\t") {
		return s // of one line, of which a full table has a million
	}
	return strings.Join(strings.Fields(s), " ")
}

func lines[T any](list []T, show func(T) string) []string {
	var out []string
	for _, v := range list {
		out = append(out, show(v))
	}
	return out
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func are(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return fmt.Sprintf("%d %ss are", n, thing)
}

func have(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " has"
	}
	return fmt.Sprintf("%d %ss have", n, thing)
}
