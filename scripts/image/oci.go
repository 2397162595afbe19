package main

import (
	"encoding/json"
	"time"
)

// The media types of what an image is made of (image-spec, media-types.md).
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// home is where the sources are.
const home = "https://github.com/vrfredist/vrfredist"

// about is what the labels of an image say.
type about struct {
	version, revision string
	created           time.Time
}

// labels are those that image-spec names (annotations.md). The licence is for the owners of
// vrfredist to choose, so that none is said.
func (a about) labels() map[string]string {
	m := map[string]string{
		"org.opencontainers.image.created":       a.created.Format(time.RFC3339),
		"org.opencontainers.image.description":   "One daemon that redistributes routes between BGP and the kernel tables of a host's VRFs and network namespaces",
		"org.opencontainers.image.documentation": home + "/blob/main/docs/README.md",
		"org.opencontainers.image.source":        home,
		"org.opencontainers.image.title":         "vrfredist",
		"org.opencontainers.image.url":           home,
		"org.opencontainers.image.version":       a.version,
	}
	if a.revision != "" {
		m["org.opencontainers.image.revision"] = a.revision
	}
	return m
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// descriptor says which blob of the archive is meant (descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// config is how the image runs (config.md).
type config struct {
	platform
	Created string    `json:"created"`
	Config  execution `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history"`
}

type execution struct {
	Entrypoint   []string            `json:"Entrypoint"`
	Cmd          []string            `json:"Cmd"`
	Env          []string            `json:"Env"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts"`
	WorkingDir   string              `json:"WorkingDir"`
	Labels       map[string]string   `json:"Labels"`
	StopSignal   string              `json:"StopSignal"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// image adds the image of one architecture, and says which it is.
func image(a *archive, about about, arch string, program []byte) (descriptor, error) {
	layer, diff, err := newLayer(about.created, program)
	if err != nil {
		return descriptor{}, err
	}
	on, at := platform{Architecture: arch, OS: "linux"}, about.created.Format(time.RFC3339)
	c := config{
		platform: on,
		Created:  at,
		Config: execution{
			Entrypoint:   []string{"/usr/bin/vrfredist"},
			Cmd:          []string{"run", "-f", "/etc/vrfredist/vrfredist.toml"},
			Env:          []string{"PATH=/usr/bin"},
			ExposedPorts: map[string]struct{}{"179/tcp": {}},
			WorkingDir:   "/",
			Labels:       about.labels(),
			StopSignal:   "SIGTERM",
		},
		RootFS:  rootFS{Type: "layers", DiffIDs: []string{diff}},
		History: []history{{Created: at, CreatedBy: "scripts/image.sh"}},
	}
	m := manifest{SchemaVersion: 2, MediaType: typeManifest, Annotations: about.labels()}
	m.Layers = []descriptor{a.blob(typeLayer, layer)}
	if m.Config, err = a.json(typeConfig, c); err != nil {
		return descriptor{}, err
	}
	d, err := a.json(typeManifest, m)
	d.Platform = &on
	return d, err
}

// finish adds what leads to the images of all architectures, and returns the digest of their index.
func (a *archive) finish(about about, all index) (string, error) {
	all.SchemaVersion, all.MediaType, all.Annotations = 2, typeIndex, about.labels()
	d, err := a.json(typeIndex, all)
	if err != nil {
		return "", err
	}
	// By this name it is loaded, where nobody says another.
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": "localhost/vrfredist:" + tag(about.version)}
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{d}})
	if err != nil {
		return "", err
	}
	a.file("index.json", top)
	a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return d.Digest, a.end()
}

// tag is a version as a tag of an image may have it: without + and ~.
func tag(version string) string {
	b := []byte(version)
	for i, c := range b {
		if c == '+' || c == '~' {
			b[i] = '-'
		}
	}
	return string(b)
}
