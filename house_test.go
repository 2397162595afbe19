// Package house_test holds the house to its plan: which package may import
// which, and how long a file and a function may grow.
package house_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vrfredist/vrfredist"

// room is one package of the house and what it may import of the others.
type room struct {
	may []string // packages of this module
	// tests may import these besides, and what integration has for all tests.
	tests []string
	// only, where it is set, lists all that may be imported besides the
	// standard library: for a package that is to stay pure.
	only   []string
	reason string
}

// house is the plan of DESIGN.md: arrows go one way.
var house = map[string]room{
	"rib": {
		only:   []string{"github.com/gaissmai/bart"},
		reason: "rib is pure: the standard library and a prefix trie, so that everything else can build on it and it can be tested without I/O",
	},
	"rib/policy": {
		may:    []string{"rib"},
		only:   []string{},
		reason: "policies judge what rib's decisions show them; they are pure, so that a second evaluator can be held against them",
	},
	"vrf": {
		may:    []string{"rib"},
		reason: "vrf starts workers through a Factory; it must not know what they do, nor who configures it",
	},
	"config": {
		may:    []string{"api/access", "vrf", "rib", "rib/policy"},
		reason: "config turns a file into validated values; it runs nothing",
	},
	"nsworker": {
		may:    []string{"nsworker/ledger", "nsworker/nexthop", "vrf", "rib"},
		tests:  []string{"rib/policy", "rib/speaker", "rib/speaker/speakertest"},
		reason: "a worker sees the kernel and BGP through its own interfaces, so that its loop runs without root",
	},
	"nsworker/core": {
		may:    []string{"rib"},
		only:   []string{},
		reason: "the core answers workers by what it was told; it sees the kernel through its own interface, and knows no VRF but by name",
	},
	"nsworker/devices": {
		may:    []string{"rib"},
		only:   []string{},
		reason: "VRF devices are made by what is wanted and what there is; it sees the kernel through its own interface, and knows no VRF but by name",
	},
	"nsworker/ledger": {
		may:    []string{"rib"},
		only:   []string{},
		reason: "a ledger is pure: what it keeps, and what for, is its owner's business",
	},
	"nsworker/nexthop": {
		may:    []string{"nsworker/ledger", "rib"},
		only:   []string{},
		reason: "nexthop sets and objects are kept for whoever has routes; it knows neither workers nor the kernel's messages",
	},
	"nsworker/kernel": {
		may:    []string{"rib"},
		reason: "the kernel's side speaks rib's types and knows no VRF's policy",
	},
	"nsworker/relay": {
		may:    []string{"rib"},
		tests:  []string{"rib/speaker/gobgp3"},
		reason: "the relay carries BGP sessions into namespaces; it knows neither workers nor the speaker",
	},
	"nsworker/routeradvert": {
		only:   []string{"github.com/mdlayher/ndp", "golang.org/x/net/ipv6", "golang.org/x/sys/unix"},
		reason: "router advertisements need a link and nothing else of the house",
	},
	"rib/speaker/gobgp3/guard": {
		may:    []string{"rib"},
		reason: "the guard judges bytes by rules that it is given; it knows no server, so that all it does can be tried on a pair of sockets",
	},
	"rib/speaker": {
		may:    []string{"rib"},
		reason: "feeds, route targets and announcements are the same whichever program speaks BGP: a second speaker, over gRPC, is to come",
	},
	"rib/speaker/speakertest": {
		may:    []string{"rib", "rib/speaker"},
		reason: "a speaker that is fed by hand holds the seam to BGP open: it is made of the parts that every speaker is made of, and of no server",
	},
	"rib/speaker/gobgp3": {
		may:    []string{"rib", "rib/speaker", "rib/speaker/gobgp3/guard", "rib/speaker/gobgp3/conf", "rib/speaker/gobgp3/reload"},
		tests:  []string{"rib/speaker/gobgp3/conf/conftest", "config"},
		reason: "nothing outside may assume that GoBGP runs in this process",
	},
	"rib/speaker/gobgp3/conf": {
		may:    []string{"rib", "rib/speaker"},
		tests:  []string{"rib/speaker/gobgp3/conf/conftest"},
		reason: "a configuration is checked, read and compared without a server, so that check and plan need none",
	},
	"rib/speaker/gobgp3/conf/conftest": {
		only:   []string{},
		reason: "configurations for tests are text, and no test of them may lean on the reader that it tries",
	},
	"rib/speaker/gobgp3/reload": {
		may:    []string{"rib", "rib/speaker", "rib/speaker/gobgp3/conf"},
		tests:  []string{"rib/speaker/gobgp3/conf/conftest"},
		reason: "a reload reaches the server by GoBGP's API and by one interface; it knows none of GoBGP's insides",
	},
	"api": {
		may:    []string{"api/v1", "api/access", "api/backlog", "doctor", "vrf", "rib"},
		tests:  []string{"api/apitest"},
		reason: "the API is one more view of the supervisor, and of what the doctor finds",
	},
	"metrics": {
		may:    []string{"vrf", "rib"},
		reason: "metrics are one more view of the supervisor",
	},
	"tracing": {
		may:    []string{"vrf", "rib"},
		tests:  []string{"integration/otlp"},
		reason: "the way of a route is told by who knows it; what becomes of that is OpenTelemetry's",
	},
	"doctor": {
		may:    []string{"vrf", "rib"},
		reason: "the doctor judges facts that others read: pure, so that each finding is a row of a table in its test",
	},
	"api/access": {
		only:   []string{},
		reason: "who may do what is decided by pure functions, so that every method can be tried as every role",
	},
	"api/backlog": {
		only:   []string{},
		reason: "it must be initialised before gRPC, and so wait for nothing but the standard library",
	},
	"cmd/vrfredist": {
		may:    []string{"api/client", "api/v1", "config", "daemon", "doctor", "rib", "vrf"},
		tests:  []string{"api", "api/access", "api/apitest"},
		reason: "the command line reads flags, asks the daemon over its API, and prints; what runs is daemon's",
	},
	"daemon": {
		may: []string{
			"api", "config", "doctor", "metrics", "nsworker", "nsworker/core", "nsworker/devices", "nsworker/kernel", "nsworker/relay", "nsworker/routeradvert", "rib", "rib/speaker", "rib/speaker/gobgp3", "rib/speaker/gobgp3/conf", "status", "tracing", "vrf",
		},
		tests:  []string{"api/v1", "api/access", "api/apitest", "rib/speaker/speakertest"},
		reason: "daemon wires the parts and runs them; what it knows of the speaker, the kernel and the relay stands in interfaces of its own, so that a reload, a plan and a rollback run in tests without them",
	},
	"status": {
		may:    []string{"vrf", "rib"},
		reason: "the status page is one more view of the supervisor; it reads, and changes nothing",
	},
	"api/client": {
		may:    []string{"api/v1"},
		reason: "other programs build on it: it brings what the API needs, and nothing of the daemon",
	},
	"api/apitest": {
		may:    []string{"rib", "vrf"},
		reason: "what stands behind the API in tests of three packages leans on none of them",
	},
	"api/v1": {reason: "generated code stands alone"},
}

