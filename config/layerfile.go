package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// layersVersion is the version of the file that this program reads and writes.
const layersVersion = 1

// LayerFile keeps layers in the state directory. It is one file, written anew for each change and
// put in place by a rename: a kill at any instant leaves a change wholly in it or not at all.
type LayerFile struct{ dir string }

// OpenLayers reads the layers in dir. What cannot be read is an error: to start without it would
// end tenants of whom nobody said so.
func OpenLayers(dir string) (*LayerFile, *Layers, error) {
	sweepHalfWritten(dir)
	file := filepath.Join(dir, layersName)
	data, _, err := readFile(file, mostOverlay)
	if errors.Is(err, fs.ErrNotExist) {
		return &LayerFile{dir}, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading what was applied over the API: %w; run vrfredist as a user that may read it, or keep the state elsewhere with --state-dir", err)
	}
	l, err := decodeLayers(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s, which holds what was applied over the API, is damaged: %w; correct it, or remove it to go back to the configuration file", file, err)
	}
	return &LayerFile{dir}, l, nil
}

// Write keeps layers in the place of those that are kept. The file may hold passwords, and is its
// owner's alone.
func (f *LayerFile) Write(l *Layers) error {
	data, err := encodeLayers(l)
	if err != nil {
		return err
	}
	if err := writeState(f.dir, layersName, data, 0o600); err != nil {
		return fmt.Errorf("keeping what was applied over the API: %w", err)
	}
	return nil
}

// The types below are the file's shape.

type layersFile struct {
	Version    int         `json:"version"`
	Generation uint64      `json:"generation"`
	VRFs       []keptLayer `json:"vrfs,omitempty"`
	Neighbors  []keptLayer `json:"neighbors,omitempty"`
}

type keptLayer struct {
	Name       string          `json:"name"`
	Section    json.RawMessage `json:"section"`
	Fields     []string        `json:"fields,omitempty"`
	Generation uint64          `json:"generation"`
	Imports    uint64          `json:"imports,omitempty"`
	Exports    uint64          `json:"exports,omitempty"`
	Owner      string          `json:"owner,omitempty"`
	Changed    time.Time       `json:"changed"`
}

func encodeLayers(l *Layers) ([]byte, error) {
	file := layersFile{Version: layersVersion}
	if l != nil {
		file.Generation = l.Generation
	}
	for _, key := range l.Keys() {
		layer, _ := l.Get(key)
		kept := keptLayer{key.Name, layer.Section, layer.Fields, layer.Generation, layer.Imports, layer.Exports, layer.Owner, layer.Changed}
		if key.Neighbor {
			file.Neighbors = append(file.Neighbors, kept)
		} else {
			file.VRFs = append(file.VRFs, kept)
		}
	}
	data, err := json.Marshal(file)
	return append(data, '\n'), err
}

func decodeLayers(data []byte) (*Layers, error) {
	var file layersFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	if file.Version != layersVersion {
		return nil, fmt.Errorf("it has version %d, and this program reads version %d", file.Version, layersVersion)
	}
	l := &Layers{Generation: file.Generation}
	for i, kept := range slices.Concat(file.VRFs, file.Neighbors) {
		key := vrf.LayerKey{Neighbor: i >= len(file.VRFs), Name: kept.Name}
		if _, twice := l.of.get(key); twice || kept.Name == "" {
			return nil, fmt.Errorf("%s is in it twice, or has no name", key)
		}
		if kept.Generation > file.Generation {
			return nil, fmt.Errorf("%s is of generation %d, and the whole of %d", key, kept.Generation, file.Generation)
		}
		layer := Layer{kept.Section, kept.Fields, kept.Generation, kept.Imports, kept.Exports, kept.Owner, kept.Changed, nil}
		l.of.put(key, layer.read())
	}
	return l, nil
}
