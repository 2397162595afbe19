package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
	"github.com/vrfredist/vrfredist/rib/speaker/speakertest"
)

// A worker takes either speaker.
var (
	_ nsworker.BGP = (*gobgp3.Speaker)(nil)
	_ nsworker.BGP = (*speakertest.Speaker)(nil)
)

// TestGoBGPIsTheOneThatIsLinked: the signatures of functions that GoBGP does not export
// are those of one version, which no compiler and no reflection compares.
func TestGoBGPIsTheOneThatIsLinked(t *testing.T) {
	t.Parallel()
	want := constant(t, "rib/speaker/gobgp3/mirror.go", "gobgpVersion")
	for _, file := range []string{"go.mod", "bench/gobgpd/go.mod"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		got := regexp.MustCompile(`github.com/osrg/gobgp/v3 (v\S+)`).FindSubmatch(text)
		if got == nil || string(got[1]) != want {
			t.Errorf("%s has GoBGP %q, and rib/speaker/gobgp3 is written for %s: compare each function of linked.go and each struct of gobgptypes.go and insides.go with the new source, then change gobgpVersion", file, got, want)
		}
		if regexp.MustCompile(`(?m)^\s*replace\b`).Match(text) {
			t.Errorf("%s replaces a module: it may be GoBGP, or one of those in its place", file)
		}
	}
}

// constant is a text constant of a file.
func constant(t *testing.T, file, name string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		group, is := d.(*ast.GenDecl)
		if !is || group.Tok != token.CONST {
			continue
		}
		for _, s := range group.Specs {
			v := s.(*ast.ValueSpec)
			for i, n := range v.Names {
				if lit, is := v.Values[i].(*ast.BasicLit); is && n.Name == name {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					return text
				}
			}
		}
	}
	t.Fatalf("%s has no constant %s", file, name)
	return ""
}
