package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/pprof/profile"
)

// anonymous takes out of a profile where on this machine the program lay: it is
// committed, for profile-guided optimisation.
func anonymous(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	p, err := profile.Parse(f)
	if err := f.Close(); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("read the profile %s: %w", file, err)
	}
	for _, m := range p.Mapping {
		m.File, m.BuildID = filepath.Base(m.File), ""
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := p.Write(out); err != nil {
		_ = out.Close() // the write's error says more
		return err
	}
	return out.Close()
}
