package rib

import (
	"path"
	"strings"
)

// NetnsDir is where `ip netns add` puts the files of namespaces.
const NetnsDir = "/run/netns"

// NetnsFile is the file that stands for a network namespace: a name is one below
// NetnsDir, an absolute path is itself. "" is the daemon's own namespace, and has none.
func NetnsFile(netns string) string {
	if netns == "" || strings.HasPrefix(netns, "/") {
		return netns
	}
	return NetnsDir + "/" + netns
}

// canonicalNetns gives a namespace one spelling, of all that NetnsFile allows: /var/run
// is a link to /run.
func canonicalNetns(netns string) string {
	if netns == "" {
		return ""
	}
	file := path.Clean(NetnsFile(netns))
	if rest, is := strings.CutPrefix(file, "/var/run/"); is {
		file = "/run/" + rest
	}
	return file
}

// SameNetns tells whether two spellings are of one network namespace. Which namespace a
// file is, is not looked at.
func SameNetns(a, b string) bool { return canonicalNetns(a) == canonicalNetns(b) }

// Canonical returns b with its namespace in one spelling: equal bindings are equal then.
func (b Binding) Canonical() Binding {
	b.Netns = canonicalNetns(b.Netns)
	return b
}

// NetnsText names a namespace for a person.
func NetnsText(netns string) string {
	if netns == "" {
		return "the daemon's own namespace"
	}
	return "netns " + netns
}
