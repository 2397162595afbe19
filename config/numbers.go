package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// numbersVersion is the version of the file that this program reads and writes.
const numbersVersion = 1

// Numbers are the labels and SIDs that VRFs have where the file gives them none: other PEs send
// by them, so that they are the same after every restart, and are written down before anybody hears
// of them. It is safe for concurrent use.
type Numbers struct {
	dir string

	mu     sync.Mutex
	kept   keptNumbers // guarded by mu: as the file has it
	lost   error       // why what was kept could not be read; nil: it was, or nothing was kept
	absent bool        // nothing was kept
	split  bool        // guarded by mu: the kernel has no SID for both families
}

// keptNumbers are the file's shape.
type keptNumbers struct {
	Version   int           `json:"version"`
	Labels    rib.PoolState `json:"labels"`
	Functions rib.PoolState `json:"functions"` // of SIDs, by functionOf
}

// OpenNumbers reads what dir keeps. What cannot be read is as if it were not there: Lost says so,
// and the kernel has what was in use (Adopt).
func OpenNumbers(dir string) *Numbers {
	n := &Numbers{dir: dir}
	file := filepath.Join(dir, numbersName)
	data, _, err := readFile(file, mostOverlay)
	if errors.Is(err, fs.ErrNotExist) {
		n.absent = true
		return n
	}
	if err == nil {
		err = json.Unmarshal(data, &n.kept)
	}
	if err == nil && n.kept.Version != numbersVersion {
		err = fmt.Errorf("it has version %d, and this program reads version %d", n.kept.Version, numbersVersion)
	}
	if err == nil {
		_, err = n.kept.pools()
	}
	if err != nil {
		n.kept, n.lost = keptNumbers{}, fmt.Errorf("%s, which holds the labels and SIDs of VRFs, cannot be used: %w", file, err)
	}
	return n
}

// Lost is why what was kept could not be read; nil: it was, or nothing was kept.
func (n *Numbers) Lost() error { return n.lost }

// Split has VRFs get a SID for each family, because the kernel has none for both.
func (n *Numbers) Split(is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.split = is
}

// Assign gives the VRFs of a configuration their labels and SIDs, and writes down what is new
// before it returns. Those that other VRFs had are let go.
func (n *Numbers) Assign(c *Config, now time.Time) (Numbered, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out, next, err := n.numbered(c, now)
	if err == nil && !next.equal(n.kept) {
		err = next.write(n.dir)
	}
	if err != nil {
		return Numbered{}, fmt.Errorf("keeping the labels and SIDs of VRFs, which have to be the same after a restart: %w", err)
	}
	n.kept = next
	return out, nil
}

// Preview is Assign that lets nothing go, and writes nothing.
func (n *Numbers) Preview(c *Config, now time.Time) (Numbered, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out, _, err := n.numbered(c, now)
	return out, err
}

// Needed tells whether a VRF needs a number, and none is known of it: the kernel may know.
func (n *Numbers) Needed(c *Config) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	labels, functions := claimsOf(c.asWritten(), n.split)
	lacks := func(list []rib.Claim, s rib.PoolState) bool {
		return slices.ContainsFunc(list, func(c rib.Claim) bool { return s.Held[c.Name] == 0 })
	}
	return lacks(labels, n.kept.Labels) || lacks(functions, n.kept.Functions)
}

// Standing is a label or a SID of this router that the kernel has.
type Standing struct {
	VRF   string // that it leads to; "": to none
	Label uint32
	SID   netip.Addr
	Six   bool // the SID is for IPv6 alone
}

// Adopt takes over what the kernel has, where nothing else is known. What leads to no VRF rests,
// because peers may still send by it. It returns what was taken over, for a person.
func (n *Numbers) Adopt(c *Config, standing []Standing, now time.Time) (adopted []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pools, err := n.kept.pools()
	if err != nil {
		return nil, err
	}
	for _, s := range standing {
		pool, number, name := pools.labels, s.Label, s.VRF
		if s.SID.IsValid() {
			pool, name = pools.functions, functionOf(s.VRF, s.Six)
			if number, _ = c.Locator.Function(s.SID); number == 0 {
				continue // of another locator
			}
		}
		switch {
		case s.VRF == "":
			pool.Rest(rib.Rested{Number: number, Name: "a VRF of before", Until: now.Add(c.LetGo)})
		case pool.Adopt(name, number, now) && s.SID.IsValid():
			adopted = append(adopted, fmt.Sprintf("VRF %q: SID %s", s.VRF, s.SID))
		case pool.Of(name) == number && !s.SID.IsValid():
			adopted = append(adopted, fmt.Sprintf("VRF %q: label %d", s.VRF, number))
		}
	}
	n.kept = pools.state()
	return adopted, nil
}

