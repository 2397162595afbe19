package peers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHostsProgramsAreStartedAsTheyAre(t *testing.T) {
	for program, want := range map[string]string{
		"bird":               "bird -f",
		"vtysh":              "vtysh -f",
		"bgpd":               "/usr/lib/frr/bgpd -f",
		frrFolder + "/zebra": "/usr/lib/frr/zebra -f",
	} {
		if got := strings.Join(Host().Command(program, "-f"), " "); got != want {
			t.Errorf("%s: %q, want %q", program, got, want)
		}
	}
}

// TestNewestProgramsHaveTheirOwnLibraries, and FRR's daemons the models of their own version.
func TestNewestProgramsHaveTheirOwnLibraries(t *testing.T) {
	p := Programs{root: "/c/newest"}
	const libraries = "/c/newest/usr/lib/x86_64-linux-gnu"
	for program, want := range map[string]string{
		"birdc": "--library-path " + libraries + ":" + libraries + "/frr:" + libraries + "/systemd /c/newest/usr/sbin/birdc show status",
		"bgpd":  "/c/newest/usr/lib64/ld-linux-x86-64.so.2 --argv0 bgpd",
	} {
		line := strings.Join(p.Command(program, "show", "status"), " ")
		if !strings.Contains(line, want) {
			t.Errorf("%s: no %q in %q", program, want, line)
		}
		if models := strings.Contains(line, "usr/share"); models != (program == "bgpd") {
			t.Errorf("%s: %q", program, line)
		}
	}
	if err := p.Lacks("bird"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestMissingProgramsSayHowToHaveThem(t *testing.T) {
	if _, err := newestIn(t.TempDir()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make peers") {
		t.Errorf("%v", err)
	}
	cache := t.TempDir()
	if err := os.Mkdir(filepath.Join(cache, "newest"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := newestIn(cache); err != nil || p == Host() {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestChoiceOfPrograms(t *testing.T) {
	for _, choice := range []string{"", "host"} {
		t.Setenv(Env, choice)
		if p, err := Chosen(); err != nil || p != Host() {
			t.Errorf("%s=%q: %+v, %v", Env, choice, p, err)
		}
	}
	t.Setenv(Env, "FRR 10")
	if _, err := Chosen(); err == nil || !strings.Contains(err.Error(), Env) {
		t.Errorf("%v", err)
	}
	for program, is := range map[string]bool{"bird": true, "/usr/lib/frr/bgpd": true, "gobgp": false, "ip": false} {
		if Has(program) != is {
			t.Errorf("%s is a peer's: %v", program, !is)
		}
	}
}

// TestVersionIsWhatTheProgramSays: the number alone, whatever is about it.
func TestVersionIsWhatTheProgramSays(t *testing.T) {
	bin := t.TempDir()
	for said, want := range map[string]string{
		"echo 'BIRD version 3.4.0' >&2":               "3.4.0",
		"echo 'BIRD 2.0.12'":                          "2.0.12",
		"echo 'bgpd version 10.7.1'; echo since 1996": "10.7.1",
		"echo nothing":                                "",
		"exit 1":                                      "",
	} {
		if err := os.WriteFile(filepath.Join(bin, "bird"), []byte("#!/bin/sh\n"+said+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":/bin")
		if got, err := Host().Version("bird"); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", said, got, err, want)
		}
	}
}
