package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// The types below are the file's shape.

type overlayFile struct {
	Version int                    `json:"version"`
	VRFs    map[string]overlayVRFs `json:"vrfs"`
}

type overlayVRFs struct {
	Import *overlayEntry `json:"import,omitempty"`
	Export *overlayEntry `json:"export,omitempty"`
}

type overlayEntry struct {
	Enabled            bool     `json:"enabled"`
	InterfaceList      []string `json:"interface_list,omitempty"`
	Community          string   `json:"community,omitempty"`
	CommunityList      []string `json:"community_list,omitempty"`
	LargeCommunityList []string `json:"large_community_list,omitempty"`
	OverGeneration     uint64   `json:"over_generation,omitempty"`
}

func encodeOverlay(vrfs map[string]overlaid) ([]byte, error) {
	file := overlayFile{overlayVersion, make(map[string]overlayVRFs, len(vrfs))}
	for name, v := range vrfs {
		file.VRFs[name] = overlayVRFs{v.imp.entry(), v.exp.entry()}
	}
	data, err := json.MarshalIndent(file, "", "  ")
	return append(data, '\n'), err
}

func (r *Redistribution) entry() *overlayEntry {
	if r == nil {
		return nil
	}
	e := &overlayEntry{Enabled: r.Enabled, InterfaceList: r.Interfaces, OverGeneration: r.Over}
	for _, c := range r.Community {
		e.Community = c.String()
	}
	for _, c := range r.CommunityList {
		e.CommunityList = append(e.CommunityList, c.String())
	}
	for _, c := range r.LargeCommunities {
		e.LargeCommunityList = append(e.LargeCommunityList, c.String())
	}
	return e
}

func decodeOverlay(data []byte) (map[string]overlaid, error) {
	var file overlayFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	if file.Version != overlayVersion {
		return nil, fmt.Errorf("it has version %d, and this program reads version %d", file.Version, overlayVersion)
	}
	vrfs := make(map[string]overlaid, len(file.VRFs))
	for name, v := range file.VRFs {
		imp, err := v.Import.redistribution(vrf.Import)
		if err != nil {
			return nil, fmt.Errorf("import of VRF %q: %w", name, err)
		}
		exp, err := v.Export.redistribution(vrf.Export)
		if err != nil {
			return nil, fmt.Errorf("export of VRF %q: %w", name, err)
		}
		vrfs[name] = overlaid{imp, exp}
	}
	return vrfs, nil
}

func (e *overlayEntry) redistribution(d vrf.Direction) (*Redistribution, error) {
	if e == nil {
		return nil, nil
	}
	r := &Redistribution{Enabled: e.Enabled, Interfaces: e.InterfaceList, Over: e.OverGeneration}
	if e.Community != "" {
		c, err := rib.ParseCommunity(e.Community)
		if err != nil {
			return nil, err
		}
		r.Community = []rib.Community{c}
	}
	for _, s := range e.CommunityList {
		c, err := rib.ParseCommunity(s)
		if err != nil {
			return nil, err
		}
		r.CommunityList = append(r.CommunityList, c)
	}
	for _, s := range e.LargeCommunityList {
		c, err := rib.ParseLargeCommunity(s)
		if err != nil {
			return nil, err
		}
		r.LargeCommunities = append(r.LargeCommunities, c)
	}
	return r, r.check(d)
}
