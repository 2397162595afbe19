package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// The files of the state directory (--state-dir).
const (
	overlayName = "redistribution.json" // of Overlay
	keptName    = "confirmed.json"      // of Kept
	numbersName = "numbers.json"        // of Numbers
	carriedName = "carried.json"        // of Carried
	layersName  = "applied.json"        // of LayerFile
	stopsName   = "disabled.json"       // of Stops
	tenantsName = "tenants.json"        // of TenantIDs
)

// writeState replaces a file of the state directory so that a crash leaves the old one or the new one.
func writeState(dir, name string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, name), data, mode, renameio.WithTempDir(dir), renameio.WithStaticPermissions(mode)); err != nil {
		return err
	}
	return syncDir(dir)
}

// sweepHalfWritten removes files that a crash left in the state directory in the middle of
// a write: renameio writes to a file with a dot before the name and digits behind it.
// A file that cannot be removed is tried again at the next start.
func sweepHalfWritten(dir string) {
	for _, name := range []string{overlayName, keptName, numbersName, carriedName, layersName, stopsName, tenantsName} {
		left, err := filepath.Glob(filepath.Join(dir, "."+name+"[0-9]*"))
		if err != nil {
			continue // the directory's name is no pattern
		}
		for _, file := range left {
			if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > halfWrittenAge {
				_ = os.Remove(file)
			}
		}
	}
}

// syncDir makes a rename last: renameio syncs the file, not its directory.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
