package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The limits of a type. A limit on the length of files and functions alone does not keep an
// object from growing: it is cut into slices.
const (
	maxFields  = 20
	maxMethods = 40
	maxFiles   = 3
)

// large are the types that may be over a limit, each with the reason.
var large = map[string]string{}

// shape is the size of one type.
type shape struct {
	room, name string
	fields     int
	methods    int
	files      map[string]bool // that have methods of it
}

func (s *shape) String() string { return s.room + "." + s.name }

func (s *shape) over() bool {
	return s.fields > maxFields || s.methods > maxMethods || len(s.files) > maxFiles
}

func TestTypesStaySmall(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, s := range shapes(t) {
		reason, excused := large[s.String()]
		seen[s.String()] = s.over()
		switch {
		case s.over() && !excused:
			t.Errorf("%s has %d fields, %d methods in %d files; at most %d, %d and %d: which second thing is it?",
				s, s.fields, s.methods, len(s.files), maxFields, maxMethods, maxFiles)
		case excused && reason == "":
			t.Errorf("%s is excused without a reason", s)
		}
	}
	for name := range large {
		if !seen[name] {
			t.Errorf("%s is within the limits, or not there: take its excuse away", name)
		}
	}
}

// shapes are the types of the module, without generated code and tests.
func shapes(t *testing.T) (all []*shape) {
	t.Helper()
	for _, p := range packages(t) {
		types := make(map[string]*shape)
		of := func(name string) *shape {
			if types[name] == nil {
				types[name] = &shape{room: p.room(), name: name, files: make(map[string]bool)}
				all = append(all, types[name])
			}
			return types[name]
		}
		for _, file := range p.GoFiles {
			if strings.HasSuffix(file, ".pb.go") {
				continue
			}
			for _, d := range parse(t, filepath.Join(p.Dir, file)).Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if name := receiver(d); name != "" {
						s := of(name)
						s.methods++
						s.files[file] = true
					}
				case *ast.GenDecl:
					for _, spec := range d.Specs {
						if ts, ok := spec.(*ast.TypeSpec); ok {
							of(ts.Name.Name).fields = fields(ts.Type)
						}
					}
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no type was looked at")
	}
	return all
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return f
}

// receiver is the name of the type that a method is of; "": it is a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	x := d.Recv.List[0].Type
	for {
		switch e := x.(type) {
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.IndexListExpr:
			x = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// fields counts those of a struct; an embedded one is one.
func fields(x ast.Expr) (n int) {
	s, ok := x.(*ast.StructType)
	if !ok {
		return 0
	}
	for _, f := range s.Fields.List {
		n += max(1, len(f.Names))
	}
	return n
}

// TestMeasurements prints what the house is measured by: run it with -v. It holds nothing;
// the tests beside it do.
func TestMeasurements(t *testing.T) {
	if !testing.Verbose() {
		t.Skip("it prints the measurements: go test -v -run TestMeasurements .")
	}
	all := shapes(t)
	slices.SortFunc(all, func(a, b *shape) int {
		return max(b.fields*2, b.methods) - max(a.fields*2, a.methods)
	})
	fmt.Println("largest types (fields, methods, files):")
	for _, s := range all[:12] {
		fmt.Printf("  %-44s %3d %4d %3d\n", s, s.fields, s.methods, len(s.files))
	}
	printLengths(t)
	fmt.Println("references between the files of a room (all, against the order of files, files):")
	for _, p := range rooms(t) {
		g := references(t, p)
		fmt.Printf("  %-44s %4d %4d %4d\n", p.room(), g.edges(), g.against(), len(p.GoFiles))
	}
}

// printLengths prints the lengths of functions, and how many exported names are documented.
func printLengths(t *testing.T) {
	t.Helper()
	var lengths []int
	lines, exported, documented, many := 0, 0, 0, 0
	for _, p := range packages(t) {
		if strings.HasPrefix(p.room(), "integration") || strings.HasPrefix(p.room(), "bench") {
			continue
		}
		for _, file := range p.GoFiles {
			if strings.HasSuffix(file, ".pb.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			lines += set.File(f.Pos()).LineCount()
			for _, d := range f.Decls {
				n, doc := names(d)
				exported += n
				documented += doc
				if fn, ok := d.(*ast.FuncDecl); ok {
					length := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1
					lengths = append(lengths, length)
					if length > 50 {
						many++
					}
				}
			}
		}
	}
	slices.Sort(lengths)
	sum := 0
	for _, n := range lengths {
		sum += n
	}
	fmt.Printf("the daemon: %d lines, %d functions; length: median %d, mean %.1f, p90 %d, longest %d, %d over 50\n",
		lines, len(lengths), lengths[len(lengths)/2], float64(sum)/float64(len(lengths)), lengths[len(lengths)*9/10], lengths[len(lengths)-1], many)
	fmt.Printf("exported names: %d, %.1f %% documented\n", exported, 100*float64(documented)/float64(exported))
}

// names counts the exported names that a declaration makes at the top of a file, and those
// of them that are documented, by themselves or with their group.
func names(d ast.Decl) (exported, documented int) {
	add := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		exported++
		if slices.ContainsFunc(docs, func(c *ast.CommentGroup) bool { return c != nil }) {
			documented++
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if r := receiver(d); r == "" || ast.IsExported(r) {
			add(d.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				add(s.Name, d.Doc, s.Doc, s.Comment)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					add(n, d.Doc, s.Doc, s.Comment)
				}
			}
		}
	}
	return exported, documented
}
