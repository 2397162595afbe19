// Package config turns a file into a validated configuration: a gobgpd file
// with one more section, [netlink], in TOML, YAML or JSON.
//
// It promises that all faults of a file are reported at once, each with its line and a
// remedy, that nothing of such a file is used, and that a Config is never changed once
// it was returned. It also keeps, in the state directory, the settings that were made at
// run time (Overlay) and the configuration before a reload that was not confirmed (Kept):
// they are the only state, and belong to the daemon.
//
// Begin reading at Load. The readers of TOML, YAML and JSON build one tree of nodes with
// lines; a schema finds unknown keys; tables of keys (section.go) read each section into
// a struct. GoBGP is not imported: its knowledge of its own part arrives as a BGP.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// BGP is what the speaker package knows of GoBGP's own part of a file.
type BGP struct {
	// Schema maps each key, in kebab-case, to a map[string]any for a section, to
	// a []any of one of them for a list of sections, and to nil for a value.
	Schema map[string]any
	// Check judges GoBGP's part, given as JSON, as gobgpd would. Its errors may
	// be joined (errors.Join), and each may name the key that it is about:
	// neighbors[1].config.peer-group.
	Check func(conf []byte) error
	// Filled returns GoBGP's part, given as JSON, with GoBGP's own defaults in it. nil: they are not
	// known.
	Filled func(conf []byte) ([]byte, error)
	// Waits says why nobody is there now on an interface that a neighbour is named
	// by; "": somebody is. nil: it is not known.
	Waits func(device string) string
	// Secret makes the MD5 keys between the relay and GoBGP: random bytes, the
	// same for every Load of a process. None: no keys.
	Secret []byte
	// Started is what a client of the API started BGP with; nil, or a nil result: none has.
	Started func() *Started
}

// Config is a validated configuration. It is a value, and is not changed.
type Config struct {
	// Text is the file as Load read it.
	Text []byte
	// BGP is GoBGP's part as JSON with kebab-case keys, without [netlink].
	BGP []byte
	// Extras are the settings of BGP beside GoBGP's own part.
	Extras rib.Extras
	// VRFs are the VRFs that [netlink] names, ordered by name: the workers to run.
	VRFs []vrf.Spec
	// Others are the VRFs of GoBGP, and the default one, that [netlink] does not
	// name, ordered by name: with the device of their own name (default: main)
	// and both directions off. A VRF that is enabled at run time joins.
	Others []vrf.Spec
	API    API
	// Policies are those of [[netlink.policies]], in the order of the file, whether they are
	// used or not.
	Policies []*policy.Policy
	// Applied are where such policies are named, by the policy's name, of which GoBGP judges by a
	// copy, and counts nothing: lists of neighbours, and bgp.send.
	Applied map[string][]vrf.PolicyUse
	// Metrics are off unless the file names an address.
	Metrics Metrics
	// Neighbors are the neighbours with `netns`: the relay carries their sessions. In
	// BGP they are neighbours on the loopback.
	Neighbors []rib.Neighbor
	// Advertise are the interfaces on which router advertisements are sent.
	Advertise []string
	BGPPort   uint16 // where GoBGP listens; 0: nowhere
	// Bound are the neighbours of GoBGP's own that are in a VRF and bound to an
	// interface: "192.0.2.1 in VRF a (vrf-a)".
	Bound []string
	// Open are the neighbours that have neither a password nor TTL security, and the
	// prefixes from which such neighbours may dial in: anybody who can send from there
	// may pose as one.
	Open []string
	// Deaf are the VRFs with neighbours that import no route targets.
	Deaf []string
	// Notes are what the keys of gobgp-netlink mean here, where that is something
	// else, what GoBGP makes of some of its own, and what is easily overlooked,
	// ordered by line.
	Notes Errors
	// Changed are what the file does otherwise than in an earlier version, the first
	// place of each (docs/UPGRADING.md), ordered by line.
	Changed Errors
	Carriage
	// ManageSysctls lets the daemon set the sysctls that it needs, where they are not set.
	ManageSysctls bool
	made
}

// made is what a configuration was made of, beside its text.
type made struct {
	// Awaits says that the file has no [global.config], and nobody started BGP: BGP has a stand-in
	// for it, and nothing of the file may run.
	Awaits  bool
	written *Config // the same before VRFs got labels and SIDs; nil: this one is
	layers  *Layers // over the file
	// over are the keys of the layers that are laid over something of the file's.
	over map[vrf.LayerKey]bool
	tenancy
}

// Metrics says where Prometheus may ask.
type Metrics struct {
	// Listen is an address with a port; "": nowhere.
	Listen string
	// GoBGP adds GoBGP's own metrics, which cost it much with large tables.
	GoBGP bool
	// OpenMetrics answers in that format who asks for it, as well as in Prometheus' own.
	OpenMetrics bool
	// Exemplars names, in that format, a traced route beside the times that routes take.
	Exemplars bool
	// StatusPage serves the status page beside the metrics, under addresses,
	// localhost and the names of StatusHosts, which are in lower case.
	StatusPage  bool
	StatusHosts []string
}

