package vrf

import "slices"

// Origin says where a value of the configuration that is in force comes from.
type Origin string

// The origins of a value.
const (
	FromFile     Origin = "file"         // ConfigValue.Line says where
	FromTemplate Origin = "template"     // of the file, which makes VRFs of namespaces; Line says where
	FromRunTime  Origin = "run time"     // it was enabled or disabled over the API
	FromAPI      Origin = "API"          // it was applied over the API, and takes the place of the file's
	FromCommand  Origin = "command line" // of the daemon
	Allocated    Origin = "allocated"    // a label or SID of this router, which the state directory keeps
	ByDefault    Origin = "default"
)

// ConfigValue is one key of the configuration that is in force.
type ConfigValue struct {
	Key    string
	Value  string // as TOML has it; "" of a secret
	Origin Origin
	Line   int  // of the file; 0: it is not from there
	Secret bool // it is set, and not told
}

// ConfigSection is one section of the configuration that is in force, without those below it.
type ConfigSection struct {
	Header string // as TOML has it: "[netlink]", "[[neighbors]]"
	// Name says which one it is, by the names of what it is about, and is no other section's:
	// "neighbors[192.0.2.2].config".
	Name   string
	Values []ConfigValue
	VRF    string   // that it is about; "": it is about none alone
	UsedBy []string // the VRFs that go by it beside that one
	Shared bool     // its keys hold for all VRFs
}

// InForce is the configuration that is in force: sections in an order in which they are a file.
type InForce struct {
	File     string
	Sections []ConfigSection
}

// Of is what one VRF goes by.
func (c InForce) Of(name string) InForce {
	return c.Only(func(s ConfigSection) bool { return s.Shared || s.VRF == name || slices.Contains(s.UsedBy, name) })
}

// Only are the sections that are wanted.
func (c InForce) Only(wants func(ConfigSection) bool) InForce {
	c.Sections = slices.DeleteFunc(slices.Clone(c.Sections), func(s ConfigSection) bool { return !wants(s) })
	return c
}
