package config

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/vrfredist/vrfredist/vrf"
)

// PrintInForce writes what is in force as a TOML file, with where each value is from behind it.
// Whoever reads that file has the same configuration, but for the passwords.
func PrintInForce(w io.Writer, c vrf.InForce) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# What is in force, and where each value is from: a line of %s, or what the comment says.\n", c.File)
	b.WriteString("# Passwords are left out. A key that is not here is off, or empty.\n")
	for i := range c.Sections {
		s := &c.Sections[i]
		if i == 0 || len(c.Sections[i-1].Values) > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", s.Header)
		printValues(&b, c.File, s.Values)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widestValue is how wide a key with its value may be to have its comment under the others'.
const widestValue = 60

func printValues(b *strings.Builder, file string, values []vrf.ConfigValue) {
	width := 0
	for i := range values {
		if n := utf8.RuneCountInString(Assignment(&values[i])); n <= widestValue {
			width = max(width, n)
		}
	}
	for i := range values {
		v := &values[i]
		text := Assignment(v)
		pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
		fmt.Fprintf(b, "%s%s  # %s\n", text, pad, Whence(file, v))
	}
}

// Assignment is a key with its value as TOML has it; of a secret a comment.
func Assignment(v *vrf.ConfigValue) string {
	if v.Secret {
		return "# " + v.Key + " is set"
	}
	return v.Key + " = " + v.Value
}

// Whence says where a value is from: "vrfredist.toml:12", "default".
func Whence(file string, v *vrf.ConfigValue) string {
	switch {
	case v.Origin == vrf.FromTemplate:
		return fmt.Sprintf("%s %s:%d", v.Origin, filepath.Base(file), v.Line)
	case v.Origin != vrf.FromFile:
		return string(v.Origin)
	case v.Line == 0:
		return filepath.Base(file)
	}
	return fmt.Sprintf("%s:%d", filepath.Base(file), v.Line)
}

// Difference is a key that two configurations have otherwise; nil: one of them does not have it.
type Difference struct {
	Section string // by its name
	Old     *vrf.ConfigValue
	New     *vrf.ConfigValue
}

// DifferencesInForce are the keys that differ, in the order of the files. Secrets are the same
// where both have them, because what they are is not told. What was allocated, a default, and
// what a template makes of a tenant, is no difference where the other has no such key.
func DifferencesInForce(old, next vrf.InForce) (list []Difference) {
	before, after := byKey(old), byKey(next)
	for i := range old.Sections {
		s := &old.Sections[i]
		for j := range s.Values {
			v := &s.Values[j]
			now := after[s.Name][v.Key]
			if now == nil && !said(v) || now != nil && now.Value == v.Value {
				continue
			}
			list = append(list, Difference{s.Name, v, now})
		}
	}
	for i := range next.Sections {
		s := &next.Sections[i]
		for j := range s.Values {
			if v := &s.Values[j]; before[s.Name][v.Key] == nil && said(v) {
				list = append(list, Difference{s.Name, nil, v})
			}
		}
	}
	return list
}

// said tells whether a value is one where the other side has none: what follows by itself is not.
func said(v *vrf.ConfigValue) bool {
	return v.Origin != vrf.Allocated && v.Origin != vrf.ByDefault && v.Origin != vrf.FromTemplate
}

func byKey(c vrf.InForce) map[string]map[string]*vrf.ConfigValue {
	all := make(map[string]map[string]*vrf.ConfigValue, len(c.Sections))
	for i := range c.Sections {
		s := &c.Sections[i]
		keys := make(map[string]*vrf.ConfigValue, len(s.Values))
		for j := range s.Values {
			keys[s.Values[j].Key] = &s.Values[j]
		}
		all[s.Name] = keys
	}
	return all
}
