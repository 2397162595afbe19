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

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// carriedVersion is the version of the file that this program reads and writes.
const carriedVersion = 1

// Carried are the VRFs that may have something in the kernel beside their own tables: labels, SIDs,
// rules, devices, and the tables that encapsulate. What a VRF has there is found by what its
// configuration said, so that is kept for as long as something may be left: of a VRF that goes while
// the daemon does not run nobody else knows. It is safe for concurrent use.
type Carried struct {
	dir string

	mu   sync.Mutex
	kept []vrf.Spec // guarded by mu: as the file has them
}

// carriedFile is the file's shape.
type carriedFile struct {
	Version int          `json:"version"`
	VRFs    []carriedVRF `json:"vrfs"`
	// Devices are VRFs of which the VRF device alone was made here.
	Devices []carriedVRF `json:"devices,omitempty"`
}

// carriedVRF is a VRF as far as what it has in the kernel is found by it.
type carriedVRF struct {
	Name     string          `json:"name"`
	Netns    string          `json:"netns,omitempty"`
	Device   string          `json:"device,omitempty"`
	Table    uint32          `json:"table,omitempty"`
	Protocol uint8           `json:"protocol"`
	Makes    uint32          `json:"makes_table,omitempty"` // of its VRF device, where that was made here
	Encap    string          `json:"encap,omitempty"`
	Core     carriedCore     `json:"core,omitzero"`
	Label    uint32          `json:"label,omitempty"`
	SIDs     []netip.Addr    `json:"sids,omitempty"` // of both families, or of IPv4 and then of IPv6
	Locator  *netip.Prefix   `json:"locator,omitempty"`
	Link     string          `json:"trusted_link,omitempty"`
	Through  *carriedThrough `json:"through,omitempty"`
	VNI      uint32          `json:"vni,omitempty"`
	VXLAN    string          `json:"vxlan_device,omitempty"`
	Managed  bool            `json:"managed,omitempty"` // its device was made here
}

type carriedCore struct {
	Netns  string     `json:"netns,omitempty"`
	Source netip.Addr `json:"source"`
}

type carriedThrough struct {
	Device      string `json:"device,omitempty"`
	Link        string `json:"link,omitempty"`
	Table       uint32 `json:"table,omitempty"`
	TableDevice string `json:"table_device,omitempty"`
}

// OpenCarried reads what dir keeps. After an error nothing is kept, and the error says why.
func OpenCarried(dir string) (*Carried, error) {
	c := &Carried{dir: dir}
	file := filepath.Join(dir, carriedName)
	data, _, err := readFile(file, mostOverlay)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	var is carriedFile
	if err == nil {
		err = json.Unmarshal(data, &is)
	}
	if err == nil && is.Version != carriedVersion {
		err = fmt.Errorf("it has version %d, and this program reads version %d", is.Version, carriedVersion)
	}
	for _, v := range slices.Concat(is.VRFs, is.Devices) {
		if err != nil {
			break
		}
		var s vrf.Spec
		s, err = v.spec()
		c.kept = append(c.kept, s)
	}
	if err != nil {
		c.kept = nil
		return c, fmt.Errorf("%s, which says what VRFs have in the kernel for other PEs, cannot be used, so that what VRFs have left there which are not configured any more stays: %w", file, err)
	}
	return c, nil
}

// Specs are the VRFs that are kept, as far as what they have in the kernel is found by it.
func (c *Carried) Specs() []vrf.Spec {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.kept)
}

