package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// overlayVersion is the version of the file that this program reads and writes.
const overlayVersion = 1

// Redistribution is what can be set at run time for one direction of a VRF. It
// takes the place of the file's fields of the same meaning; what it has no
// field for (a metric, a quota, MED) stays as the file has it.
type Redistribution struct {
	Enabled bool
	// Import: globs, at least one where it is enabled.
	Interfaces []string
	// Export: none at all lets every path pass. Community holds none or one.
	Community        []rib.Community
	CommunityList    []rib.Community
	LargeCommunities []rib.LargeCommunity
	// Over is the generation of the layers that it was set over: one that says something of the
	// direction later ends it.
	Over uint64
}

// Overlay has the directions that were enabled and disabled at run time: it is laid over the
// file, and survives a restart. It is safe for concurrent use.
type Overlay struct {
	dir string

	mu   sync.Mutex
	vrfs map[string]overlaid // guarded by mu
}

// overlaid are the settings of one VRF; nil leaves a direction to the file.
type overlaid struct {
	imp, exp *Redistribution
}

// OpenOverlay reads the overlay in dir. A directory or file that is not there is
// an empty overlay; a file that cannot be understood is an error, because to start
// without it would silently turn on what an operator turned off.
func OpenOverlay(dir string) (*Overlay, error) {
	sweepHalfWritten(dir)
	o := &Overlay{dir: dir, vrfs: make(map[string]overlaid)}
	file := filepath.Join(dir, overlayName)
	data, _, err := readFile(file, mostOverlay)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was enabled at run time: %w; run vrfredist as a user that may read it, remove what is in its place, or keep the state elsewhere with --state-dir", err)
	}
	if o.vrfs, err = decodeOverlay(data); err != nil {
		return nil, fmt.Errorf("%s, which holds what was enabled at run time, is damaged: %w; correct it, or remove it to go back to the configuration file", file, err)
	}
	return o, nil
}

// Set keeps what redistribution a VRF has in one direction from now on, also
// over restarts; the zero Redistribution turns it off. After an error the
// overlay is as it was.
func (o *Overlay) Set(name string, d vrf.Direction, r Redistribution) error {
	if err := r.check(d); err != nil {
		return fmt.Errorf("VRF %q: %w", name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	next, v := maps.Clone(o.vrfs), o.vrfs[name]
	r = r.clone()
	if d == vrf.Import {
		v.imp = &r
	} else {
		v.exp = &r
	}
	next[name] = v
	if err := o.write(next); err != nil {
		return fmt.Errorf("VRF %q: keeping what was set at run time: %w", name, err)
	}
	o.vrfs = next
	return nil
}

// Apply lays the overlay over a file's VRFs and returns the specs to run,
// ordered by name. One of others joins where it is enabled here. The arguments
// stay as they are.
func (o *Overlay) Apply(vrfs, others []vrf.Spec) []vrf.Spec { return o.apply(nil, vrfs, others) }

// Over returns the specs to run of a configuration: Apply, without what its layers ended.
func (o *Overlay) Over(c *Config) []vrf.Spec { return o.apply(c.layers, c.VRFs, c.Others) }

func (o *Overlay) apply(layers *Layers, vrfs, others []vrf.Spec) []vrf.Spec {
	o.mu.Lock()
	defer o.mu.Unlock()
	specs := make([]vrf.Spec, 0, len(vrfs))
	for _, s := range vrfs {
		specs = append(specs, o.vrfs[s.Name].since(layers, s.Name).over(s))
	}
	for _, s := range others {
		if s = o.vrfs[s.Name].since(layers, s.Name).over(s); s.Import.Enabled || s.Export.Enabled {
			specs = append(specs, s)
		}
	}
	return vrf.WithFurther(specs) // which are as their VRFs are, whatever was said of themselves
}

// Orphans returns the names, in order, of VRFs that have an entry and are not in
// the configuration. They are ignored, and kept for when the VRF is back.
func (o *Overlay) Orphans(vrfs, others []vrf.Spec) []string {
	known := append(specNames(vrfs), specNames(others)...)
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(o.vrfs)), func(name string) bool {
		return slices.Contains(known, name)
	})
}

// Hidden says, in a line each, which directions of a configuration's VRFs are not as it
// has them because they were set at run time.
func (o *Overlay) Hidden(c *Config) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	say := func(s vrf.Spec, direction string) {
		lines = append(lines, fmt.Sprintf("VRF %q: its %s is as it was set at run time, and not as the file has it; `vrfredist redistribution` shows and changes that", s.Name, direction))
	}
	for _, s := range slices.Concat(c.VRFs, c.Others) {
		is := o.vrfs[s.Name].since(c.layers, s.Name).over(s)
		if is.Import.Enabled != s.Import.Enabled || is.Import.Enabled && !slices.Equal(is.Import.Interfaces, s.Import.Interfaces) {
			say(s, "import")
		}
		if is.Export.Enabled != s.Export.Enabled || is.Export.Enabled && !sameFilter(is.Export, s.Export) {
			say(s, "export")
		}
	}
	slices.Sort(lines)
	return lines
}

