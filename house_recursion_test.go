package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// evaluators are where the evaluation of a ledger's entries begins. A function reached from
// there looks at the entry in hand: one that came back to itself would look at another
// entry in the midst of it, which may be changed under its hands.
var evaluators = map[string]string{
	"nsworker":         module + "/nsworker.books).pass",
	"nsworker/nexthop": module + "/nsworker/nexthop.Objects).Settle",
	"nsworker/ledger":  module + "/nsworker/ledger.Ledger[K, W, V, N]).Pass",
}

func TestEvaluationDoesNotRecurse(t *testing.T) {
	t.Parallel()
	calls := make(map[string][]string)
	for _, p := range packages(t) {
		if _, is := evaluators[p.room()]; is {
			readCalls(t, p, calls)
		}
	}
	for room, suffix := range evaluators {
		begin := ""
		for name := range calls {
			if strings.HasSuffix(name, suffix) {
				begin = name
			}
		}
		if begin == "" {
			t.Errorf("%s: there is no %s", room, suffix)
			continue
		}
		walkCalls(t, calls, begin, nil, make(map[string]bool))
	}
}

// walkCalls goes through all that is reached from a function, and reports what comes back
// to itself.
func walkCalls(t *testing.T, calls map[string][]string, at string, path []string, done map[string]bool) {
	t.Helper()
	if i := slices.Index(path, at); i >= 0 {
		t.Errorf("the evaluation recurses: %s", strings.ReplaceAll(strings.Join(append(path[i:], at), " → "), module+"/", ""))
		return
	}
	if done[at] {
		return
	}
	for _, next := range calls[at] {
		walkCalls(t, calls, next, append(slices.Clip(path), at), done)
	}
	done[at] = true
}

// readCalls notes which functions of the module each function of a package names. What is
// called through an interface, or by a field, is not seen.
func readCalls(t *testing.T, p listed, calls map[string][]string) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)}
	if _, err := (&types.Config{Importer: exports(t, set)}).Check(p.ImportPath, set, files, info); err != nil {
		t.Fatalf("check %s: %v", p.ImportPath, err)
	}
	for _, f := range files {
		for _, d := range f.Decls {
			fn, is := d.(*ast.FuncDecl)
			if !is || fn.Body == nil {
				continue
			}
			from := info.Defs[fn.Name].(*types.Func).FullName()
			if _, known := calls[from]; !known {
				calls[from] = nil // it is there, though it may call nothing
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				id, is := n.(*ast.Ident)
				if !is {
					return true
				}
				if to, is := info.Uses[id].(*types.Func); is && to.Pkg() != nil && strings.HasPrefix(to.Pkg().Path(), module) {
					calls[from] = append(calls[from], to.Origin().FullName())
				}
				return true
			})
		}
	}
}
