package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// Tests is the part of testing.M that counts here.
type Tests interface{ Run() int }

// Exit ends a TestMain: it exits as play says, and prints an error under the name
// of the package.
func Exit(name string, play func() (int, error)) {
	code, err := play()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		code = 1
	}
	os.Exit(code)
}

// Play builds the program, sweeps what earlier runs left, and has the tests run and
// judged. Without root it has them say why they do not run.
func (r *Run) Play(m Tests) (code int, err error) {
	if os.Geteuid() != 0 {
		return m.Run(), nil
	}
	built := r.Later()
	if err := built.Build(); err != nil {
		return 0, errors.Join(err, built.remove())
	}
	return built.Play(m)
}

// Later is a run whose program is built when the first test that can run asks for
// it: most machines can run none of them.
type Later struct {
	run *Run
	dir string
	// Build builds the program, once, and sweeps what earlier runs left.
	Build func() error
}

// Later returns r as a run that is built later.
func (r *Run) Later() *Later {
	l := &Later{run: r}
	l.Build = sync.OnceValue(func() (err error) {
		if l.dir, err = os.MkdirTemp("", "vrbin"); err != nil {
			return fmt.Errorf("make a directory for the program under test: %w", err)
		}
		return errors.Join(r.Build(l.dir), SweepLeftovers())
	})
	return l
}

// Play has the tests run, and judged.
func (l *Later) Play(m Tests) (int, error) {
	code := m.Run()
	return code, errors.Join(l.remove(), l.run.Judge())
}

func (l *Later) remove() error {
	if l.dir == "" {
		return nil
	}
	return os.RemoveAll(l.dir)
}
