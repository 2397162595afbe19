package house_test

import (
	"os"
	"regexp"
	"testing"
)

// TestDesignNamesWhatIsThere: each file that DESIGN.md names with its room is there.
func TestDesignNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	rooms := make(map[string]bool)
	for _, p := range packages(t) {
		rooms[p.room()] = true
	}
	named := 0
	for _, m := range regexp.MustCompile("`([a-z0-9/]+)/([a-z0-9_]+\\.go)`").FindAllStringSubmatch(string(text), -1) {
		if !rooms[m[1]] {
			continue // a part of a path, in the paragraph of its room
		}
		named++
		if _, err := os.Stat(m[1] + "/" + m[2]); err != nil {
			t.Errorf("DESIGN.md names %s/%s: %v", m[1], m[2], err)
		}
	}
	if named < 40 {
		t.Errorf("only %d files are looked for: are they named in another way now?", named)
	}
}