// restAgain is how much of its rest a number must have had before it rests anew: each time is written
// down.
const restAgain = time.Minute

// InUse says that the label or SIDs that a VRF had are in the kernel until now: those that it let go
// rest from now on.
func (n *Numbers) InUse(c *Config, of *vrf.Spec, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	pools, err := n.kept.pools()
	if err != nil {
		return err
	}
	is, until := &of.Carriage, now.Add(c.LetGo)
	pools.labels.RestOn(is.Label, until, restAgain)
	for _, sid := range []netip.Addr{is.SRv6.SID, is.SRv6.SID6} {
		function, _ := c.Locator.Function(sid)
		pools.functions.RestOn(function, until, restAgain)
	}
	next := pools.state()
	if next.equal(n.kept) {
		return nil
	}
	if err := next.write(n.dir); err != nil {
		return fmt.Errorf("keeping the labels and SIDs that VRFs had, which no other may have for a while: %w", err)
	}
	n.kept = next
	return nil
}

// numbered is what c and the file come to. The caller holds mu.
func (n *Numbers) numbered(c *Config, now time.Time) (out Numbered, next keptNumbers, err error) {
	written := c.asWritten()
	pools, err := n.kept.pools()
	if err != nil {
		return out, next, err
	}
	labels, functions := claimsOf(written, n.split)
	first, last := written.Locator.Functions()
	g := granted{
		Config: written, split: n.split,
		labels:    pools.labels.Assign(now, written.LetGo, written.Labels.First, written.Labels.Last, labels),
		functions: pools.functions.Assign(now, written.LetGo, first, last, functions),
	}
	return g.numbered(), pools.state(), nil
}

// asWritten is the configuration before VRFs got numbers.
func (c *Config) asWritten() *Config {
	if c.written != nil {
		return c.written
	}
	return c
}

// claimsOf are the numbers that the VRFs of a configuration need.
func claimsOf(c *Config, split bool) (labels, functions []rib.Claim) {
	for _, s := range c.VRFs {
		is := &s.Carriage
		if s.VRF != "" {
			continue // it has those of the VRF whose routes these are
		}
		switch is.Kind {
		case rib.EncapMPLS:
			labels = append(labels, rib.Claim{Name: s.Name, Number: is.Label})
		case rib.EncapSRv6:
			function, _ := c.Locator.Function(is.SRv6.SID)
			functions = append(functions, rib.Claim{Name: functionOf(s.Name, false), Number: function})
			if split || is.SRv6.Link != "" {
				functions = append(functions, rib.Claim{Name: functionOf(s.Name, true)})
			}
		}
	}
	return labels, functions
}

// pools are the file's as they work.
type pools struct{ labels, functions *rib.Pool }

func (n keptNumbers) pools() (p pools, err error) {
	if p.labels, err = rib.NewPool(n.Labels); err != nil {
		return p, fmt.Errorf("labels: %w", err)
	}
	if p.functions, err = rib.NewPool(n.Functions); err != nil {
		return p, fmt.Errorf("functions of SIDs: %w", err)
	}
	return p, nil
}

func (p pools) state() keptNumbers {
	return keptNumbers{numbersVersion, p.labels.State(), p.functions.State()}
}

func (n keptNumbers) equal(other keptNumbers) bool {
	return n.Labels.Equal(other.Labels) && n.Functions.Equal(other.Functions)
}

// write replaces the file so that a crash leaves the old one or the new one.
func (n keptNumbers) write(dir string) error {
	data, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return writeState(dir, numbersName, append(data, '\n'), 0o640)
}