func sameFilter(a, b rib.ExportPolicy) bool {
	return slices.Equal(a.Community, b.Community) && slices.Equal(a.CommunityList, b.CommunityList) && slices.Equal(a.LargeCommunities, b.LargeCommunities)
}

// since leaves out what a layer ended.
func (v overlaid) since(layers *Layers, name string) overlaid {
	if v.imp != nil && v.imp.Over < layers.saidAt(name, vrf.Import) {
		v.imp = nil
	}
	if v.exp != nil && v.exp.Over < layers.saidAt(name, vrf.Export) {
		v.exp = nil
	}
	return v
}

// End forgets what layers have ended, so that it does not come back when they go.
func (o *Overlay) End(layers *Layers) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	next, ended := maps.Clone(o.vrfs), false
	for name, v := range o.vrfs {
		is := v.since(layers, name)
		if is == v {
			continue
		}
		if next[name] = is; is == (overlaid{}) {
			delete(next, name)
		}
		ended = true
	}
	if !ended {
		return nil
	}
	if err := o.write(next); err != nil {
		return fmt.Errorf("forgetting what had been set at run time: %w", err)
	}
	o.vrfs = next
	return nil
}

func (v overlaid) over(s vrf.Spec) vrf.Spec {
	if r := v.imp; r != nil {
		s.Import.Enabled = r.Enabled
		if r.Enabled {
			s.Import.Interfaces = slices.Clone(r.Interfaces)
		}
	}
	if r := v.exp; r != nil {
		s.Export.Enabled = r.Enabled
		if r.Enabled {
			c := r.clone()
			s.Export.Community, s.Export.CommunityList, s.Export.LargeCommunities = c.Community, c.CommunityList, c.LargeCommunities
		}
	}
	return s
}

func (r Redistribution) clone() Redistribution {
	r.Interfaces = slices.Clone(r.Interfaces)
	r.Community = slices.Clone(r.Community)
	r.CommunityList = slices.Clone(r.CommunityList)
	r.LargeCommunities = slices.Clone(r.LargeCommunities)
	return r
}

func (r Redistribution) check(d vrf.Direction) error {
	filters := len(r.Community) + len(r.CommunityList) + len(r.LargeCommunities)
	switch {
	case d != vrf.Import && d != vrf.Export:
		return fmt.Errorf("direction %d is neither import nor export", d)
	case d == vrf.Import && filters > 0:
		return errors.New("communities choose what is exported; remove them from the import")
	case d == vrf.Export && len(r.Interfaces) > 0:
		return errors.New("interfaces choose what is imported; remove them from the export")
	case d == vrf.Import && r.Enabled && len(r.Interfaces) == 0:
		return errors.New(`an import needs interfaces; name them, or "*" for all`)
	case len(r.Community) > 1:
		return errors.New("community holds one; put more of them into the list")
	}
	for _, pattern := range r.Interfaces {
		if err := checkGlob(pattern); err != nil {
			return err
		}
	}
	return nil
}

// write replaces the file so that a crash leaves the old one or the new one.
func (o *Overlay) write(vrfs map[string]overlaid) error {
	data, err := encodeOverlay(vrfs)
	if err != nil {
		return err
	}
	return writeState(o.dir, overlayName, data, 0o640)
}

// Remove takes the overlay's file away, and its directory where nothing else is in it
// and it is this process's to remove: one that a service manager made, and mounted
// into a file system that is read-only otherwise, stays.
func (o *Overlay) Remove() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := os.Remove(filepath.Join(o.dir, overlayName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing what was enabled at run time: %w", err)
	}
	clear(o.vrfs)
	err := os.Remove(o.dir)
	for _, stays := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.ENOTEMPTY, syscall.EROFS, syscall.EBUSY} {
		if errors.Is(err, stays) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("removing the state directory: %w", err)
	}
	return nil
}

// halfWrittenAge is how old a half-written file has to be to be nobody's.
const halfWrittenAge = time.Minute

// keysSet are the keys of a direction of a VRF that were set at run time.
func (o *Overlay) keysSet(layers *Layers, name string, d vrf.Direction) map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.vrfs[name].since(layers, name)
	r, keys := of.exp, []string{"community", "community-list", "large-community-list"}
	if d == vrf.Import {
		r, keys = of.imp, []string{"interface-list"}
	}
	if r == nil {
		return nil
	}
	set := map[string]bool{"enabled": true}
	if r.Enabled {
		for _, key := range keys {
			set[key] = true
		}
	}
	return set
}
