package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestArchiveIsWhatTheKernelReads(t *testing.T) {
	var b bytes.Buffer
	a := archive{to: &b}
	a.dir("dev")
	a.file("init", 0o755, []byte("hello"))
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	zeros := func(n int) string { return strings.Repeat("00000000", n) }
	want := "070701" + "00000001" + "000041ed" + zeros(2) + "00000001" + zeros(1) + "00000000" + zeros(4) + "00000004" + zeros(1) + "dev\x00" + "\x00\x00" +
		"070701" + "00000002" + "000081ed" + zeros(2) + "00000001" + zeros(1) + "00000005" + zeros(4) + "00000005" + zeros(1) + "init\x00" + "\x00" +
		"hello" + "\x00\x00\x00" +
		"070701" + "00000003" + "00000000" + zeros(2) + "00000001" + zeros(1) + "00000000" + zeros(4) + "0000000b" + zeros(1) + "TRAILER!!!\x00" + "\x00\x00\x00"
	if got := b.String(); got != want {
		t.Errorf("the archive is\n%q, want\n%q", got, want)
	}
}

func TestArchiveUnpacks(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio is not installed; TestArchiveIsWhatTheKernelReads compares bytes instead")
	}
	var b bytes.Buffer
	a := archive{to: &b}
	a.dir("sub")
	contents := map[string]string{}
	for i, size := range []int{0, 1, 2, 3, 4, 5, 4096} {
		name := "sub/" + strings.Repeat("n", i+1) // of every length modulo 4
		contents[name] = strings.Repeat("x", size)
		a.file(name, 0o644, []byte(contents[name]))
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cpio, "-id")
	cmd.Dir, cmd.Stdin = t.TempDir(), &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	for name, want := range contents {
		got, err := os.ReadFile(filepath.Join(cmd.Dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s has %d bytes (%v), want %d", name, len(got), err, len(want))
		}
	}
}

func TestArchiveTellsItsFirstError(t *testing.T) {
	full := errors.New("full")
	a := archive{to: failing{full}}
	a.dir("dev")
	if err := a.close(); !errors.Is(err, full) {
		t.Errorf("close returned %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
