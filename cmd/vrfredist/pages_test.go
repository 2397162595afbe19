package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var tomlBlock = regexp.MustCompile("(?ms)^```toml[^\n]*\n(.*?)^```")

// pageHead stands before an example that is a part of a file.
const pageHead = `[global.config]
as = 65000
router-id = "192.0.2.1"
`

const pageTenants = `[[vrfs]]
config = {name = "red", rd = "65000:10"}
[[vrfs]]
config = {name = "blue", rd = "65000:20"}
[[vrfs]]
config = {name = "tenant-a", rd = "65000:30"}
[[vrfs]]
config = {name = "tenant-b", rd = "65000:40"}
`

// Every configuration in the README and in docs/ passes `check`: a whole one as it
// is, a part of one behind a head with some VRFs.
func TestPagesHaveGoodConfigurations(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	guides, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, page := range append(append(files, guides...), "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tomlBlock.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "[netlink.api.tls]") {
				continue // its files are read by `check`, and are not here
			}
			count++
			checkExample(t, filepath.Base(page), m[1])
		}
	}
	if count < 10 {
		t.Errorf("only %d configurations were found", count)
	}
}

// Every example passes `check` as it lies there.
func TestExamplesAreGood(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatalf("the examples are %v: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkExample(t, file, string(text))
	}
}

func checkExample(t *testing.T, page, example string) {
	t.Helper()
	whole := example
	if !strings.Contains(example, "[[vrfs]]") {
		whole = pageTenants + whole
	}
	if !strings.Contains(example, "[global.config]") {
		whole = pageHead + whole
	}
	file := filepath.Join(t.TempDir(), "example.toml")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, bad bytes.Buffer
	if status := execute(t.Context(), []string{"check", "-f", file}, &out, &bad); status != statusDone {
		t.Errorf("%s has a configuration that check refuses: %s\n%s", page, &bad, example)
	}
}
