package docs_test

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	inlineLink = regexp.MustCompile(`!?\[(?:[^\]]|\\\])*\]\(([^)\s]+)\)`)
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
)

// results may be linked before it is there: a run of `make bench` writes it.
const results = "bench/RESULTS.md"

// Every relative link leads to a file of the repository, and to a heading that is
// there.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	links := 0
	for name, text := range all {
		for _, target := range linksOf(text) {
			links++
			if err := follow(all, name, target); err != nil {
				t.Errorf("%s: the link to %s: %v", name, target, err)
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
}

// Every page of docs/ is reached from its index.
func TestIndexHasEveryPage(t *testing.T) {
	t.Parallel()
	all := pages(t)
	index := make(map[string]bool)
	for _, target := range linksOf(all["docs/README.md"]) {
		file, _, _ := strings.Cut(target, "#")
		index[path.Join("docs", file)] = true
	}
	for name := range all {
		if strings.HasPrefix(name, "docs/") && name != "docs/README.md" && !strings.HasPrefix(name, "docs/man/") && !index[name] {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// No page names what is outside of the repository: a path of the machine that it
// was written on, or the host of a package registry.
func TestPagesNameNothingOutside(t *testing.T) {
	t.Parallel()
	outside := regexp.MustCompile(`(^|[^\w.])/(root|home|work|workspace)/|/tmp/(wt|brief)\b|` +
		`\b(proxy|sum)\.golang\.org|registry\.npmjs\.org|pypi\.org|deb\.debian\.org|(security|archive|ports)\.ubuntu\.com|docker\.io|ghcr\.io|crates\.io`)
	for name, text := range pages(t) {
		for i, line := range strings.Split(text, "\n") {
			if found := outside.FindString(line); found != "" {
				t.Errorf("%s:%d names %q, which is not of this repository", name, i+1, strings.TrimSpace(found))
			}
		}
	}
}

// linksOf returns where the links of a page lead, without those of its code.
func linksOf(text string) []string {
	var targets []string
	for _, m := range inlineLink.FindAllStringSubmatch(codeSpan.ReplaceAllString(withoutBlocks(text), ""), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

func withoutBlocks(text string) string {
	var out []string
	inside := false
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
			continue
		}
		if !inside {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func follow(all map[string]string, from, target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" {
		return err // of the web: no test asks other hosts
	}
	file := from
	if u.Path != "" {
		file = path.Join(path.Dir(from), u.Path)
	}
	if strings.HasPrefix(file, "..") || path.IsAbs(file) {
		return fmt.Errorf("it leads out of the repository")
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil && file == results {
		return nil
	} else if err != nil {
		return fmt.Errorf("there is no %s", file)
	}
	if u.Fragment == "" {
		return nil
	}
	text, ok := all[file]
	if !ok {
		return fmt.Errorf("%s is no page with headings", file)
	}
	for _, anchor := range anchors(text) {
		if anchor == u.Fragment {
			return nil
		}
	}
	return fmt.Errorf("%s has no heading #%s", file, u.Fragment)
}

// anchors are those that GitHub gives the headings of a page: lower case, without
// punctuation, with a number where one came before.
func anchors(text string) []string {
	var list []string
	seen := make(map[string]int)
	for _, m := range heading.FindAllStringSubmatch(withoutBlocks(text), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		name := b.String()
		if n := seen[name]; n > 0 {
			list = append(list, fmt.Sprintf("%s-%d", name, n))
		} else {
			list = append(list, name)
		}
		seen[name]++
	}
	return list
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint(anchors("# The `[netlink]` section\n```\n# not this\n```\n## Twice\n## Twice\n### A-b, c_d!\n"))
	if want := "[the-netlink-section twice twice-1 a-b-c_d]"; got != want {
		t.Errorf("anchors are %s, want %s", got, want)
	}
}
