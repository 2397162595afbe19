package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/image-spec/schema"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// image checks an image layout in a tar file: each of its documents by the specification's schema,
// each blob by its digest and size, each layer by its diff id.
func image(name string) error {
	files, err := untar(name)
	if err != nil {
		return err
	}
	layout, ok := files[v1.ImageLayoutFile]
	if !ok {
		return fmt.Errorf("it has no %s", v1.ImageLayoutFile)
	}
	if err := schema.ValidatorMediaTypeLayoutHeader.Validate(bytes.NewReader(layout)); err != nil {
		return err
	}
	top := v1.Descriptor{MediaType: v1.MediaTypeImageIndex}
	if _, ok := files[v1.ImageIndexFile]; !ok {
		return fmt.Errorf("it has no %s", v1.ImageIndexFile)
	}
	return files.index(top, files[v1.ImageIndexFile])
}

type contents map[string][]byte

func untar(name string) (contents, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := contents{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		} else if err != nil {
			return nil, err
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

// blob is what a descriptor means, if it is that.
func (c contents) blob(d v1.Descriptor) ([]byte, error) {
	text, ok := c["blobs/"+strings.Replace(string(d.Digest), ":", "/", 1)]
	if !ok {
		return nil, fmt.Errorf("%s is not there", d.Digest)
	}
	if int64(len(text)) != d.Size || d.Digest.Validate() != nil || d.Digest.Algorithm().FromBytes(text) != d.Digest {
		return nil, fmt.Errorf("%s is not what its descriptor says", d.Digest)
	}
	return text, nil
}

func (c contents) index(d v1.Descriptor, text []byte) error {
	if err := schema.ValidatorMediaTypeImageIndex.Validate(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("index %s: %w", d.Digest, err)
	}
	var i v1.Index
	if err := json.Unmarshal(text, &i); err != nil {
		return err
	}
	for _, m := range i.Manifests {
		text, err := c.blob(m)
		if err != nil {
			return err
		}
		follow := c.manifest
		if m.MediaType == v1.MediaTypeImageIndex {
			follow = c.index
		}
		if err := follow(m, text); err != nil {
			return err
		}
	}
	return nil
}

func (c contents) manifest(d v1.Descriptor, text []byte) error {
	if err := schema.ValidatorMediaTypeManifest.Validate(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	var m v1.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	text, err := c.blob(m.Config)
	if err != nil {
		return err
	}
	if err := schema.ValidatorMediaTypeImageConfig.Validate(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("configuration %s: %w", m.Config.Digest, err)
	}
	var config v1.Image
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	if d.Platform == nil || config.Architecture != d.Platform.Architecture || len(config.RootFS.DiffIDs) != len(m.Layers) {
		return fmt.Errorf("manifest %s: the configuration is of another platform, or has other layers", d.Digest)
	}
	for i, layer := range m.Layers {
		packed, err := c.blob(layer)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, z); err != nil {
			return fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
		if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != string(config.RootFS.DiffIDs[i]) {
			return fmt.Errorf("layer %s has the diff id %s, and not %s", layer.Digest, got, config.RootFS.DiffIDs[i])
		}
	}
	return nil
}
