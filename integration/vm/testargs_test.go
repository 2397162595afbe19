package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestArgumentsOfATestBinary(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"out", "cover"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, cover := filepath.Join(dir, "out"), filepath.Join(dir, "cover")
	for name, c := range map[string]struct {
		args   []string
		limit  time.Duration // without the boot
		shares []string
	}{
		"none":             {nil, testTimeout, nil},
		"no test":          {[]string{"link", "add", "red"}, testTimeout, nil},
		"timeout":          {[]string{"-test.v", "-test.timeout=20m0s"}, 20 * time.Minute, nil},
		"two dashes":       {[]string{"--test.timeout=1s"}, time.Second, nil},
		"two words":        {[]string{"-test.timeout", "5m", "-test.v"}, 5 * time.Minute, nil},
		"value missing":    {[]string{"-test.timeout"}, testTimeout, nil},
		"no timeout":       {[]string{"-test.timeout=0"}, endless, nil},
		"bad timeout":      {[]string{"-test.timeout=soon"}, testTimeout, nil},
		"cover folder":     {[]string{"-test.gocoverdir=" + cover}, testTimeout, []string{cover}},
		"cover file":       {[]string{"-test.coverprofile=" + out + "/c.out"}, testTimeout, []string{out}},
		"relative":         {[]string{"-test.cpuprofile=out/cpu"}, testTimeout, []string{out}},
		"here":             {[]string{"-test.outputdir=."}, testTimeout, []string{dir}},
		"once":             {[]string{"-test.trace=out/t", "-test.memprofile=out/m", "-test.outputdir=out/"}, testTimeout, []string{out}},
		"inside":           {[]string{"-test.trace=t", "-test.gocoverdir=cover"}, testTimeout, []string{dir}},
		"around":           {[]string{"-test.gocoverdir=cover", "-test.trace=out/t", "-test.coverprofile=c.out"}, testTimeout, []string{dir}},
		"no such folder":   {[]string{"-test.outputdir=nonesuch"}, testTimeout, nil},
		"no folder":        {[]string{"-test.outputdir="}, testTimeout, nil},
		"plain words skip": {[]string{"test.timeout=1s"}, testTimeout, nil},
	} {
		t.Run(name, func(t *testing.T) {
			limit, shares := testFlags(c.args, dir)
			if limit != c.limit+bootTime || !slices.Equal(shares, c.shares) {
				t.Errorf("got %v and %q, want %v and %q", limit, shares, c.limit+bootTime, c.shares)
			}
		})
	}
}