// wardens are the only ones that may import a library, with the reason.
var wardens = []struct {
	prefix string
	rooms  []string
	reason string
}{
	{"github.com/osrg/gobgp", []string{"rib/speaker/gobgp3", "rib/speaker/gobgp3/guard", "rib/speaker/gobgp3/conf", "rib/speaker/gobgp3/reload"},
		"GoBGP stays behind rib/speaker/gobgp3, so that another speaker can take its place"},
	{"github.com/vishvananda/netlink", []string{"nsworker/kernel"},
		"netlink stays behind nsworker/kernel, so that workers can be tested without a kernel"},
	{"go.opentelemetry.io/", []string{"tracing", "integration/otlp"},
		"OpenTelemetry stays behind tracing, so that nothing depends on it where nobody traces"},
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

func (p listed) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-pgo=off", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	out, err := cmd.Output()
	if err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			t.Fatalf("go list: %v: %s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read what go list printed: %v", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list named no package")
	}
	return all
}

func TestArrowsGoOneWay(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range packages(t) {
		seen[p.room()] = true
		plan, planned := house[p.room()]
		if !planned {
			if !anywhere(p.room()) {
				t.Errorf("package %s is not in the plan: say here what it may import, and why", p.room())
			}
			continue
		}
		for _, imported := range p.Imports {
			if err := plan.allows(p.room(), imported); err != nil {
				t.Error(err)
			}
		}
		// A test of a package may borrow a test library, but hardly a room that
		// the package itself could not enter.
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			inside, ours := strings.CutPrefix(imported, module+"/")
			if !ours || strings.HasPrefix(inside, "integration/") || slices.Contains(plan.tests, inside) {
				continue
			}
			if err := plan.allows(p.room(), imported); err != nil {
				t.Errorf("its test: %v", err)
			}
		}
	}
	for name := range house {
		if !seen[name] {
			t.Errorf("package %s of the plan does not exist: the plan or the house is out of date", name)
		}
	}
}

// anywhere tells whether a package may look everywhere: tests, benchmarks, what builds packages, and
// this test look at the house from outside.
func anywhere(room string) bool {
	first, _, _ := strings.Cut(room, "/")
	return slices.Contains([]string{"", "integration", "bench", "scripts"}, first)
}

func (r room) allows(from, imported string) error {
	inside, ours := strings.CutPrefix(imported, module+"/")
	switch {
	case ours && inside == from, ours && slices.Contains(r.may, inside):
		return nil
	case ours:
		return fmt.Errorf("%s imports %s, and may import only %q of this module: %s", from, inside, r.may, r.reason)
	case r.only != nil && strings.Contains(firstElement(imported), ".") && !slices.Contains(r.only, imported):
		return fmt.Errorf("%s imports %s, and may import only %q besides the standard library: %s", from, imported, r.only, r.reason)
	}
	return nil
}

// firstElement of a standard library's import path has no dot.
func firstElement(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

func TestLibrariesStayBehindTheirDoor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, w := range wardens {
			if slices.Contains(w.rooms, p.room()) {
				continue
			}
			for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
				if imported == w.prefix || strings.HasPrefix(imported, w.prefix+"/") {
					t.Errorf("%s imports %s, which only %q may: %s", p.room(), imported, w.rooms, w.reason)
				}
			}
		}
	}
}

// The limits of length. Half of them is the aim; these are where it ends.
const (
	maxFileLines     = 500
	maxFunctionLines = 80
)

func TestFilesAndFunctionsStayShort(t *testing.T) {
	t.Parallel()
	files := 0
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			if strings.HasSuffix(name, ".pb.go") {
				continue // generated
			}
			files++
			checkLengths(t, filepath.Join(p.Dir, name), p.room()+"/"+name)
		}
	}
	if files == 0 {
		t.Fatal("no file was looked at")
	}
}

func checkLengths(t *testing.T, path, show string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("parse %s: %v", show, err)
		return
	}
	if lines := set.File(parsed.Pos()).LineCount(); lines > maxFileLines {
		t.Errorf("%s has %d lines, more than %d: what second thing does it do?", show, lines, maxFileLines)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; lines > maxFunctionLines {
			t.Errorf("%s: %s has %d lines, more than %d: what second thing does it do?", show, f.Name.Name, lines, maxFunctionLines)
		}
	}
}
