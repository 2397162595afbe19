package doctor

import (
	"fmt"
	"strings"
)

// quote makes one word of s for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// inside runs a command line in a namespace.
func inside(netns, command string) string {
	switch {
	case netns == "":
		return command
	case strings.HasPrefix(netns, "/"):
		return "nsenter --net=" + quote(netns) + " " + command
	}
	return "ip netns exec " + quote(netns) + " " + command
}

// ipIn is `ip` in a namespace.
func ipIn(netns, words string) string {
	if netns == "" {
		return "ip " + words
	}
	return "ip -n " + quote(netns) + " " + words
}

// set changes settings of a namespace: "net.ipv4.ip_forward=1".
func set(netns string, settings ...string) string {
	words := make([]string, len(settings))
	for i, s := range settings {
		words[i] = quote(s)
	}
	return inside(netns, "sysctl -w "+strings.Join(words, " "))
}

// edit changes the value of a key of [netlink] in a TOML file. Other formats are
// left to the person.
func edit(file, key, value string) string {
	if !strings.HasSuffix(file, ".toml") {
		return ""
	}
	key = strings.ReplaceAll(key, "_", "[_-]")
	return fmt.Sprintf(`sed -i -E 's/^([[:space:]]*%s[[:space:]]*=[[:space:]]*).*/\1%s/' %s`, key, value, quote(file))
}

// all joins command lines so that each runs only after the one before succeeded.
func all(commands ...string) string {
	var out []string
	for _, c := range commands {
		if c != "" {
			out = append(out, c)
		}
	}
	return strings.Join(out, " && ")
}
