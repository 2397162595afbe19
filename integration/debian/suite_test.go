package debian

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMirrorIsTheHosts(t *testing.T) {
	for targets, want := range map[string]string{
		"": publicMirror,
		"Debian Debian-Security http://a/debian-security/\nDebian Debian http://b/debian/\nDebian Debian http://c/\n": "http://b/debian",
		"Ubuntu Ubuntu http://d/ubuntu/\n": publicMirror,
		"http://e/debian/\n":               publicMirror, // nothing was fetched from it yet
	} {
		if got := mirrorIn(targets); got != want {
			t.Errorf("%q: %s, want %s", targets, got, want)
		}
	}
}

func TestPackageIsReadFromItsRecord(t *testing.T) {
	got := parse("linux-image-amd64", `Package: linux-image-amd64
Source: linux-signed-amd64 (7.2.13+1)
Version: 7.2.13-1
Depends: linux-base-amd64 (= 7.2.13-1), a | b, linux-image-7.2.13+deb14-amd64 (= 7.2.13-1)
Suggests: linux-image-other
`)
	want := []string{"linux-base-amd64", "a", "linux-image-7.2.13+deb14-amd64"}
	if got.Version != "7.2.13-1" || !slices.Equal(got.Depends, want) {
		t.Errorf("got %+v, want version 7.2.13-1 and %q", got, want)
	}
	if none := parse("x", "Package: x\n"); len(none.Depends) != 0 {
		t.Errorf("a package that depends on nothing: %+v", none)
	}
}

// TestUnreachedMirrorIsUnavailable: what cannot be had is told from what went wrong.
func TestUnreachedMirrorIsUnavailable(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\ncase \"$*\" in *indextargets*) exit 0 ;; esac\necho 'E: Could not resolve the mirror' >&2\nexit 100\n"
	for _, program := range []string{"apt-get", "apt-cache"} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte(fake), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	_, err := Open(t.Context(), t.TempDir(), "trixie")
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "trixie") {
		t.Errorf("Open: %v", err)
	}
	s := &Suite{Name: "trixie", dir: t.TempDir()}
	if _, err := s.Show(t.Context(), "frr"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Show: %v", err)
	}
	for name, get := range map[string]error{
		"Download":    s.Download(t.Context(), t.TempDir(), "frr"),
		"DownloadAll": s.DownloadAll(t.Context(), t.TempDir(), "frr"),
	} {
		if !errors.Is(get, ErrUnavailable) || !strings.Contains(get.Error(), "Could not resolve") {
			t.Errorf("%s: %v", name, get)
		}
	}
	if err := Unpack(t.Context(), t.TempDir(), t.TempDir()); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("a folder without packages: %v", err)
	}
}

func TestCacheIsFoundFromAnyPackage(t *testing.T) {
	module := t.TempDir()
	sub := filepath.Join(module, "a/b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(sub)
	if got, err := Cache("vm"); err != nil || got != filepath.Join(module, ".cache/vm") {
		t.Errorf("got %s, %v", got, err)
	}
}
