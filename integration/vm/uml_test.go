package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLoaderOfItsOwnFolder: a program is loaded by what lies in its working folder, and by nothing
// where that is not there.
func TestLoaderOfItsOwnFolder(t *testing.T) {
	const host = "/lib64/ld-linux-x86-64.so.2"
	program, err := os.ReadFile("/bin/true")
	if _, loader := os.Stat(host); err != nil || loader != nil {
		t.Skipf("no program of this processor's to try: %v, %v", err, loader)
	}
	if err := loadedFromHere(program); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "true"), program, 0o700); err != nil {
		t.Fatal(err)
	}
	start := func() error {
		cmd := exec.Command("./true")
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := start(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its loader: %v", err)
	}
	if err := os.Symlink(host, filepath.Join(dir, umlLoader)); err != nil {
		t.Fatal(err)
	}
	if err := start(); err != nil {
		t.Error(err)
	}
	if err := loadedFromHere(fakeKernel); err == nil {
		t.Error("what is no program was taken for one")
	}
}

// TestRestartIsAnEnd: user-mode Linux restarts by running what its first argument names.
func TestRestartIsAnEnd(t *testing.T) {
	args := umlArgs("2G", 17)
	if _, err := exec.LookPath(args[0]); err == nil {
		t.Errorf("there is a program %s", args[0])
	}
	if !slices.Contains(args[1:], machineName(17)) {
		t.Errorf("a list of processes does not say whose machine it is: %v", args)
	}
}

// TestRefusedMachine: where user-mode Linux was tried in vain, whoever asks for it gets QEMU, and is
// told why; where it was not tried, or runs, he gets it.
func TestRefusedMachine(t *testing.T) {
	o := options{cache: t.TempDir(), machine: umlName, kernel: "6.12"}
	if of, note, err := chosen(o); of.name != umlName || note != "" || err != nil {
		t.Errorf("%s, %q, %v", of.name, note, err)
	}
	write(t, refusalPath(o.cache, "6.12"), "it panics\nThe machine's console:\nall of it")
	of, note, err := chosen(o)
	if of.name != qemuName || !strings.HasSuffix(note, "it panics") || err != nil {
		t.Errorf("%s, %q, %v", of.name, note, err)
	}
	o.kernel = "6.1" // of which nothing is known
	if of, note, err := chosen(o); of.name != umlName || note != "" || err != nil {
		t.Errorf("%s, %q, %v", of.name, note, err)
	}
	o.machine = "xen"
	if _, _, err := chosen(o); err == nil {
		t.Error("xen was taken")
	}
}

func TestTestsThatTellAreTold(t *testing.T) {
	for line, tells := range map[string]bool{
		"uname -v": false, "x.test": false, "x.test -test.v=false": false,
		"x.test -test.v": true, "x.test -test.v=true": true, "x.test -test.timeout=1s -test.v=test2json": true,
	} {
		if verboseTest(strings.Fields(line)) != tells {
			t.Errorf("%s: not %v", line, tells)
		}
	}
}
