// Package policy has the policies that an operator writes: rules of which the first that matches
// decides.
//
// A Definition is a policy as it is written, with a text of its own; Compile makes a Policy of
// it, which implements rib.Judge. A Policy is immutable but for its counters and what it
// remembers of changed attributes, and is safe for concurrent use. Two Definitions with the same
// text make the same Policy, as long as somebody has it, so a configuration that is read again
// has the policies that are in force, with their counters; and Specs are compared as they are.
//
// Begin with definition.go. keys.go says which key means something where a policy is used,
// values.go reads what the keys have, faults.go finds what contradicts itself; match.go has the
// conditions, change.go the changes.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/vrfredist/vrfredist/rib"
)

// Policy is a policy that is ready to judge.
type Policy struct {
	text    string // the first field: by it two that are not the same differ at once
	name    string
	digest  string // of the text
	rules   []rule
	fails   bool // the default rejects
	asks    bool // some rule asks what the RPKI says
	byNone  string
	decided []atomic.Uint64 // how often each rule matched; the last one is the default's
	of      Definition
}

// rule is a Rule made ready.
type rule struct {
	tests   []test
	changes *changer // nil: none
	told    rib.NexthopTold
	action  Action
	by      string // for rib.Ruling
	title   string // for rib.Hearing
	words   []string
}

// known are the policies that somebody has, by their text.
var known = struct {
	mu     sync.Mutex
	byText map[string]weak.Pointer[Policy] // guarded by mu
}{byText: make(map[string]weak.Pointer[Policy])}

// Compile makes a policy ready: the one that there is already, where one has the same text. The
// definition must have no Faults, and is not changed any more.
func Compile(d Definition) *Policy {
	text := d.Text() + aliasesIn(d.Rules)
	known.mu.Lock()
	defer known.mu.Unlock()
	if p := known.byText[text].Value(); p != nil {
		return p
	}
	p := compile(d, text)
	known.byText[text] = weak.Make(p)
	runtime.AddCleanup(p, forget, text)
	return p
}

// aliasesIn are all of the neighbours' that the rules name: with others it is another policy.
func aliasesIn(rules []Rule) (text string) {
	for i := range rules {
		for _, list := range [][]Neighbor{rules[i].When.Neighbors, rules[i].Unless.Neighbors} {
			for _, n := range list {
				if len(n.Aliases) > 0 {
					text += fmt.Sprintln(n, n.Aliases)
				}
			}
		}
	}
	return text
}

// forget takes a policy out that nobody has any more.
func forget(text string) {
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.byText[text].Value() == nil {
		delete(known.byText, text)
	}
}

func compile(d Definition, text string) *Policy {
	sum := sha256.Sum256([]byte(text))
	p := &Policy{
		text: text, name: d.Name, digest: hex.EncodeToString(sum[:4]), of: d,
		fails: d.Default == Reject, byNone: fmt.Sprintf("the default of policy %q", d.Name),
		decided: make([]atomic.Uint64, len(d.Rules)+1),
	}
	for i := range d.Rules {
		of := &p.of.Rules[i]
		title := Title(i, of.Name)
		p.asks = p.asks || len(of.When.RPKI)+len(of.Unless.RPKI) > 0
		r := rule{
			tests: append(of.When.tests(false), of.Unless.tests(true)...), action: of.Action,
			told: of.Set.Nexthop.Told, title: title, by: fmt.Sprintf("policy %q, %s", d.Name, title), words: of.Set.words(),
		}
		plain := of.Set
		plain.Nexthop.Told = rib.NexthopUsual // which changes no attribute
		if plain.Any() {
			r.changes = &changer{set: &of.Set, only4: of.only4()}
		}
		p.rules = append(p.rules, r)
	}
	return p
}

// Title names a rule for a person by its place, from 0, and its name, if it has one: "rule 2
// (customers)".
func Title(index int, name string) string {
	if name == "" {
		return fmt.Sprintf("rule %d", index+1)
	}
	return fmt.Sprintf("rule %d (%s)", index+1, name)
}

// Name implements rib.Judge.
func (p *Policy) Name() string { return p.name }

// String implements rib.Judge: "to-kernel (3 rules, 5f3a9c01)".
func (p *Policy) String() string {
	if len(p.rules) == 1 {
		return fmt.Sprintf("%s (1 rule, %s)", p.name, p.digest)
	}
	return fmt.Sprintf("%s (%d rules, %s)", p.name, len(p.rules), p.digest)
}

// AsksRPKI tells whether what it decides depends on what the RPKI says.
func (p *Policy) AsksRPKI() bool { return p.asks }

// Equal tells whether two policies are the same.
func (p *Policy) Equal(o *Policy) bool { return p == o || p != nil && o != nil && p.text == o.text }

// Text is the policy as a configuration may write it.
func (p *Policy) Text() string { return p.of.Text() }

// Judge implements rib.Judge.
func (p *Policy) Judge(s rib.Subject, h *rib.Hearing) rib.Ruling {
	counts := h == nil && !s.Unacted
	if h != nil {
		*h = rib.Hearing{Policy: p.name}
	}
	var out rib.Ruling
	decided := false
	for i := range p.rules {
		r := &p.rules[i]
		if !matches(r.tests, &s) {
			continue
		}
		if counts {
			p.decided[i].Add(1)
		}
		if h != nil {
			h.Matched = append(h.Matched, rib.MatchedRule{Rule: r.title, Changes: r.words, Action: r.action.String()})
		}
		if r.changes != nil {
			s.Attrs = r.changes.change(&s)
		}
		if r.told != rib.NexthopUsual {
			out.Nexthop = r.told
		}
		if r.action == Next {
			continue
		}
		out.Rejected, out.By, decided = r.action == Reject, r.by, true
		break
	}
	if !decided {
		out.Rejected, out.By = p.fails, p.byNone
		if counts {
			p.decided[len(p.rules)].Add(1)
		}
	}
	out.Attrs = s.Attrs
	if h != nil {
		h.By, h.Rejected = out.By, out.Rejected
	}
	return out
}

// Described is one rule for a person, or at the end of all the default.
type Described struct {
	Title      string   // "rule 2 (customers)"; "default"
	Conditions []string // `prefixes = ["10.0.0.0/8 le 24"]`
	Changes    []string // "set_med = 7"
	Action     string
	Matched    uint64 // how often it did, since the policy is in force
}

// Describe returns the rules, and the default, with how often each decided or changed
// something. What is judged again, because a link changed say, counts again.
func (p *Policy) Describe() []Described {
	out := make([]Described, 0, len(p.rules)+1)
	for i := range p.rules {
		of := &p.of.Rules[i]
		out = append(out, Described{p.rules[i].title, texts(of.conditions()), texts(of.Set.settings()), of.Action.String(), p.decided[i].Load()})
	}
	return append(out, Described{Title: "default", Action: p.of.Default.String(), Matched: p.decided[len(p.rules)].Load()})
}

func texts(list []setting) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.String()
	}
	return out
}
