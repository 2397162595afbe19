package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// archive is an image layout as it grows.
type archive struct {
	buf     bytes.Buffer
	tar     *tar.Writer
	written map[string]bool
	at      time.Time
	errs    []error
}

func newArchive(at time.Time) *archive {
	a := &archive{written: make(map[string]bool), at: at}
	a.tar = tar.NewWriter(&a.buf)
	a.errs = append(a.errs, directory(a.tar, at, "blobs"), directory(a.tar, at, "blobs/sha256"))
	return a
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// blob adds a content under its digest, once, and describes it.
func (a *archive) blob(mediaType string, content []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: digestOf(content), Size: len(content)}
	if name := "blobs/" + strings.Replace(d.Digest, ":", "/", 1); !a.written[name] {
		a.written[name] = true
		a.file(name, content)
	}
	return d
}

func (a *archive) json(mediaType string, v any) (descriptor, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, content), nil
}

func (a *archive) file(name string, content []byte) {
	a.errs = append(a.errs, file(a.tar, a.at, name, 0o644, content))
}

// end returns what went wrong, if anything did.
func (a *archive) end() error {
	return errors.Join(append(a.errs, a.tar.Close())...)
}

func (a *archive) bytes() []byte { return a.buf.Bytes() }

// newLayer is the root directory of the image, compressed, and the digest that it has before that.
func newLayer(at time.Time, program []byte) (layer []byte, diff string, err error) {
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	var errs []error
	// What is mounted over has a place beforehand. The daemon makes files in /tmp.
	for _, name := range []string{"dev", "etc", "etc/vrfredist", "proc", "run", "run/vrfredist", "run/netns", "sys", "tmp", "usr", "usr/bin", "var", "var/lib", "var/lib/vrfredist"} {
		errs = append(errs, directory(w, at, name))
	}
	errs = append(errs,
		// Without it the only user is a number, and `socket_group` and roles know no name.
		file(w, at, "etc/group", 0o644, []byte("root:x:0:\n")),
		file(w, at, "etc/passwd", 0o644, []byte("root:x:0:0:root:/:/\n")),
		file(w, at, "usr/bin/vrfredist", 0o755, program),
		w.Close())
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, "", err
	}
	_, err = z.Write(plain.Bytes())
	err = errors.Join(append(errs, err, z.Close())...)
	return packed.Bytes(), digestOf(plain.Bytes()), err
}

// All is of root, and as old as the commit.
func directory(w *tar.Writer, at time.Time, name string) error {
	mode := int64(0o755)
	if name == "tmp" {
		mode = 0o1777
	}
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, ModTime: at, Format: tar.FormatUSTAR})
}

func file(w *tar.Writer, at time.Time, name string, mode int64, content []byte) error {
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: at, Format: tar.FormatUSTAR})
	if err == nil {
		_, err = w.Write(content)
	}
	return err
}
