package service_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// other is an architecture that this host does not have.
func other() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// makeImage builds the image of the program, and of one for another architecture, for which this
// host's own stands in unless VRFREDIST_TEST_REBUILD asks for it: that takes minutes.
func makeImage(t *testing.T) (archive, digest string) {
	t.Helper()
	programs := t.TempDir()
	must(t, "cp", shipped(t), filepath.Join(programs, runtime.GOARCH))
	if foreign := filepath.Join(programs, other()); os.Getenv("VRFREDIST_TEST_REBUILD") != "" {
		t.Setenv("GOARCH", other())
		if err := build("../..", foreign); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOARCH", "")
	} else {
		must(t, "cp", shipped(t), foreign)
	}
	cmd := exec.Command("scripts/image.sh", t.TempDir(), version)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "VRFREDIST_PROGRAM="+programs, "SOURCE_DATE_EPOCH=1790000000")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/image.sh: %v: %s", err, &stderr)
	}
	archive, digest, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !ok {
		t.Fatalf("scripts/image.sh prints %q", out)
	}
	return archive, digest
}

// layout is what an image's archive has.
type layout map[string][]byte

func readImage(t *testing.T, archive string) layout {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return readTar(t, f, nil)
}

// readTar reads a tar file; see, where it is not nil, is shown each entry.
func readTar(t *testing.T, from io.Reader, see func(h *tar.Header, content []byte)) layout {
	t.Helper()
	all := layout{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if see != nil {
			see(h, all[h.Name])
		}
	}
}

type blob struct {
	MediaType, Digest string
	Annotations       map[string]string
	Platform          struct{ Architecture, OS string }
}

// document is any of an image's: an index, a manifest or a configuration.
type document struct {
	Manifests, Layers []blob
	Annotations       map[string]string
	Architecture, OS  string
	Config            json.RawMessage
}

func (l layout) document(t *testing.T, name string) (d document) {
	t.Helper()
	name = strings.Replace(name, "sha256:", "blobs/sha256/", 1)
	if err := json.Unmarshal(l[name], &d); err != nil {
		t.Fatalf("%s: %v: %q", name, err, l[name])
	}
	return d
}

// of returns the manifest for an architecture.
func (l layout) of(t *testing.T, arch string) document {
	t.Helper()
	for _, m := range l.document(t, l.document(t, "index.json").Manifests[0].Digest).Manifests {
		if m.Platform.Architecture == arch {
			return l.document(t, m.Digest)
		}
	}
	t.Fatalf("the image has nothing for %s", arch)
	return document{}
}

// root unpacks the image's root directory.
func (l layout) root(t *testing.T, arch, dir string) {
	t.Helper()
	for _, layer := range l.of(t, arch).Layers {
		z, err := gzip.NewReader(bytes.NewReader(l[strings.Replace(layer.Digest, "sha256:", "blobs/sha256/", 1)]))
		if err != nil {
			t.Fatal(err)
		}
		readTar(t, z, func(h *tar.Header, content []byte) {
			write := func(path string) error { return os.WriteFile(path, content, os.FileMode(h.Mode)) }
			if h.Typeflag == tar.TypeDir {
				write = func(path string) error { return os.MkdirAll(path, 0o755) }
			}
			if err := write(filepath.Join(dir, h.Name)); err != nil {
				t.Fatal(err)
			}
			if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1790000000 {
				t.Errorf("/%s is of %d:%d, and of %v", h.Name, h.Uid, h.Gid, h.ModTime)
			}
		})
	}
}

// TestImage: the image is one of both architectures, has the program and its labels, is by the
// specification's own schemas what it should be, and is the same when it is built again.
func TestImage(t *testing.T) {
	archive, digest := makeImage(t)
	l := readImage(t, archive)
	top := l.document(t, "index.json").Manifests
	if len(top) != 1 || top[0].Digest != digest {
		t.Fatalf("index.json leads to %+v, and the digest that is said is %s", top, digest)
	}
	all := l.document(t, digest)
	for _, arch := range []string{runtime.GOARCH, other()} {
		m := l.of(t, arch)
		want := map[string]string{
			"org.opencontainers.image.version": version, "org.opencontainers.image.title": "vrfredist",
			"org.opencontainers.image.source": "https://" + strings.TrimSpace(must(t, "go", "list", "-m")), "org.opencontainers.image.created": "2026-09-21T14:13:20Z",
		}
		for key, value := range want {
			if m.Annotations[key] != value || all.Annotations[key] != value {
				t.Errorf("%s: %s is %q and %q, want %q", arch, key, m.Annotations[key], all.Annotations[key], value)
			}
		}
	}
	dir := t.TempDir()
	l.root(t, runtime.GOARCH, dir)
	if out := must(t, filepath.Join(dir, "usr/bin/vrfredist"), "version"); !strings.HasPrefix(out, "vrfredist "+version+"\n") {
		t.Errorf("the program in it says %q", out)
	}
	if _, again := makeImage(t); again != digest {
		t.Errorf("built twice, the image has the digests %s and %s", digest, again)
	}
	schemas(t, "image", archive)
}

// TestImageLoads: podman takes the archive as it is, under the digest that was said.
func TestImageLoads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: a plain user's podman needs more than this test sets up")
	}
	lab.Need(t, "podman")
	archive, digest := makeImage(t)
	dir := t.TempDir()
	podman := []string{"podman", "--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs"}
	must(t, append(podman, "load", "--quiet", "--input", archive)...)
	name := "localhost/vrfredist:1.2.3-test-4.g0123456789ab"
	got := must(t, append(podman, "inspect", "--format", "{{.Digest}} {{.Architecture}} {{index .Labels \"org.opencontainers.image.version\"}} {{.Config.Entrypoint}}", name)...)
	if want := fmt.Sprintf("%s %s %s [/usr/bin/vrfredist]\n", digest, runtime.GOARCH, version); got != want {
		t.Errorf("podman has %q, want %q", got, want)
	}
}

// schemas holds files against schemas, by a program with modules of its own.
func schemas(t *testing.T, words ...string) {
	t.Helper()
	for i, w := range words[1:] {
		abs, err := filepath.Abs(w)
		if err != nil {
			t.Fatal(err)
		}
		words[i+1] = abs
	}
	tools(t, slices.Concat([]string{"run", "./schemas"}, words)...)
}

// tools runs go in the module of what packages are built with and held against.
func tools(t *testing.T, words ...string) {
	t.Helper()
	cmd := exec.Command("go", words...)
	cmd.Dir = "../../scripts/tools"
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go %q: %v: %s", words, err, out)
	}
}
