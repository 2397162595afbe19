package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/vrfredist/vrfredist/api/access"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// writtenBelow ends what a person writes of docs/API.md.
const writtenBelow = "<!-- What follows is written by `make docs`, from api/v1/vrfredist.proto. -->\n"

// docs/API.md has every RPC, message, field and value, with what the .proto says.
func TestReferenceOfTheAPI(t *testing.T) {
	const name = "docs/API.md"
	head, written, found := strings.Cut(page(t, name), writtenBelow)
	if !found {
		t.Fatalf("%s does not have the line %s", name, writtenBelow)
	}
	want := "\n" + describeAPI(t)
	if *update {
		if err := os.WriteFile(filepath.Join(root, name), []byte(head+writtenBelow+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != want {
		t.Errorf("%s is not what the .proto says; run: make docs", name)
	}
}

// What is served is what the page is made of: the descriptors in the program are
// those of the .proto.
func TestTheProtoIsWhatIsServed(t *testing.T) {
	read, served := parsed(t), vrfredistv1.File_api_v1_vrfredist_proto
	for i := range served.Services().Len() {
		of := served.Services().Get(i)
		for j := range of.Methods().Len() {
			name := of.Methods().Get(j).Name()
			if s := read.Services().ByName(of.Name()); s == nil || s.Methods().ByName(name) == nil {
				t.Errorf("the .proto does not have the method %s that is served", name)
			}
		}
	}
	for i := range served.Messages().Len() {
		of := served.Messages().Get(i)
		for j := range of.Fields().Len() {
			f := of.Fields().Get(j)
			m := read.Messages().ByName(of.Name())
			if m == nil || m.Fields().ByName(f.Name()) == nil || m.Fields().ByName(f.Name()).Number() != f.Number() {
				t.Errorf("the .proto does not have the field %s %d of %s that is served", f.Name(), f.Number(), of.Name())
			}
		}
	}
}

// The page names the gRPC codes that the API answers with, and no other.
func TestErrorCodes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "api/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	used := []string{"Unimplemented"} // gRPC answers this itself
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bcodes\.([A-Z]\w+)`).FindAllStringSubmatch(string(text), -1) {
			used = append(used, m[1])
		}
	}
	slices.Sort(used)
	used = slices.DeleteFunc(slices.Compact(used), func(code string) bool { return code == "OK" || code == "Unknown" })
	var said []string
	head, _, _ := strings.Cut(page(t, "docs/API.md"), writtenBelow)
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]\\w+)` \\|").FindAllStringSubmatch(head, -1) {
		said = append(said, m[1])
	}
	slices.Sort(said)
	if !slices.Equal(used, said) {
		t.Errorf("docs/API.md has the codes\n%v\nand the API answers with\n%v", said, used)
	}
}

func parsed(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), "api/v1/vrfredist.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

func describeAPI(t *testing.T) string {
	file := parsed(t)
	var b strings.Builder
	for i := range file.Services().Len() {
		service := file.Services().Get(i)
		fmt.Fprintf(&b, "## Service `%s`\n\n", service.FullName())
		for j := range service.Methods().Len() {
			describeMethod(&b, service.Methods().Get(j))
		}
	}
	b.WriteString("## Messages\n\n")
	for i := range file.Messages().Len() {
		m := file.Messages().Get(i)
		fmt.Fprintf(&b, "### %s\n\n", m.Name())
		if c := comment(m); c != "" {
			fmt.Fprintf(&b, "%s\n\n", c)
		}
		if m.Fields().Len() == 0 {
			b.WriteString("No fields.\n\n")
			continue
		}
		b.WriteString("| field | number | type | meaning |\n|---|---|---|---|\n")
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", f.Name(), f.Number(), typeOf(f), comment(f))
		}
		b.WriteByte('\n')
	}
	for i := range file.Enums().Len() {
		e := file.Enums().Get(i)
		fmt.Fprintf(&b, "### %s\n\n| value | number | meaning |\n|---|---|---|\n", e.Name())
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			fmt.Fprintf(&b, "| `%s` | %d | %s |\n", v.Name(), v.Number(), comment(v))
		}
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func describeMethod(b *strings.Builder, m protoreflect.MethodDescriptor) {
	answer := link(m.Output())
	if m.IsStreamingServer() {
		answer = "stream of " + answer
	}
	rule, ok := rules[access.RuleOf(fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()))]
	if !ok {
		rule = "(nobody may call it)"
	}
	fmt.Fprintf(b, "### %s\n\n%s\n\nRequest: %s. Answer: %s. Needs: %s.\n\n", m.Name(), comment(m), link(m.Input()), answer, rule)
}

// rules says what a caller needs, as a person does.
var rules = map[access.Rule]string{
	access.AdminOnly:  "`admin`",
	access.ReadAll:    "`admin` or `read`",
	access.ReadOne:    "`admin`, `read`, or the role of the VRF",
	access.ReadSome:   "`admin` or `read`, or the role of a VRF, which then sees that VRF alone",
	access.ChangeOne:  "`admin`, or the role of the VRF",
	access.MakeOne:    "`admin`, `provision`, or the role of the VRF for what of it is its own",
	access.ChangeSome: "`admin`, or the role of a VRF, which then changes that VRF alone",
}

func link(d protoreflect.Descriptor) string {
	if d.ParentFile().Package() == "google.protobuf" {
		return string(d.FullName()) // of every protobuf library
	}
	return fmt.Sprintf("[%s](#%s)", d.Name(), strings.ToLower(string(d.Name())))
}

func typeOf(f protoreflect.FieldDescriptor) string {
	kind := "`" + f.Kind().String() + "`"
	switch {
	case f.Message() != nil:
		kind = link(f.Message())
	case f.Enum() != nil:
		kind = link(f.Enum())
	}
	if f.IsList() {
		kind += ", repeated"
	}
	return kind
}

// comment is what the .proto says of a thing, in one line.
func comment(d protoreflect.Descriptor) string {
	at := d.ParentFile().SourceLocations().ByDescriptor(d)
	var texts []string
	for _, c := range []string{at.LeadingComments, at.TrailingComments} {
		if c = strings.Join(strings.Fields(c), " "); c != "" {
			texts = append(texts, c)
		}
	}
	text := strings.Join(texts, " ")
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(text)
}
