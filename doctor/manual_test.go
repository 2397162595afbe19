package doctor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestManualHasEveryCheck holds docs/DOCTOR.md against the checks that findings
// name, and the other way round.
func TestManualHasEveryCheck(t *testing.T) {
	manual, err := os.ReadFile("../docs/DOCTOR.md")
	if err != nil {
		t.Fatal(err)
	}
	var checks []string
	for _, name := range []string{"process.go", "applied.go", "limits.go", "sessions.go", "tables.go", "protocol.go", "settings.go", "carriage.go", "mpls.go", "srv6.go", "reached.go", "corelink.go", "hints.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:Check: +|finding\((?:(?:Broken|Risk|Advice), )?)"([a-z0-9-]+)"`).FindAllStringSubmatch(string(source), -1) {
			if m[1] == "skip-notify-" {
				checks = append(checks, "skip-notify-ipv4", "skip-notify-ipv6")
				continue
			}
			checks = append(checks, m[1])
		}
	}
	var listed []string
	for line := range strings.Lines(string(manual)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cell, _, _ := strings.Cut(line[2:], "|")
		for _, m := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(cell, -1) {
			listed = append(listed, m[1])
		}
	}
	for _, list := range []*[]string{&checks, &listed} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if !slices.Equal(checks, listed) || len(checks) < 15 {
		t.Errorf("the checks are\n%v\nand docs/DOCTOR.md has\n%v", checks, listed)
	}
}
