package gobgp3

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// outgoing has each of GoBGP's VRFs have what its routes go out to other PEs with: the marks of the
// configuration (sendmark.go), and its label. GoBGP puts a VRF's label on whatever comes from its
// neighbours and from clients of the API, and we do so with what it announces; it has no other way
// in for one than its zebra client. A VRF that is carried by MPLS or SRv6 is deaf, so that other
// PEs are told of none of its routes, until its worker says by what it takes packets: what a PE is
// told of it sends packets for. So they are told of the label or SIDs that the worker says, which are
// those of an earlier configuration until the ones of now lead anywhere.
type outgoing struct {
	*loop
	changes *changes
	// services is told of the SRv6 services of a configuration before any route has their marks.
	services func(*conf.Config)
	wake     chan struct{} // signalled when a VRF is to go out with something else

	mu    sync.Mutex
	conf  *conf.Config           // guarded by mu; the one that is in force, or about to be
	by    map[string]dress       // guarded by mu; of that, as workers said
	known bool                   // guarded by mu; the policies that are in force know its marks
	hears map[string]rib.Carried // guarded by mu; by what workers said that VRFs take packets
	due   map[string]func()      // guarded by mu; VRFs of which that was said, and what is called once PEs have been told
	turns int                    // guarded by mu; those that are under way
	late  map[string]bool        // of a turn: VRFs that go out otherwise, of which PEs could not be told

	// The loop's own.
	seen   map[string]*bgpVRF // GoBGP's VRFs
	labels map[string]uint32  // those that were given to them here
	// held are the export targets of VRFs whose marks nobody knows yet.
	held map[string][]bgp.ExtendedCommunityInterface
}

// dress is what GoBGP has of a VRF so that its routes go out right.
type dress struct {
	by    rib.Carried // by MPLS or SRv6: it is deaf until its worker says otherwise; the zero one: by neither
	label uint32      // 0: none of ours
	marks []rib.RT
}

// listens tells whether it is deaf until its worker says otherwise.
func (d *dress) listens() bool { return d.by.Kind != 0 }

func newOutgoing(of *changes) *outgoing {
	return &outgoing{
		loop: of.loop, changes: of, services: func(*conf.Config) {}, wake: make(chan struct{}, 1),
		hears: make(map[string]rib.Carried), due: make(map[string]func()), late: make(map[string]bool),
		seen: make(map[string]*bgpVRF), labels: make(map[string]uint32), held: make(map[string][]bgp.ExtendedCommunityInterface),
	}
}

// expect brings a configuration about. known says that the policies by which neighbours are told
// know its marks: then a VRF that is made gets them before anything is in it.
func (o *outgoing) expect(c *conf.Config, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conf, o.known = c, known
	was := o.hears
	o.hears = make(map[string]rib.Carried, len(was))
	for i := range c.VRFs { // one that comes back has another worker
		if by, is := was[c.VRFs[i].Name]; is {
			o.hears[c.VRFs[i].Name] = by
		}
	}
	o.renew()
}

// renew takes over by what workers said that VRFs take packets. The caller holds mu.
func (o *outgoing) renew() {
	c := o.heeding(o.conf)
	o.services(c)
	o.by = dressesOf(c)
}

// heeding is a configuration with the labels and SIDs by which VRFs take packets, where these are
// others than it has. The caller holds mu.
func (o *outgoing) heeding(c *conf.Config) *conf.Config {
	var vrfs []speaker.VRF
	for i := range c.VRFs {
		v := &c.VRFs[i]
		said := o.hears[v.Name]
		if !v.ByLabel() || !v.Carried.Numbered() || said.Kind != v.Carried.Kind || v.Carried.ByNumberOf(said) == *v.Carried {
			continue
		}
		if vrfs == nil {
			vrfs = slices.Clone(c.VRFs)
		}
		by := v.Carried.ByNumberOf(said)
		vrfs[i].Carried = &by
	}
	if vrfs == nil {
		return c
	}
	heeds := *c
	heeds.VRFs = vrfs
	return &heeds
}

// dressesOf are those of a configuration, by VRF.
func dressesOf(c *conf.Config) map[string]dress {
	by := make(map[string]dress, len(c.VRFs))
	marks := c.Marks()
	for i := range c.VRFs {
		v := &c.VRFs[i]
		d := dress{marks: marks[v.Name]}
		if v.ByLabel() {
			d.label, d.by = labelOf(v.Carried), *v.Carried
		}
		by[v.Name] = d
	}
	return by
}

// dress is that of a VRF now.
func (o *outgoing) dress(vrf string) dress {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asHeard(vrf, o.by[vrf])
}

// dresses are those of a configuration that would be in force, by VRF. One that comes to be carried, or
// by something else, is taken for one that takes packets by that: soon it does. One that takes none now
// goes on so.
func (o *outgoing) dresses(c *conf.Config) map[string]dress {
	by := dressesOf(c)
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, d := range by {
		if was := o.by[name]; d.listens() && was.by.Numbered() && o.isDeaf(name, &was) {
			by[name] = d.deafened()
		}
	}
	return by
}

