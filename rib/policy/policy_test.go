package policy

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// customers accepts what carries 65001:1, after all was made local preference 200, and rejects
// the rest but 2001:db8::/32.
func customers(name string) Definition {
	return Definition{Name: name, Default: Reject, Rules: []Rule{
		{Set: Changes{LocalPref: new(uint32(200))}, Action: Next},
		{Name: "customers", When: Conditions{Communities: parsed(rib.ParseCommunity, "65001:1"), LocalPref: number("200")}, Action: Accept},
		{When: Conditions{Families: []rib.Family{rib.IPv4}}, Action: Reject},
		{When: Conditions{Prefixes: parsed(ParsePrefix, "2001:db8::/32")}, Action: Accept},
	}}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	p := Compile(customers("first"))
	untagged := aPath(func(_ *rib.Subject, a *rib.Attrs) { a.Tags = &rib.Tags{} })
	six := func(prefix string) rib.Subject {
		return aPath(func(s *rib.Subject, a *rib.Attrs) {
			a.Tags, s.Prefix = &rib.Tags{}, parsed(ParsePrefix, prefix)[0].Prefix
		})
	}
	for _, tc := range []struct {
		name     string
		s        rib.Subject
		rejected bool
		by       string
		lines    []string
	}{
		{"accepted", aPath(nil), false, `policy "first", rule 2 (customers)`, []string{
			`policy "first": rule 1 matches: sets local preference 200; the next rules are asked`,
			`policy "first": rule 2 (customers) matches, and accepts`,
		}},
		{"rejected", untagged, true, `policy "first", rule 3`, []string{
			`policy "first": rule 1 matches: sets local preference 200; the next rules are asked`,
			`policy "first": rule 3 matches, and rejects`,
		}},
		{"a later rule", six("2001:db8::/32"), false, `policy "first", rule 4`, nil},
		{"the default", six("2001:db9::/32"), true, `the default of policy "first"`, []string{
			`policy "first": rule 1 matches: sets local preference 200; the next rules are asked`,
			`policy "first": no rule decides, and its default rejects`,
		}},
	} {
		var h rib.Hearing
		r := p.Judge(tc.s, &h)
		if r.Rejected != tc.rejected || r.By != tc.by || h.Rejected != tc.rejected || h.By != tc.by || r.Attrs.LocalPref != 200 {
			t.Errorf("%s: %+v, %+v", tc.name, r, h)
		}
		if tc.lines != nil && !slices.Equal(h.Lines(), tc.lines) {
			t.Errorf("%s: %q", tc.name, h.Lines())
		}
		if quiet := p.Judge(tc.s, nil); quiet != r {
			t.Errorf("%s: without a hearing it is %+v", tc.name, quiet)
		}
	}
}

// TestCounts: what is acted on counts, rule by rule; who looks on counts nothing.
func TestCounts(t *testing.T) {
	p := Compile(customers("counted"))
	s := aPath(nil)
	for range 3 {
		p.Judge(s, nil)
	}
	p.Judge(s, new(rib.Hearing))
	s.Unacted = true
	p.Judge(s, nil)
	p.Judge(rib.Subject{Prefix: parsed(ParsePrefix, "::/0")[0].Prefix, Attrs: &rib.Attrs{Via: &rib.Via{}, Tags: &rib.Tags{}}}, nil)
	var got []uint64
	for _, d := range p.Describe() {
		got = append(got, d.Matched)
	}
	if !slices.Equal(got, []uint64{4, 3, 0, 0, 1}) {
		t.Errorf("the rules matched %v times", got)
	}
	d := p.Describe()[1]
	if d.Title != "rule 2 (customers)" || !slices.Equal(d.Conditions, []string{`local_pref = "200"`, `communities = ["65001:1"]`}) || d.Action != "accept" {
		t.Errorf("%+v", d)
	}
}

// TestSpecsCompare: a policy that is read again is the one that is in force, and compares so;
// one with another text is another, whatever its name.
func TestSpecsCompare(t *testing.T) {
	spec := func(d Definition) rib.ExportPolicy { return rib.ExportPolicy{Enabled: true, Policy: Compile(d)} }
	a := spec(customers("compared"))
	a.Policy.Judge(aPath(nil), nil)
	if b := spec(customers("compared")); !reflect.DeepEqual(a, b) || a.Policy != b.Policy {
		t.Error("the same policy is another one")
	}
	d := customers("compared")
	d.Default = Accept
	if b := spec(d); reflect.DeepEqual(a, b) || a.Policy == b.Policy || a.Policy.String() == b.Policy.String() {
		t.Error("another policy is the same one")
	}
	if name := a.Policy.String(); !strings.HasPrefix(name, "compared (4 rules, ") {
		t.Error(name)
	}
}