// Load reads and validates the file at path. The error is an *Errors.
func Load(path string, bgp BGP) (*Config, error) { return LoadUnder(path, nil, bgp) }

// LoadUnder is Load of a file over which layers are laid.
func LoadUnder(path string, layers *Layers, bgp BGP) (*Config, error) {
	data, mode, err := readFile(path, mostConfig)
	if err != nil {
		reason := err
		var at *fs.PathError
		if errors.As(err, &at) {
			reason = at.Err
		}
		return nil, &Errors{{File: path, Message: fmt.Sprintf("cannot be read: %v; give the path of a configuration file that this user may read", reason)}}
	}
	return (&reading{path: path, data: data, mode: mode, layers: layers, bgp: bgp}).kept()
}

// Parse validates data as the file at path. What is in it tells whether it is TOML,
// YAML or JSON, and where that leaves it open its extension. The error is an *Errors.
func Parse(path string, data []byte, bgp BGP) (*Config, error) {
	return (&reading{path: path, data: data, bgp: bgp}).config()
}

// ParseUnder is Parse of a file over which layers are laid. The result keeps the text.
func ParseUnder(path string, data []byte, layers *Layers, bgp BGP) (*Config, error) {
	return (&reading{path: path, data: data, layers: layers, bgp: bgp}).kept()
}

// ParseAgain is ParseUnder of the text of a configuration, with other layers.
func ParseAgain(path string, c *Config, layers *Layers, bgp BGP) (*Config, error) {
	return (&reading{path: path, data: c.Text, layers: layers, bgp: bgp, judged: true}).kept()
}

// reading is one reading of a file, and what is left of it.
type reading struct {
	path   string
	data   []byte
	mode   fs.FileMode
	layers *Layers
	bgp    BGP
	over   map[vrf.LayerKey]bool // layers that are over something of the file's
	writtenDown
	tenancy tenancy
	judged  bool // it was read before, with its templates
	sampled bool // each template has a tenant that there is not, so that it is judged
}

// kept is the configuration with its text.
func (r *reading) kept() (*Config, error) {
	c, err := r.config()
	if err == nil {
		c.Text = r.data
	}
	return c, err
}

// tree is the file with its layers laid over it; nil: it could not be read.
func (r *reading) tree(p *problems) *node {
	root := readTree(p, r.path, r.data)
	if root != nil {
		r.templates, r.tenancy = expand(p, root, r.layers, r.sampled)
	}
	if root != nil && r.layers != nil {
		r.over = lay(p, root, r.layers)
	}
	return root
}

// config is what the file says. Its templates are judged by a tenant that there is not.
func (r *reading) config() (*Config, error) {
	c, err := r.once()
	if err != nil || r.judged || r.templates == nil {
		return c, err
	}
	sample := *r
	sample.sampled = true
	with, err := sample.once()
	if err != nil {
		return nil, err
	}
	c.Notes = with.Notes // a policy that a template alone names is used
	return c, nil
}

