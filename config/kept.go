package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keptVersion is the version of the file that this program reads and writes.
const keptVersion = 1

// Kept is the configuration that was in force before a reload that nobody has
// confirmed. It is in the state directory from before such a reload until it is
// confirmed, or another one is applied: a start meanwhile takes it instead of the
// file.
type Kept struct {
	Version int    `json:"version"`
	File    string `json:"file"`
	Text    []byte `json:"text"` // of the file, as it was
	// Overlay is a result of Overlay.Snapshot; none: it is in force already.
	Overlay []byte `json:"overlay,omitempty"`
}

// ReadKept returns the configuration that is kept in dir; nil: none is.
func ReadKept(dir string) (*Kept, error) {
	file := filepath.Join(dir, keptName)
	data, _, err := readFile(file, mostKept)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of before an unconfirmed reload: %w; remove it to start with the configuration file", err)
	}
	k := new(Kept)
	if err = json.Unmarshal(data, k); err == nil && k.Version != keptVersion {
		err = fmt.Errorf("it has version %d, and this program reads version %d", k.Version, keptVersion)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which holds the configuration of before an unconfirmed reload, is damaged: %w; remove it to start with the configuration file", file, err)
	}
	return k, nil
}

// Write keeps k in dir, over a crash too. The file may hold secrets, and is its
// owner's alone.
func (k Kept) Write(dir string) error {
	k.Version = keptVersion
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return writeState(dir, keptName, data, 0o600)
}

// RemoveKept removes the configuration that is kept in dir; that none is, is no error.
func RemoveKept(dir string) error {
	err := os.Remove(filepath.Join(dir, keptName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// Snapshot returns all settings made at run time, for Restore.
func (o *Overlay) Snapshot() ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return encodeOverlay(o.vrfs)
}

// Restore makes the overlay what it was at a Snapshot. After an error it is as
// it was before the call.
func (o *Overlay) Restore(snapshot []byte) error {
	vrfs, err := decodeOverlay(snapshot)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.write(vrfs); err != nil {
		return err
	}
	o.vrfs = vrfs
	return nil
}
