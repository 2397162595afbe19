package house_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// graph is which file of a room names something that is declared in which other.
type graph map[string]map[string]bool

func (g graph) edges() (n int) {
	for _, to := range g {
		n += len(to)
	}
	return n
}

// against counts the references against the best order of files that was found: each file
// should use only those below it. The order is that of Eades, Lin and Smyth (1993).
func (g graph) against() int {
	order := g.order()
	n := 0
	for from, to := range g {
		for file := range to {
			if slices.Index(order, file) < slices.Index(order, from) {
				n++
			}
		}
	}
	return n
}

func (g graph) order() []string {
	left := make(map[string]bool)
	for file := range g {
		left[file] = true
	}
	degrees := func(file string) (out, in int) {
		for to := range g[file] {
			if left[to] {
				out++
			}
		}
		for from, to := range g {
			if left[from] && to[file] {
				in++
			}
		}
		return out, in
	}
	var first, last []string
	for len(left) > 0 {
		best, most := "", -1<<31
		sink, source := "", ""
		names := make([]string, 0, len(left))
		for file := range left {
			names = append(names, file)
		}
		slices.Sort(names)
		for _, file := range names {
			out, in := degrees(file)
			switch {
			case out == 0:
				sink = file
			case in == 0:
				source = file
			}
			if out-in > most {
				best, most = file, out-in
			}
		}
		switch {
		case sink != "":
			last = append([]string{sink}, last...)
			delete(left, sink)
		case source != "":
			first = append(first, source)
			delete(left, source)
		default:
			first = append(first, best)
			delete(left, best)
		}
	}
	return append(first, last...)
}

// mostAgainst is how many references against the order of its files a room may have: where
// files use each other in rings, none of them can be read first.
const mostAgainst = 19

// rooms are the packages of the daemon that are large enough for an order of files.
func rooms(t *testing.T) (list []listed) {
	t.Helper()
	for _, p := range packages(t) {
		outside := strings.HasPrefix(p.room(), "integration") || strings.HasPrefix(p.room(), "bench")
		if !outside && len(p.GoFiles) > 3 {
			list = append(list, p)
		}
	}
	return list
}

func TestFilesHaveAnOrder(t *testing.T) {
	for _, p := range rooms(t) {
		if n := references(t, p).against(); n > mostAgainst {
			t.Errorf("%s: %d references go against the best order of its files that was found, at most %d may: move what two files use below both", p.room(), n, mostAgainst)
		}
	}
}

// references reads which files of a package use which others, by the types of all names.
func references(t *testing.T, p listed) graph {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	g := make(graph)
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		g[name] = make(map[string]bool)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection)}
	conf := types.Config{Importer: exports(t, set)}
	pkg, err := conf.Check(p.ImportPath, set, files, info)
	if err != nil {
		t.Fatalf("check %s: %v", p.ImportPath, err)
	}
	for id, obj := range info.Uses {
		if obj.Pkg() != pkg || !atTheTop(obj, pkg) {
			continue
		}
		from, to := filepath.Base(set.Position(id.Pos()).Filename), filepath.Base(set.Position(obj.Pos()).Filename)
		if from != to {
			g[from][to] = true
		}
	}
	return g
}

// atTheTop tells whether an object is declared at the top of a file, or is a method; not a
// field, which comes with its type.
func atTheTop(obj types.Object, pkg *types.Package) bool {
	if f, is := obj.(*types.Func); is {
		return f.Signature().Recv() != nil || obj.Parent() == pkg.Scope()
	}
	return obj.Parent() == pkg.Scope()
}

// exports imports packages as the compiler left them in its cache.
func exports(t *testing.T, set *token.FileSet) types.Importer {
	t.Helper()
	at, err := exported()
	if err != nil {
		t.Fatal(err)
	}
	return importer.ForCompiler(set, "gc", func(pkg string) (io.ReadCloser, error) { return os.Open(at[pkg]) })
}

// exported is where the compiler's cache has what each package exports. It is asked once,
// and without the profile of cmd/vrfredist, for which it would compile all packages anew.
var exported = sync.OnceValues(func() (map[string]string, error) {
	out, err := exec.Command("go", "list", "-pgo=off", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -export: %w", err)
	}
	at := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		pkg, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		at[pkg] = file
	}
	return at, nil
})