func (r *reading) once() (*Config, error) {
	p, bgp := &problems{file: r.path}, r.bgp
	root := r.tree(p)
	if root == nil {
		return nil, p.err() // a key that seems missing may be in a part that could not be read
	}
	awaits := begin(p, root, bgp.Started)
	root.label("")
	walker{p, withBFD(withTenantKeys(withPeerKeys(bgp.Schema))), netlinkSchema()}.file(root)

	breathe()
	vrfs, secret := readBGP(p, root)
	if secret != nil && r.mode&0o004 != 0 && secret.line >= 0 {
		p.at(secret, "every user can read this file (mode %04o), and it holds a secret; run: chmod 0640 %s", r.mode.Perm(), r.path)
	}
	relayed := readNeighbors(p, root, bgp.Secret)
	terms, advertised := readTerms(p, root, relayed)
	noteTimers(p, root)
	noteChanged(p, root)
	noteWaiting(p, root, bgp.Waits)
	noteApplied(p, root)
	port := listenPort(root)
	breathe()
	judges := readPolicies(p, root, append(specNames(vrfs), vrf.Default))
	peers := setPeers(root, relayed)
	nameAliases(judges, peers)
	settings, entries := readNetlink(p, root, judges)
	r.writtenDown = writtenDown{root, settings, entries, r.templates}
	breathe()
	applied := judges.readApplied(p, root, peers)
	sends := judges.readSends(p, applied, entries, vrfs)
	conf, err := encode(root, relayed, readSets(p, root, relayed, append(specNames(vrfs), vrf.Default)), applied)
	if err != nil {
		p.add(0, "", "cannot be handed to GoBGP: %v", err)
	}
	if len(relayed) > 0 && port == 0 {
		p.at(root.get("global").get("config").get("port"), "leaves GoBGP without a listener, which neighbours with netns need; write a port, or remove the key for 179")
	}
	breathe()
	checkBGP(p, bgp, conf, root)
	breathe()
	c := &Config{BGP: conf, BGPPort: port, Metrics: settings.metrics, ManageSysctls: settings.sysctls, Advertise: advertised, made: made{Awaits: awaits, layers: r.layers, over: r.over, tenancy: r.tenancy}}
	c.Carriage = settings.carriage(root)
	for _, i := range slices.Sorted(maps.Keys(relayed)) {
		c.Neighbors = append(c.Neighbors, relayed[i])
	}
	c.Bound, c.Open, c.Deaf = readBound(root), readOpen(root), readDeaf(p, root, vrfs)
	c.VRFs, c.Others = assemble(p, settings, entries, vrfs)
	c.VRFs = vrf.WithFurther(c.VRFs)
	breathe()
	c.Extras = c.extras(terms)
	c.Extras.Sends, c.Extras.Rules = sends, applied.words
	acceptMartians(terms, c.VRFs, c.Others)
	selectPaths(root, c.VRFs, c.Others)
	c.API = readAPI(p, root.get("netlink").get("api"), append(specNames(vrfs), vrf.Default))
	withSecondary(&c.API.Policy, c.VRFs)
	noteCarriage(p, root, entries)
	noteOwnDevices(p, root, entries)
	hint(p, root, c.VRFs, judges, applied)
	hintUnmet(p, root, terms)
	if err := r.fault(p); err != nil {
		return nil, err
	}
	c.Policies, c.Applied = judges.compiled(), applied.uses
	c.Notes, c.Changed = p.sorted(p.notes), p.sorted(p.changed)
	return c, nil
}

// fault is what is wrong with the file. Of a reading with tenants that there are not it is what is
// wrong with their templates: they are one more than there are of everything else.
func (r *reading) fault(p *problems) error {
	if r.sampled {
		p.list = slices.DeleteFunc(p.list, func(e Error) bool { return !strings.HasPrefix(e.Key, inTemplates) })
	}
	return p.err()
}

// assemble joins the VRFs of [netlink] with those of GoBGP.
func assemble(p *problems, s settings, entries []*entry, known []vrf.Spec) (run, others []vrf.Spec) {
	known = append(slices.Clone(known), vrf.Spec{Name: vrf.Default})
	byName := make(map[string]vrf.Spec, len(known))
	for _, v := range known {
		byName[v.Name] = v
	}
	named := make(map[string]*entry)
	tables := make(map[rib.Binding]*entry)
	for _, e := range entries {
		at := e.where()
		of, exists := byName[cmp.Or(e.of, e.name)]
		first := named[e.name]
		if _, taken := byName[e.name]; taken && e.of != "" {
			p.at(at, "VRF %q is that of [[vrfs]], and a secondary table of VRF %q would be called the same; rename the former", e.name, e.of)
			continue
		}
		switch {
		case e.name == "" && (at == e.node || at.kind != kindText):
			continue // missing or no text, and said so
		case !exists:
			p.at(at, "there is no VRF %q; %s", e.name, suggest(e.name, specNames(known), "add it under [[vrfs]]"))
			continue
		case first != nil:
			p.at(at, "VRF %q is bound already, on line %d; say it once, in [[netlink.vrfs]] or in the short form", e.name, first.where().line)
			continue
		}
		named[e.name] = e
		spec := s.spec(e, of)
		if home := named[e.of]; home != nil { // its policies judge its paths, whichever table they go to
			spec.Export.Policy, spec.Export.Receive = home.exp.Policy, home.exp.Receive
		}
		s.checkImport(p, e, spec.Binding)
		if e.binding == (rib.Binding{}) && spec.Binding.Device != "" {
			if err := deviceName(spec.Name); err != nil {
				p.at(at, "VRF %q has no netns, device or table, and its name cannot be that of a device; write one of them", e.name)
			}
		}
		if other := tables[spec.Binding.Canonical()]; other != nil {
			p.at(at, "VRF %q would use the table of VRF %q, on line %d (%s); give one of them another netns, device or table", e.name, other.name, other.where().line, describe(spec.Binding))
		} else {
			tables[spec.Binding.Canonical()] = e
		}
		run = append(run, spec)
	}
	for _, v := range known {
		if named[v.Name] == nil {
			others = append(others, s.spec(s.entry(nil), v))
		}
	}
	checkFurther(p, entries, tables)
	checkOwnDevices(p, entries)
	checkLeaks(p, entries, run)
	sortSpecs(run)
	sortSpecs(others)
	return run, others
}

func sortSpecs(specs []vrf.Spec) {
	slices.SortFunc(specs, func(a, b vrf.Spec) int { return cmp.Compare(a.Name, b.Name) })
}