// TestForgotten: a policy that nobody has any more is not kept.
func TestForgotten(t *testing.T) {
	text := textOf(customers("forgotten"))
	Compile(customers("forgotten"))
	kept := func() bool {
		known.mu.Lock()
		defer known.mu.Unlock()
		_, is := known.byText[text]
		return is
	}
	for i := 0; kept(); i++ {
		if i == 1000 {
			t.Fatal("it is known still")
		}
		runtime.GC()
	}
}

func TestJudgesFromManyGoroutines(t *testing.T) {
	p := Compile(customers("many"))
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				s := aPath(func(_ *rib.Subject, a *rib.Attrs) { a.MED = uint32(i % 7) })
				if r := p.Judge(s, nil); r.Rejected || r.Attrs.LocalPref != 200 || r.Attrs.MED != uint32(i%7) {
					t.Errorf("goroutine %d: %+v", g, r)
				}
				if Compile(customers("many")) != p {
					t.Error("another one is compiled")
				}
			}
		})
	}
	all.Wait()
	if n := p.Describe()[1].Matched; n != 2000 {
		t.Errorf("%d matches are counted", n)
	}
}

// TestTextTellsApart: each key of a rule is in the text, and so in what tells policies apart.
func TestTextTellsApart(t *testing.T) {
	seen := map[string]string{textOf(Definition{Name: "x", Default: Accept, Rules: []Rule{{Action: Accept}}}): "no key"}
	differ := func(what string, r Rule) {
		text := textOf(Definition{Name: "x", Default: Accept, Rules: []Rule{r}})
		if other, twice := seen[text]; twice {
			t.Errorf("%s has the text of %s", what, other)
		}
		seen[text] = what
	}
	differ("a name", Rule{Name: "x", Action: Accept})
	differ("an action", Rule{Action: Reject})
	eachField(t, func(r *Rule) reflect.Value { return reflect.ValueOf(&r.When).Elem() }, "when", differ)
	eachField(t, func(r *Rule) reflect.Value { return reflect.ValueOf(&r.Unless).Elem() }, "unless", differ)
	eachField(t, func(r *Rule) reflect.Value { return reflect.ValueOf(&r.Set).Elem() }, "set", differ)
	if len(seen) < 40 {
		t.Errorf("only %d keys were tried", len(seen))
	}
}

func textOf(d Definition) string { return d.Text() }

// eachField gives a value to each field of a part of a rule by itself.
func eachField(t *testing.T, part func(*Rule) reflect.Value, name string, do func(string, Rule)) {
	t.Helper()
	var walk func(path []int, of reflect.Type, name string)
	walk = func(path []int, of reflect.Type, name string) {
		for i := range of.NumField() {
			f, at := of.Field(i), append(slices.Clone(path), i)
			if f.Type.Kind() == reflect.Struct && f.Type.NumField() > 2 { // of communities
				walk(at, f.Type, name+"."+f.Name)
				continue
			}
			if f.Name == "Set" && len(path) > 0 {
				continue // counts with Replace alone
			}
			r := Rule{Action: Accept}
			setSome(t, part(&r).FieldByIndex(at))
			do(name+"."+f.Name, r)
		}
	}
	walk(nil, part(new(Rule)).Type(), name)
}

func setSome(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case []Prefix:
		v.Set(reflect.ValueOf(prefixes(t, "10.0.0.0/8")))
	case []Neighbor:
		v.Set(reflect.ValueOf(parsed(ParseNeighbor, "192.0.2.1")))
	case []Range:
		v.Set(reflect.ValueOf(parsed(ParseRange, "192.0.2.1")))
	case []ASPath:
		v.Set(reflect.ValueOf(parsed(ParseASPath, "_1_")))
	case Nexthop:
		v.Set(reflect.ValueOf(Nexthop{Told: rib.NexthopSelf}))
	default:
		switch v.Kind() {
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			if e := v.Index(0); e.Kind() == reflect.String {
				e.SetString("x")
			}
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Array:
			v.Index(0).Set(reflect.ValueOf(parsed(ParseRange, "192.0.2.1")[0].Prefix.Addr()))
		case reflect.Uint8, reflect.Uint32:
			v.SetUint(1)
		default:
			t.Fatal(fmt.Sprint("no value for ", v.Type()))
		}
	}
}
