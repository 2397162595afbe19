package config

import (
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// holder is a VRF of the file, or one that was applied, as far as tenants have to make room for it.
type holder struct {
	name, netns, device, rd string
	applied                 bool // not the file, but the API has it
}

// file tells whether the file has the VRF.
func (h *holder) file() bool { return !h.applied }

// netspace is a network namespace, whatever its names are.
type netspace struct{ dev, inode uint64 }

// namespaceOf is that of a sight; false: it is none, or which one is not known.
func namespaceOf(s *Sight) (netspace, bool) {
	return netspace{s.Dev, s.Inode}, !s.Device && s.Inode != 0
}

// takings are the tenants that templates have taken. There may be thousands.
type takings struct {
	names  map[string]bool
	spaces map[netspace]bool
}

func newTakings() takings { return takings{make(map[string]bool), make(map[netspace]bool)} }

// take takes a tenant; false: it was taken, by this name or another one.
func (t takings) take(s *Sight) bool {
	space, is := namespaceOf(s)
	if t.names[s.Name] || is && t.spaces[space] {
		return false
	}
	t.names[s.Name] = true
	if is {
		t.spaces[space] = true
	}
	return true
}

// holdings are what VRFs of the file and of the API have, by which tenants make room for them.
type holdings struct {
	file    map[string]bool // the names of the file's VRFs
	devices map[string]holding
	netns   map[rib.Binding]holding // by the one spelling of a namespace
	spaces  map[netspace]holding
}

// holding is which VRFs have something: the first one, and whether there are others.
type holding struct {
	name string
	more bool
}

func hold[K comparable](to map[K]holding, key K, name string) {
	h, there := to[key]
	switch {
	case !there:
		to[key] = holding{name: name}
	case h.name != name:
		to[key] = holding{h.name, true}
	}
}

// besides tells whether a VRF of another name has it.
func (h holding) besides(name string) bool { return h.more || h.name != "" && h.name != name }

// oneSpelling is a namespace in one spelling.
func oneSpelling(netns string) rib.Binding { return rib.Binding{Netns: netns}.Canonical() }

// heldBy are what VRFs have of what there is.
func heldBy(holders []holder, sights []Sight) holdings {
	h := holdings{make(map[string]bool), make(map[string]holding), make(map[rib.Binding]holding), make(map[netspace]holding)}
	for i := range holders {
		is := &holders[i]
		if is.file() {
			h.file[is.name] = true
		}
		switch {
		case is.netns != "":
			hold(h.netns, oneSpelling(is.netns), is.name)
		case is.device != "":
			hold(h.devices, is.device, is.name)
		}
	}
	for i := range sights {
		s := &sights[i]
		space, known := namespaceOf(s)
		by, is := h.netns[oneSpelling(s.Name)]
		if !known || !is {
			continue
		}
		hold(h.spaces, space, by.name)
		if by.more {
			h.spaces[space] = holding{by.name, true}
		}
	}
	return h
}

// has tells whether a VRF of the file or of the API has the name of a tenant, or is bound to what it is.
func (h holdings) has(s *Sight) bool {
	if s.Name == vrf.Default || h.file[s.Name] {
		return true
	}
	if s.Device {
		return h.devices[s.Name].besides(s.Name)
	}
	space, known := namespaceOf(s)
	return h.netns[oneSpelling(s.Name)].besides(s.Name) || known && h.spaces[space].besides(s.Name)
}
