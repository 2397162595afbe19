package service_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

var (
	pageLink = regexp.MustCompile(`\]\(([^)\s#]+)[^)\s]*\)`)
	block    = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

// TestPackagedDocuments: every page of the package leads to what the package has, or to the
// repository's address; and what is told of in SERVICE.md is there.
func TestPackagedDocuments(t *testing.T) {
	lab.Need(t, "dpkg-deb")
	dir := t.TempDir()
	must(t, "dpkg-deb", "--extract", packaged(t), dir)
	doc := filepath.Join(dir, "usr/share/doc/vrfredist")
	pages, links := 0, 0
	err := filepath.WalkDir(doc, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pages++
		for _, m := range pageLink.FindAllStringSubmatch(block.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s leads to %s, which is not in the package", strings.TrimPrefix(path, doc), m[1])
			}
		}
		return nil
	})
	if err != nil || pages < 25 || links < 100 {
		t.Errorf("%d pages with %d links: %v", pages, links, err)
	}
	for _, name := range []string{
		"docs/guides/namespace.md", "docs/guides/kubernetes.md", "docs/status.png", "CHANGELOG.md", "api/v1/vrfredist.proto",
		"contrib/kubernetes/vrfredist.yaml", "examples/vrfredist.rules.yml", "examples/vrfredist.json",
	} {
		if _, err := os.Stat(filepath.Join(doc, name)); err != nil {
			t.Errorf("the package has no %s: %v", name, err)
		}
	}
}

// TestPackageSaysWhereItComesFrom: its fields lead to the repository that go.mod names.
func TestPackageSaysWhereItComesFrom(t *testing.T) {
	lab.Need(t, "dpkg-deb")
	module := strings.TrimSpace(must(t, "go", "list", "-m"))
	for _, field := range []string{"Homepage", "Vcs-Git", "Vcs-Browser"} {
		got := strings.TrimSpace(must(t, "dpkg-deb", "--field", packaged(t), field))
		if strings.TrimSuffix(got, ".git") != "https://"+module {
			t.Errorf("%s is %q, and the module %s", field, got, module)
		}
	}
}