// Keep has exactly those of specs kept that have something in the kernel for other PEs, or a VRF device
// that is made here, over a crash too. Equal ones are kept once.
func (c *Carried) Keep(specs []vrf.Spec) error {
	var is carriedFile
	var kept []vrf.Spec
	for i := range specs {
		s := carriedPart(&specs[i])
		if s.Carriage.Kind == 0 && !s.Makes.Made() || specs[i].VRF != "" || slices.ContainsFunc(kept, func(k vrf.Spec) bool { return SameCarried(&k, &s) }) {
			continue
		}
		kept = append(kept, s)
		to := &is.VRFs
		if s.Carriage.Kind == 0 {
			to = &is.Devices
		}
		*to = append(*to, carriedOf(&s))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.EqualFunc(kept, c.kept, func(a, b vrf.Spec) bool { return SameCarried(&a, &b) }) {
		return nil
	}
	if err := is.write(c.dir); err != nil {
		return fmt.Errorf("keeping what VRFs have in the kernel for other PEs, which has to go with them: %w", err)
	}
	c.kept = kept
	return nil
}

// SameCarried tells whether two VRFs have the same things in the kernel for other PEs.
func SameCarried(a, b *vrf.Spec) bool {
	x, y := carriedPart(a), carriedPart(b)
	return x.Name == y.Name && x.Binding == y.Binding && x.Protocol == y.Protocol && x.Carriage == y.Carriage && x.Makes.Table == y.Makes.Table
}

// carriedPart is what is kept of a VRF.
func carriedPart(s *vrf.Spec) vrf.Spec {
	is := &s.Carriage
	return vrf.Spec{Name: s.Name, Binding: s.Binding, Makes: rib.OwnDevice{Table: s.Makes.Table}, Protocol: s.Protocol, Carriage: rib.Carriage{
		Kind: is.Kind, Core: rib.Core{Netns: is.Core.Netns, VTEP: is.Core.VTEP}, VNI: is.VNI, Device: is.Device, Managed: is.Managed, Label: is.Label,
		SRv6:    rib.SRv6{SID: is.SRv6.SID, SID6: is.SRv6.SID6, Locator: is.SRv6.Locator, Link: is.SRv6.Link},
		Through: is.Through,
	}}
}

// carriedOf is a VRF in the file's shape.
func carriedOf(s *vrf.Spec) carriedVRF {
	is := &s.Carriage
	v := carriedVRF{
		Name: s.Name, Netns: s.Binding.Netns, Device: s.Binding.Device, Table: s.Binding.Table, Makes: s.Makes.Table, Protocol: s.Protocol,
		Encap: encapWord(is.Kind), Core: carriedCore{is.Core.Netns, is.Core.VTEP}, Label: is.Label, Link: is.SRv6.Link,
		VNI: is.VNI, VXLAN: is.Device, Managed: is.Managed,
	}
	for _, sid := range []netip.Addr{is.SRv6.SID, is.SRv6.SID6} {
		if sid.IsValid() {
			v.SIDs = append(v.SIDs, sid)
		}
	}
	if is.SRv6.Locator.IsValid() {
		v.Locator = &is.SRv6.Locator
	}
	if t := is.Through; t != (rib.Through{}) {
		v.Through = &carriedThrough{t.Device, t.Link, t.To.Table, t.To.Device}
	}
	return v
}

// spec is the VRF that the file tells of.
func (v *carriedVRF) spec() (vrf.Spec, error) {
	s := vrf.Spec{Name: v.Name, Binding: rib.Binding{Netns: v.Netns, Device: v.Device, Table: v.Table}, Makes: rib.OwnDevice{Table: v.Makes}, Protocol: v.Protocol}
	is := &s.Carriage
	for _, k := range []rib.EncapKind{rib.EncapMPLS, rib.EncapSRv6, rib.EncapVXLAN} {
		if k.Word() == v.Encap {
			is.Kind = k
		}
	}
	if is.Kind == 0 && (v.Encap != "" || !s.Makes.Made()) || v.Name == "" || v.Protocol == 0 || len(v.SIDs) > 2 {
		return s, fmt.Errorf("of VRF %q it does not say what this program reads", v.Name)
	}
	is.Core = rib.Core{Netns: v.Core.Netns, VTEP: v.Core.Source}
	is.VNI, is.Device, is.Managed, is.Label, is.SRv6.Link = v.VNI, v.VXLAN, v.Managed, v.Label, v.Link
	for i, sid := range v.SIDs {
		*[]*netip.Addr{&is.SRv6.SID, &is.SRv6.SID6}[i] = sid
	}
	if v.Locator != nil {
		is.SRv6.Locator = *v.Locator
	}
	if t := v.Through; t != nil {
		is.Through = rib.Through{Device: t.Device, Link: t.Link, To: rib.Binding{Netns: v.Core.Netns, Device: t.TableDevice, Table: t.Table}}
	}
	return s, nil
}

// write replaces the file so that a crash leaves the old one or the new one.
func (f carriedFile) write(dir string) error {
	f.Version = carriedVersion
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return writeState(dir, carriedName, append(data, '\n'), 0o640)
}
