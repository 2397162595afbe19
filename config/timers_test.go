package config

import (
	"strings"
	"testing"
)

func TestAHoldTimeOf0IsNoted(t *testing.T) {
	neighbor := func(timers string) string {
		return forkBase + "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"192.0.2.9\"\n    peer-as = 65001\n" + timers
	}
	const group = forkBase + "[[peer-groups]]\n  [peer-groups.config]\n    peer-group-name = \"g\"\n    peer-as = 65001\n  [peer-groups.timers.config]\n    hold-time = 0\n"
	for text, want := range map[string]string{
		neighbor("  [neighbors.timers.config]\n    hold-time = 0\n"):   "neighbors[0].timers.config.hold-time: is 0, with which GoBGP ends each session",
		neighbor("  [neighbors.timers.config]\n    hold-time = 0.5\n"): "neighbors[0].timers.config.hold-time: is 0.5, with",
		group: "peer-groups[0].timers.config.hold-time: is 0, with which",
		neighbor("  [neighbors.timers.config]\n    hold-time = 3\n"):          "",
		neighbor("  [neighbors.timers.config]\n    keepalive-interval = 0\n"): "",
		neighbor(""): "",
	} {
		c, err := Parse("f.toml", []byte(text), fakeBGP())
		if err != nil {
			t.Errorf("%s\nis refused: %v", text, err)
			continue
		}
		var notes []string
		for _, n := range c.Notes {
			notes = append(notes, n.Error())
			if line := strings.Split(text, "\n")[n.Line-1]; !strings.Contains(line, "hold-time") {
				t.Errorf("the note is about line %d, %q", n.Line, line)
			}
		}
		if got := strings.Join(notes, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\nnotes %q, want %q", text, got, want)
		}
	}
}
