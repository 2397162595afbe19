package config

import "strings"

// sampleOf is a name that a template matches.
func sampleOf(t *template) string {
	var b strings.Builder
	pattern := t.netns + t.device
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*', '?':
			b.WriteByte('1')
		case '[':
			one := pattern[i+1]
			if one == '^' {
				one = 'x'
			}
			b.WriteByte(one)
			for i < len(pattern) && pattern[i] != ']' {
				i++
			}
		case '\\':
			i++
			b.WriteByte(pattern[i])
		default:
			b.WriteByte(c)
		}
	}
	name := b.String()
	if t.device != "" {
		return name[:min(len(name), 15)]
	}
	return name
}