// asHeard is a VRF's dress with the mark of one that is deaf, where it is. The caller holds mu.
func (o *outgoing) asHeard(vrf string, d dress) dress {
	if o.isDeaf(vrf, &d) {
		return d.deafened()
	}
	return d
}

// isDeaf tells whether a VRF that goes out with a dress takes no packets so, as far as its worker has
// said. The caller holds mu.
func (o *outgoing) isDeaf(vrf string, d *dress) bool {
	return d.listens() && o.hears[vrf].Kind != d.by.Kind
}

// deafened is a dress with the mark of a VRF that takes no packets.
func (d dress) deafened() dress {
	if !slices.Contains(d.marks, rib.DeafMark) {
		d.marks = append(slices.Clip(d.marks), rib.DeafMark)
	}
	return d
}

// after is called in the loop at the end of each of its operations: a VRF that was made in it gets
// what it is to have before anything comes into it.
func (o *outgoing) after() {
	if o.server() == nil || o.rib() == nil || len(o.rib().Vrfs) == len(o.seen) {
		return // GoBGP makes or deletes one VRF in an operation
	}
	was := o.seen
	o.seen = maps.Clone(o.rib().Vrfs)
	o.mu.Lock()
	known := o.known
	o.mu.Unlock()
	for name, v := range o.seen {
		if was[name] == v {
			continue
		}
		delete(o.labels, name)
		delete(o.held, name)
		d := o.dress(name)
		switch {
		case known:
			v.mark(d.marks, false)
		case slices.ContainsFunc(d.marks, rib.IsCarriageMark):
			// Until they are known nothing of it may lead anywhere: it has a target that nobody imports.
			o.held[name], v.ExportRt = v.ExportRt, []bgp.ExtendedCommunityInterface{sendMark(rib.DeafMark)}
		}
		o.label(name, v, d.label)
	}
}

// label gives a VRF a label, or takes back the one that it was given, and tells whether it had
// another one. A label of GoBGP's zebra client stays where none is to be given.
func (o *outgoing) label(name string, v *bgpVRF, label uint32) (changed bool) {
	if v.MplsLabel == label || label == 0 && o.labels[name] != v.MplsLabel {
		return false
	}
	if v.MplsLabel = label; label == 0 {
		delete(o.labels, name)
	} else {
		o.labels[name] = label
	}
	return true
}

// put gives a VRF what it lacks; with off it takes away what is not of its dress. One that is
// carried otherwise than before, and goes on to be carried, gets all of it at once: in between it
// would go out plainly.
func (o *outgoing) put(name string, v *bgpVRF, off bool) (changed bool) {
	d := o.dress(name)
	if targets, held := o.held[name]; held && !off {
		v.ExportRt, changed = targets, true
		delete(o.held, name)
	}
	changed = v.mark(d.marks, off) || changed
	if off == (d.label == 0 && !slices.ContainsFunc(d.marks, rib.IsCarriageMark)) {
		changed = o.label(name, v, d.label) || changed
	}
	return changed
}

// mark is put for all of GoBGP's VRFs, by a configuration. It returns those that it changed.
func (o *outgoing) mark(c *conf.Config, off bool) (changed map[string]bool, err error) {
	o.expect(c, true)
	changed = make(map[string]bool)
	err = o.inLoop(func() error {
		for name, v := range o.rib().Vrfs {
			changed[name] = o.put(name, v, off)
		}
		return nil
	})
	maps.DeleteFunc(changed, func(_ string, is bool) bool { return !is })
	return changed, err
}

// remark has VRFs get the marks and labels of a configuration, and what they announce and what
// their neighbours sent have them. announce announces again what originates here.
func remark(o *outgoing, of *conf.Config, off bool, announce func() error) error {
	changed, err := o.mark(of, off)
	if err != nil || len(changed) == 0 {
		return err
	}
	return again(o.changes, changed, announce)
}

// unlabelled calls del, which has GoBGP delete a VRF, without the label that it was given: GoBGP
// gives one back to its zebra client, without which it panics. Nobody else may change VRFs and
// neighbours meanwhile.
func (o *outgoing) unlabelled(name string, del func() error) error {
	label := uint32(0)
	if err := o.inLoop(func() error {
		v := o.rib().Vrfs[name]
		if v == nil || o.labels[name] != v.MplsLabel {
			return nil
		}
		for _, p := range o.peers() {
			if p.vrf() == name {
				return nil // GoBGP deletes no VRF that has neighbours, and their routes need the label
			}
		}
		label, v.MplsLabel = v.MplsLabel, 0
		return nil
	}); err != nil {
		return err
	}
	err := del()
	if err != nil && label != 0 {
		return errors.Join(err, o.inLoop(func() error {
			if v := o.rib().Vrfs[name]; v != nil {
				v.MplsLabel = label
			}
			return nil
		}))
	}
	return err
}
