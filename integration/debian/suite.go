// Package debian gets packages of Debian's suites into folders. Nothing of them is
// installed, and the host's own package lists stay as they are; apt checks every
// signature, as it does for the host.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrUnavailable says that this machine cannot have a package: its mirror is not
// reached or does not offer it, or there is no apt here. Whoever can do without goes
// on, and says so.
var ErrUnavailable = errors.New("it cannot be had here")

const (
	// Keyring signs Debian's suites; the package KeyringPackage has it.
	Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	// KeyringPackage is Debian's package that has Keyring.
	KeyringPackage = "debian-archive-keyring"

	publicMirror = "http://deb.debian.org/debian"
	// fresh is how long a suite's lists are taken as they are.
	fresh = time.Hour
)

// Suite is one of Debian's releases, "trixie" or "sid", with package lists of its own.
type Suite struct {
	Name string
	dir  string // apt's state for this suite alone
}

// Open reads a suite's package lists into a folder of that suite below dir.
func Open(ctx context.Context, dir, name string) (*Suite, error) {
	s := &Suite{Name: name, dir: filepath.Join(dir, name)}
	if st, err := os.Stat(s.stamp()); err == nil && time.Since(st.ModTime()) < fresh {
		return s, nil
	}
	if _, err := os.Stat(Keyring); err != nil {
		return nil, fmt.Errorf("check the signatures of Debian's %s: %w: %w; install %s", name, ErrUnavailable, err, KeyringPackage)
	}
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("make room for the lists of Debian's %s: %w", name, err)
		}
	}
	source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", Keyring, mirror(ctx), name)
	for file, text := range map[string]string{s.file("sources.list"): source, s.file("status"): ""} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("set apt up for Debian's %s: %w", name, err)
		}
	}
	// Without Error-Mode a mirror that is not reached is a warning.
	if err := s.apt(ctx, "", "update", "-o", "APT::Update::Error-Mode=any"); err != nil {
		return nil, fmt.Errorf("read the lists of Debian's %s: %w: %w", name, ErrUnavailable, err)
	}
	return s, os.WriteFile(s.stamp(), nil, 0o644)
}

func (s *Suite) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Suite) stamp() string { return s.file("updated") }

// options keep apt to this suite and its folder: the host's sources, pins, default
// release and installed packages count for nothing. How the host reaches a network
// (its proxy) does.
func (s *Suite) options() []string {
	var args []string
	for _, option := range []string{
		"Dir::Etc::sourcelist=" + s.file("sources.list"), "Dir::Etc::sourceparts=/dev/null",
		"Dir::Etc::preferences=/dev/null", "Dir::Etc::preferencesparts=/dev/null", "APT::Default-Release=",
		"Dir::State=" + s.dir, "Dir::State::status=" + s.file("status"), "Dir::State::lists=" + s.file("lists"),
		"Dir::Cache=" + s.dir, "APT::Architecture=amd64", "APT::Architectures=amd64",
		"Acquire::Languages=none", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"APT::Install-Recommends=false", "APT::Sandbox::User=root",
	} {
		args = append(args, "-o", option)
	}
	return args
}

func (s *Suite) apt(ctx context.Context, dir string, args ...string) error {
	return Run(ctx, dir, "apt-get", slices.Concat([]string{"-q"}, s.options(), args)...)
}

// Package is what a suite says of one of its packages.
type Package struct {
	Name, Version string
	Depends       []string // names of packages; of alternatives the first
}

// Show looks a package up.
func (s *Suite) Show(ctx context.Context, name string) (Package, error) {
	out, err := output(ctx, "apt-cache", slices.Concat(s.options(), []string{"show", "--no-all-versions", name})...)
	if err != nil {
		return Package{}, fmt.Errorf("look up %s in Debian's %s: %w: %w", name, s.Name, ErrUnavailable, err)
	}
	return parse(name, out), nil
}

// parse reads a record of apt-cache.
func parse(name, record string) Package {
	p := Package{Name: name}
	for line := range strings.Lines(record) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "Version":
			p.Version = strings.TrimSpace(value)
		case "Depends":
			for entry := range strings.SplitSeq(value, ",") {
				if words := strings.Fields(entry); len(words) > 0 {
					p.Depends = append(p.Depends, words[0])
				}
			}
		}
	}
	return p
}

// Download puts the files of these packages, and of none that they need, into a folder.
func (s *Suite) Download(ctx context.Context, into string, packages ...string) error {
	if err := s.apt(ctx, into, append([]string{"download"}, packages...)...); err != nil {
		return fmt.Errorf("fetch %s of Debian's %s: %w: %w", strings.Join(packages, ", "), s.Name, ErrUnavailable, err)
	}
	return nil
}

// DownloadAll puts the files of these packages, and of all that they need on an empty
// machine, into a folder.
func (s *Suite) DownloadAll(ctx context.Context, into string, packages ...string) error {
	if err := os.MkdirAll(filepath.Join(into, "partial"), 0o755); err != nil {
		return err
	}
	args := append([]string{"-y", "-o", "Dir::Cache::archives=" + into, "--download-only", "install"}, packages...)
	if err := s.apt(ctx, "", args...); err != nil {
		return fmt.Errorf("fetch %s and what they need of Debian's %s: %w: %w", strings.Join(packages, ", "), s.Name, ErrUnavailable, err)
	}
	return nil
}

// Unpack unpacks all packages that lie in a folder into a tree.
func Unpack(ctx context.Context, from, tree string) error {
	debs, err := filepath.Glob(filepath.Join(from, "*.deb"))
	if err != nil {
		return err
	}
	if len(debs) == 0 {
		return fmt.Errorf("no package came into %s", from)
	}
	for _, deb := range debs {
		if err := Run(ctx, "", "dpkg-deb", "-x", deb, tree); err != nil {
			return err
		}
	}
	return nil
}

// mirror is where the host's own apt has Debian from, and the public one where it has
// none.
func mirror(ctx context.Context) string {
	out, err := output(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return publicMirror
	}
	return mirrorIn(out)
}

func mirrorIn(targets string) string {
	for line := range strings.Lines(targets) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "Debian" && words[1] == "Debian" {
			return strings.TrimSuffix(words[2], "/")
		}
	}
	return publicMirror
}
