package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// profiled writes a CPU profile of do to file, where one is named: for those who
// work on the daemon, and for profile-guided optimisation.
func profiled(file string, do func() error) error {
	if file == "" {
		return do()
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("--cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(fmt.Errorf("--cpuprofile: %w", err), f.Close())
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
