package main

import (
	"slices"
	"strings"
)

// otherNames are commands as other routers call them, with ours.
var otherNames = map[string][]string{
	"status": {"vrf"}, "vrfs": {"vrf"},
	"neighbors": {"neighbor"}, "neighbour": {"neighbor"}, "neighbours": {"neighbor"}, "peers": {"neighbor"}, "sessions": {"neighbor"},
	"summary": {"neighbor"}, "protocols": {"neighbor"},
	"routes": {"route", "export"}, "rib": {"route", "export"}, "fib": {"route", "export"},
	"policies": {"policy"}, "running-config": {"config"}, "running": {"config"}, "configuration": {"config"},
}

// tried makes the command lines that people try into those that there are: "show bgp summary"
// into "neighbor", "status" into "vrf".
func tried(args []string) []string {
	if len(args) == 0 {
		return args
	}
	first, rest := args[0], args[1:]
	if first == "show" {
		for len(rest) > 0 && slices.Contains([]string{"ip", "ipv6", "bgp"}, rest[0]) {
			rest = rest[1:]
		}
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
			return append([]string{"vrf"}, rest...)
		}
		first, rest = rest[0], rest[1:]
		if first == "route" && (len(rest) == 0 || strings.HasPrefix(rest[0], "-")) {
			first = "routes" // of which direction others do not say
		}
	}
	ours, is := otherNames[first]
	if !is {
		ours = []string{first}
	}
	return append(slices.Clone(ours), rest...)
}
