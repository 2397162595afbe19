// Command image writes an OCI image of vrfredist as an archive, without a container engine:
//
//	image -output FILE -version VERSION -revision COMMIT -created SECONDS amd64=PROGRAM arm64=PROGRAM
//
// What is in it is the program for each architecture, and nothing else to run: the image has no
// shell and no library. The same programs give the same archive, byte for byte. It prints the
// image's digest, which is that of the index over all architectures.
//
// The archive is an image layout in a tar file (github.com/opencontainers/image-spec, image-layout.md),
// as `podman load`, `docker load` and `skopeo copy oci-archive:FILE` take it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	output := flags.String("output", "", "write the archive to this file")
	version := flags.String("version", "", "the program's version")
	revision := flags.String("revision", "", "the commit that it is built of")
	created := flags.Int64("created", 0, "when, in seconds since 1970")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *output == "" || *version == "" || flags.NArg() == 0 {
		return errors.New("usage: image -output FILE -version VERSION [-revision COMMIT] [-created SECONDS] ARCHITECTURE=PROGRAM…")
	}
	about := about{version: *version, revision: *revision, created: time.Unix(*created, 0).UTC()}
	a := newArchive(about.created)
	var index index
	for _, word := range slices.Sorted(slices.Values(flags.Args())) {
		arch, program, ok := strings.Cut(word, "=")
		if !ok {
			return fmt.Errorf("%s: write ARCHITECTURE=PROGRAM", word)
		}
		content, err := os.ReadFile(program)
		if err != nil {
			return err
		}
		one, err := image(a, about, arch, content)
		if err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		index.Manifests = append(index.Manifests, one)
	}
	digest, err := a.finish(about, index)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*output, a.bytes(), 0o644); err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}
